"""Channels that need no app, and a gateway without a broker; on the gateway and on anycable-go."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from anycable_rpc.identity.signed_streams import sign_stream
from anycable_rpc.protocol.messages import CommandMessage

from .client import Client
from .servers import Serve, Server
from .verdicts import OTHER, SECRET, token

SIGNED = sign_stream("s", SECRET)
ME = f"jid={token()}"


def pubsub(**params: Any) -> str:
    return json.dumps({"channel": "$pubsub", **params})


def server_frame(type_: str, identifier: str) -> str:
    """Return a frame that anycable-go writes itself."""
    return f'{{"type":"{type_}","identifier":{json.dumps(identifier)}}}'


def try_to_subscribe(client: Client, identifier: str) -> str:
    client.send("subscribe", identifier)
    return client.raw()


def test_a_signed_stream(serve: Serve) -> None:
    server = serve(jwt_secrets=(SECRET,), streams_secret=SECRET)
    identifier = pubsub(signed_stream_name=SIGNED)
    with server.welcomed(ME) as client:
        assert try_to_subscribe(client, identifier) == server_frame("confirm_subscription", identifier)
        server.broadcast("s", 1)
        assert client.next() == {"identifier": identifier, "message": 1}
        client.send("unsubscribe", identifier)
        client.pending()
        server.broadcast("s", 2)
        assert try_to_subscribe(client, identifier) == server_frame("confirm_subscription", identifier)
    assert server.app.calls == []


NOT_SIGNED: dict[str, dict[str, Any]] = {
    "another key": {"signed_stream_name": sign_stream("s", OTHER)},
    "garbage": {"signed_stream_name": "garbage"},
    "no digest": {"signed_stream_name": SIGNED.partition("--")[0] + "--"},
    "not a text": {"signed_stream_name": b64encode(b"5").decode()},
    "no name": {},
    "empty names": {"signed_stream_name": "", "stream_name": ""},
    "a number": {"signed_stream_name": 5},
    "a name that is not signed": {"stream_name": "s"},
    "a name that is a number": {"stream_name": 5},
    "a good name beside a bad signature": {"stream_name": "s", "signed_stream_name": "garbage"},
}


def test_streams_that_are_not_signed(serve: Serve) -> None:
    server = serve(jwt_secrets=(SECRET,), streams_secret=SECRET)
    with server.welcomed(ME) as client:
        for params in NOT_SIGNED.values():
            identifier = pubsub(**params)
            assert try_to_subscribe(client, identifier) == server_frame("reject_subscription", identifier)
        server.broadcast("s", 1)
        assert client.pending() == []
    assert server.app.requests("Command") == []


def test_without_a_secret_nothing_is_signed_well(serve_gateway: Serve) -> None:
    """anycable-go 1.6.16 verifies with an empty key then, so that anybody can sign; 1.5.1 crashes."""
    server = serve_gateway(noauth=True)
    for signed in (SIGNED, "", "x--y"):
        identifier = pubsub(signed_stream_name=signed)
        with server.welcomed() as client:
            assert try_to_subscribe(client, identifier) == server_frame("reject_subscription", identifier)


@pytest.mark.parametrize("options", [{"public": True}, {"public_streams": True, "noauth": True}])
def test_public_streams(serve: Serve, options: dict[str, Any]) -> None:
    server = serve(**options)
    identifier = pubsub(stream_name="s")
    with server.welcomed() as ada, server.welcomed() as grace:
        for client in (ada, grace):
            assert try_to_subscribe(client, identifier) == server_frame("confirm_subscription", identifier)
        server.broadcast("s", [1])
        for client in (ada, grace):
            assert client.next() == {"identifier": identifier, "message": [1]}
        ada.send("whisper", identifier, data={"a": 1})
        assert grace.next() == {"identifier": identifier, "message": {"a": 1}}
        assert ada.pending() == []


def test_a_signed_name_counts_before_another(serve: Serve) -> None:
    server = serve(public=True, streams_secret=SECRET)
    identifier = pubsub(stream_name="other", signed_stream_name=SIGNED)
    with server.welcomed() as client:
        assert try_to_subscribe(client, identifier) == server_frame("confirm_subscription", identifier)
        server.broadcast("s" if server.version >= (1, 6) else "other", "heard")
        assert client.next()["message"] == "heard"
        client.send("whisper", identifier, data=1)
        assert client.pending() == []


def test_perform_on_a_signed_stream_reaches_the_app(serve: Serve) -> None:
    server = serve(public=True, jwt_secrets=(SECRET,), streams_secret=SECRET)
    with server.welcomed(ME) as client:
        public, signed = pubsub(stream_name="p"), pubsub(signed_stream_name=SIGNED)
        client.send("subscribe", public)
        client.send("subscribe", signed)
        client.send("message", public, data="{}")
        client.send("message", signed, data="{}")
        client.pending()

    requests = server.app.requests("Command")
    known = server.version >= (1, 6)  # presence
    assert [(request.command, request.identifier, request.env.istate) for request in requests] == [
        ("message", public, {"$w": "p", **({"$p": "p"} if known else {})}),
        ("message", signed, {"$p": "s"} if known else {}),
    ]
    assert isinstance(requests[0], CommandMessage)


@pytest.mark.parametrize("identifier", ['{"channel":"pubsub"}', '{"channel":["$pubsub"]}', '["$pubsub"]', "$pubsub"])
def test_other_channels_are_the_app_s(server: Server, identifier: str) -> None:
    with server.welcomed() as client:
        client.send("subscribe", identifier)
        assert client.pending() == [{"identifier": identifier, "type": "confirm_subscription"}]
    assert len(server.app.requests("Command")) == 1


@pytest.mark.parametrize("has_turbo", [True, False])
def test_turbo_streams(serve: Serve, has_turbo: bool) -> None:
    server = serve(jwt_secrets=(SECRET,), turbo_streams_secret=SECRET, turbo_streams=has_turbo)
    good = json.dumps({"channel": "Turbo::StreamsChannel", "signed_stream_name": SIGNED})
    bad = json.dumps({"channel": "Turbo::StreamsChannel", "stream_name": "s"})
    with server.welcomed(ME) as client:
        client.send("subscribe", good)
        client.send("subscribe", bad)
        types = [frame["type"] for frame in client.pending()]

    assert types == ["confirm_subscription", "reject_subscription" if has_turbo else "confirm_subscription"]
    assert len(server.app.requests("Command")) == (0 if has_turbo else 2)


def test_without_an_app_there_are_streams_only(serve: Serve) -> None:
    server = serve(jwt_secrets=(SECRET,), streams_secret=SECRET, norpc=True)
    with server.welcomed(ME) as client:
        assert try_to_subscribe(client, "A") == server_frame("reject_subscription", "A")
        good = pubsub(signed_stream_name=SIGNED)
        assert try_to_subscribe(client, good) == server_frame("confirm_subscription", good)
        client.send("message", good, data="{}")
        assert client.pending() == []
    assert server.app.calls == []


# Without a broker


@pytest.mark.since((1, 6), "presence came with 1.6")
def test_nobody_knows_who_is_present(server: Server) -> None:
    with server.welcomed() as client:
        with_stream = client.subscribe("A", istate={"$p": "s"})
        without = client.subscribe("B")
        client.pending()
        client.send("join", with_stream, presence={"id": "u"})
        client.send("presence", without)
        client.send("leave", with_stream)
        assert client.pending() == []
        client.send("presence", with_stream)
        assert client.raw() == (
            f'{{"type":"presence","identifier":{json.dumps(with_stream)},"message":{{"type":"error","total":0}}}}'
        )


@pytest.mark.parametrize(
    ("history", "answer"),
    [
        ({"since": 1}, "reject_history"),
        ({"streams": {"s": {"offset": 1, "epoch": "x"}}}, "reject_history"),
        ({"streams": {"other": {"offset": 1, "epoch": "x"}}}, "confirm_history"),
        ({"since": 1, "streams": {}}, "reject_history"),
        ({"streams": {}}, "confirm_history"),
        ({"since": 0}, None),
        ({}, None),
        (None, None),
    ],
)
def test_nothing_is_kept(server: Server, history: dict[str, Any] | None, answer: str | None) -> None:
    expected = [answer] if answer else []
    with server.welcomed() as client:
        identifier = json.dumps({"channel": "A", "answer": {"streams": ["s"]}})
        client.send("subscribe", identifier, history=history)
        assert [frame["type"] for frame in client.pending()] == ["confirm_subscription", *expected]
        client.send("history", identifier, history=history)
        assert [frame["type"] for frame in client.pending()] == expected


def test_history_of_a_subscription_without_streams_is_empty(server: Server) -> None:
    with server.welcomed() as client:
        identifier = client.subscribe("A")
        client.pending()
        client.send("history", identifier, history={"since": 1})
        assert client.raw() == server_frame("confirm_history", identifier)
