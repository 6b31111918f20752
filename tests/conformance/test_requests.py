"""Requests as the app sees them, refusals, and the end of a connection."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..gateway.client import Client
from .servers import Serve, Served, message, subscribed

UNAUTHORIZED = {"type": "disconnect", "reason": "unauthorized", "reconnect": False}


def is_refused(server: Served, query: str, **how: Any) -> bool:
    with server.client(query, **how) as client:
        frames, _, _ = client.last_words()
    return frames == [UNAUTHORIZED]


def test_url_is_known(server: Served) -> None:
    with server.welcomed("rule=url"):
        pass


@pytest.mark.parametrize("cookie", [{}, {"Cookie": "name=somebody else"}])
def test_refused_without_cookie(server: Served, cookie: dict[str, str]) -> None:
    assert is_refused(server, "rule=cookies", headers=cookie)


def test_admitted_by_cookie(server: Served) -> None:
    with server.welcomed("rule=cookies", headers={"Cookie": "name=ada lovelace"}):
        pass


@pytest.mark.parametrize("header", [{}, {"X-API-Token": "shut"}])
def test_refused_without_header(server: Served, header: dict[str, str]) -> None:
    assert is_refused(server, "rule=headers", headers=header)


def test_admitted_by_header(server: Served) -> None:
    with server.welcomed("rule=headers", headers={"X-API-Token": "open"}):
        pass


def test_refusal_says_why(server: Served) -> None:
    assert is_refused(server, "rule=nobody")


def test_channel_sees_request(server: Served) -> None:
    with server.welcomed("password=sesame") as client:
        subscribed(client, "Secret")
    with server.welcomed("password=wrong") as client:
        client.send("subscribe", '{"channel":"Secret"}')
        assert client.next() == {"identifier": '{"channel":"Secret"}', "type": "reject_subscription"}


def test_leaving_is_told_to_each_channel(server: Served, ada: Client, room: str) -> None:
    kitchen, cellar = (subscribed(ada, "Room", rooms=[f"{room}-{where}"]) for where in ("kitchen", "cellar"))
    with server.welcomed() as grace:
        for where in ("kitchen", "cellar"):
            subscribed(grace, "Room", rooms=[f"{room}-{where}"], name=f"grace in the {where}")
    heard = sorted([ada.next(), ada.next()], key=json.dumps)
    assert heard == [
        message(cellar, {"left": "grace in the cellar"}),
        message(kitchen, {"left": "grace in the kitchen"}),
    ]


def test_leaving_is_told_to_each_subscription_of_a_channel(server: Served, ada: Client, room: str) -> None:
    identifier = subscribed(ada, "Room", rooms=[room])
    with server.welcomed() as grace:
        for name in ("first", "second"):
            subscribed(grace, "Room", rooms=[room], name=name)
    heard = sorted([ada.next(), ada.next()], key=json.dumps)
    assert heard == [message(identifier, {"left": "first"}), message(identifier, {"left": "second"})]


def test_each_welcome_is_one_call(serve: Serve) -> None:
    server = serve(disconnect_mode="never", ping_interval=1)
    for _ in range(2):
        with server.welcomed() as client:
            client.wait_for_ping()
            client.wait_for_ping()
    server.shut_down()
    assert server.service.calls == ["Connect", "Connect"]
