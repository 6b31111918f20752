"""Presence: by subscribing, by an action, and until the last connection of an id has ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..gateway.client import Client
from .servers import EXTENDED, Serve, Served, perform, subscribed

pytestmark = pytest.mark.since((1, 6), "presence came with 1.6")


@pytest.fixture
def server(serve: Serve) -> Served:
    return serve(broker="memory", presence_ttl=1)


def guest(server: Served, user: int, name: str) -> Client:
    """A welcomed client with an identity."""
    return server.welcomed(f"user={user}&name={name}", subprotocols=EXTENDED)


def joined(identifier: str, who: str, info: Any) -> dict[str, Any]:
    return {"identifier": identifier, "type": "presence", "message": {"type": "join", "id": who, "info": info}}


def left(identifier: str, who: str) -> dict[str, Any]:
    return {"identifier": identifier, "type": "presence", "message": {"type": "leave", "id": who}}


def test_present_from_subscribing_to_closing(server: Served) -> None:
    with server.welcomed("name=nobody") as visitor, guest(server, 2, "grace") as grace:
        identifier = subscribed(visitor, "Visited")
        with guest(server, 1, "ada") as ada:
            subscribed(ada, "Visited")
            for client in (visitor, ada):
                assert client.next() == joined(identifier, "1", {"name": "ada"})
            subscribed(grace, "Visited")
            for client in (visitor, ada, grace):
                assert client.next() == joined(identifier, "2", {"name": "grace"})
        for client in (visitor, grace):
            assert client.next() == left(identifier, "1")


def test_present_until_the_last_connection_closes(server: Served) -> None:
    """The first end of two connections causes no event: the next event is that of another client, who leaves later."""
    identifier = json.dumps({"channel": "Signed"})
    with guest(server, 9, "mary") as mary:
        subscribed(mary, "Signed")
        assert mary.next() == joined(identifier, "guest-9", {"alias": "mary"})
        with guest(server, 1, "ada") as second:
            with guest(server, 1, "ada") as first:
                subscribed(first, "Signed")
                assert mary.next() == joined(identifier, "guest-1", {"alias": "ada"})
                subscribed(second, "Signed")
            with guest(server, 2, "grace") as grace:
                subscribed(grace, "Signed")
                assert mary.next() == joined(identifier, "guest-2", {"alias": "grace"})
            assert mary.next() == left(identifier, "guest-2")
        assert mary.next() == left(identifier, "guest-1")


def test_present_between_actions(server: Served) -> None:
    with server.welcomed() as visitor, guest(server, 1, "ada") as ada:
        identifier = subscribed(visitor, "Gate")
        subscribed(ada, "Gate")
        perform(ada, identifier, "enter", name="Ada")
        for client in (visitor, ada):
            assert client.next() == joined(identifier, "1", {"name": "Ada"})
        perform(ada, identifier, "leave")
        for client in (visitor, ada):
            assert client.next() == left(identifier, "1")
