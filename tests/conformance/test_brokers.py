"""The broker keeps the history of streams, and sessions to resume."""

from __future__ import annotations

import json
from collections.abc import Iterator
from time import time
from typing import Any

import pytest

from ..gateway.client import Client
from .servers import EXTENDED, Serve, Served, confirmation, message, subscribed

EARLIER = [{"user": 1, "status": "left"}, {"user": 2, "status": "joined"}]
IDENTIFIER = json.dumps({"channel": "Room", "rooms": ["kept"]})
CONFIRMED = {"identifier": IDENTIFIER, "type": "confirm_history"}


@pytest.fixture
def server(serve: Serve) -> Served:
    """A server with a broker, on whose stream two messages have been published."""
    server = serve(broker="memory")
    for data in EARLIER:
        server.cable.broadcast("kept", data)
    return server


@pytest.fixture
def client(server: Served) -> Iterator[Client]:
    with server.welcomed() as client:
        yield client


def without_place(frame: dict[str, Any]) -> dict[str, Any]:
    """Return a message without its place in the stream, which it must have."""
    place = {name: frame[name] for name in ("stream_id", "epoch", "offset")}
    assert place["stream_id"] == "kept"
    return {name: value for name, value in frame.items() if name not in place}


def hears(client: Client, *expected: Any) -> bool:
    """Return whether these messages come next, and then the end of the history."""
    return [without_place(client.next()) for _ in expected] == [
        message(IDENTIFIER, data) for data in expected
    ] and client.next() == CONFIRMED


def test_history_since_a_time(client: Client) -> None:
    subscribed(client, "Room", rooms=["kept"])
    client.send("history", IDENTIFIER, history={"since": int(time()) - 30})
    assert hears(client, *EARLIER)


def test_history_since_a_place(server: Served, client: Client) -> None:
    subscribed(client, "Room", rooms=["kept"])
    server.cable.broadcast("kept", "now")
    heard = client.next()
    assert without_place(heard) == message(IDENTIFIER, "now")

    place = {"epoch": heard["epoch"], "offset": heard["offset"] - 1}
    with server.welcomed() as other:
        subscribed(other, "Room", rooms=["kept"])
        other.send("history", IDENTIFIER, history={"streams": {"kept": place}})
        assert other.next() == heard
        assert other.next() == CONFIRMED


def test_history_with_the_subscription(client: Client) -> None:
    client.send("subscribe", IDENTIFIER, history={"since": int(time()) - 30})
    assert client.next() == confirmation(IDENTIFIER)
    assert hears(client, *EARLIER)


@pytest.mark.parametrize("place", ["header", "url"])
def test_session_is_restored(server: Served, place: str) -> None:
    with server.client(subprotocols=EXTENDED) as first:
        sid = first.next()["sid"]
        subscribed(first, "Room", rooms=["kept"])
        server.cable.broadcast("kept", "before")
        assert without_place(first.next()) == message(IDENTIFIER, "before")
        first.close()

    how: dict[str, dict[str, Any]] = {
        "header": {"headers": {"X-AnyCable-Restore-Sid": sid}},
        "url": {"query": f"sid={sid}"},
    }
    with server.client(subprotocols=EXTENDED, **how[place]) as second:
        welcome = second.next()
        assert {name: welcome.get(name) for name in ("type", "restored")} == {"type": "welcome", "restored": True}
        server.cable.broadcast("kept", "after")
        assert without_place(second.next()) == message(IDENTIFIER, "after")
