from __future__ import annotations

import json
from typing import Any

import pytest

from anycable_rpc.protocol.log_lines import call_line, subscription
from anycable_rpc.protocol.messages import (
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    DisconnectResponse,
    Request,
    Status,
)
from anycable_rpc.protocol.transmissions import disconnect

ROOM = '{"channel":"Room","id":7}'
WHO = '{"user":1}'
SUCCESS, FAILURE, ERROR = Status.SUCCESS, Status.FAILURE, Status.ERROR


def command(name: str, data: object = None) -> CommandMessage:
    return CommandMessage(name, ROOM, WHO, json.dumps(data) if data is not None else "")


@pytest.mark.parametrize(
    ("request_", "response", "line"),
    [
        (ConnectionRequest(), ConnectionResponse(SUCCESS, WHO), "connected '{\"user\":1}' by RPC"),
        (
            ConnectionRequest(),
            ConnectionResponse(FAILURE, transmissions=('{"type":"hello"}', disconnect("too_young", False))),
            "refused by RPC: 'too_young'",
        ),
        (ConnectionRequest(), ConnectionResponse(FAILURE, transmissions=("hello", "[]")), "refused by RPC"),
        (ConnectionRequest(), ConnectionResponse(ERROR), "could not connect a client"),
        (command("subscribe"), CommandResponse(SUCCESS), "subscribed to Room (id: 7)"),
        (
            command("subscribe"),
            CommandResponse(SUCCESS, streams=("a", "b\n")),
            "subscribed to Room (id: 7), streaming a, b\\n",
        ),
        (command("subscribe"), CommandResponse(FAILURE), "rejected Room (id: 7)"),
        (command("subscribe"), CommandResponse(ERROR), "could not subscribe to Room (id: 7)"),
        (command("unsubscribe"), CommandResponse(SUCCESS), "unsubscribed from Room (id: 7)"),
        (
            command("message", {"action": "speak", "text": "hush"}),
            CommandResponse(SUCCESS),
            "performed speak on Room (id: 7)",
        ),
        (command("message", {"text": "hush"}), CommandResponse(SUCCESS), "performed receive on Room (id: 7)"),
        (command("message", {"action": 5}), CommandResponse(ERROR), "could not perform receive on Room (id: 7)"),
        (DisconnectRequest(WHO, ("a", "b")), DisconnectResponse(SUCCESS), f"disconnected '{WHO}' with 2 subscriptions"),
        (
            DisconnectRequest(WHO),
            DisconnectResponse(ERROR),
            f"disconnected, with errors, '{WHO}' with 0 subscriptions",
        ),
    ],
)
def test_a_call_is_a_line(request_: Request, response: Any, line: str) -> None:
    assert call_line(request_, response, 0.00125, "") == f"{line} in 1.2 ms"


def test_a_line_ends_with_the_session_id() -> None:
    assert call_line(ConnectionRequest(), ConnectionResponse(ERROR), 1, "s1").endswith(" in 1000.0 ms [sid=s1]")


@pytest.mark.parametrize(
    ("identifier", "line"),
    [
        ('{"channel":"Room"}', "Room"),
        (
            '{"channel":"$pubsub","signed_stream_name":"hush","apiKey":"hush","password":"hush","a":{"b":"hush"}}',
            "$pubsub (signed_stream_name: …, apiKey: …, password: …, a: …)",
        ),
        ('{"channel":"Room","a":"x\\ny","b":null}', "Room (a: 'x\\ny', b: None)"),
        ('{"channel":1,"a":2}', "a channel without a name"),
        ("no JSON", "'no JSON'"),
    ],
)
def test_a_subscription_shows_no_secret(identifier: str, line: str) -> None:
    assert subscription(identifier) == line


def test_a_line_has_a_limited_length() -> None:
    identifier = json.dumps({"channel": "x" * 1000, **{f"{number}" * 50: "y" * 1000 for number in range(100)}})

    assert len(call_line(command("subscribe"), CommandResponse(SUCCESS, streams=("s" * 1000,) * 100), 1, "")) < 1000
    assert len(subscription(identifier)) < 300
