"""Streams: one, several, stopped, with several clients; broadcast from outside, from actions, and whispered.

To see that a client receives nothing, a test waits until a later message of the same stream has reached another client:
the messages of a stream are delivered in order.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..gateway.client import Client
from .servers import Served, message, perform, subscribed, unsubscribe


@pytest.mark.parametrize(
    "data",
    [
        {"user": {"id": 1, "tags": ["a", None], "away": False}},
        "<b>no script</b>",
        '{"looks":{"like":"JSON"}}',
    ],
    ids=["object", "text", "JSON text"],
)
def test_broadcast_arrives_as_it_was(server: Served, ada: Client, room: str, data: Any) -> None:
    identifier = subscribed(ada, "Room", rooms=[room])
    server.cable.broadcast(room, data)
    assert ada.next() == message(identifier, data)


def test_stream_delivers_in_order(server: Served, ada: Client, room: str) -> None:
    identifier = subscribed(ada, "Room", rooms=[room])
    server.cable.broadcast(room, "first")
    server.cable.broadcast(room, "second")
    assert [ada.next(), ada.next()] == [message(identifier, "first"), message(identifier, "second")]


def silent(server: Served, client: Client, witness: Client, rooms: list[str]) -> bool:
    """Return whether a client receives nothing from rooms that a witness receives from."""
    for room in rooms:
        identifier = subscribed(witness, "Room", rooms=[room])
        for text in ("now", "later"):
            server.cable.broadcast(room, text)
            assert witness.next() == message(identifier, text)
    return client.pending() == []


def test_stream_ends_with_its_subscription(server: Served, ada: Client, grace: Client, room: str) -> None:
    identifier = subscribed(ada, "Room", rooms=[room])
    server.cable.broadcast(room, "before")
    assert ada.next() == message(identifier, "before")
    unsubscribe(ada, identifier)
    assert silent(server, ada, grace, [room])


def test_each_subscription_to_a_stream_hears(server: Served, ada: Client, room: str) -> None:
    first, second = subscribed(ada, "Room", rooms=[room]), subscribed(ada, "Room", rooms=[room], another="one")
    server.cable.broadcast(room, "hello")
    heard = sorted([ada.next(), ada.next()], key=json.dumps)
    assert heard == sorted([message(first, "hello"), message(second, "hello")], key=json.dumps)


def test_several_streams(server: Served, ada: Client, room: str) -> None:
    rooms = [f"{room}-a", f"{room}-b"]
    identifier = subscribed(ada, "Room", rooms=rooms)
    for each in rooms:
        server.cable.broadcast(each, f"in {each}")
        assert ada.next() == message(identifier, f"in {each}")


def test_several_streams_end_with_their_subscription(server: Served, ada: Client, grace: Client, room: str) -> None:
    rooms = [f"{room}-a", f"{room}-b"]
    identifier = subscribed(ada, "Room", rooms=rooms)
    server.cable.broadcast(rooms[0], "before")
    assert ada.next() == message(identifier, "before")
    unsubscribe(ada, identifier)
    assert silent(server, ada, grace, rooms)


def test_one_stream_is_stopped(server: Served, ada: Client, grace: Client, room: str) -> None:
    stopped, kept = f"{room}-a", f"{room}-b"
    identifier = subscribed(ada, "Room", rooms=[stopped, kept])
    server.cable.broadcast(stopped, "before")
    assert ada.next() == message(identifier, "before")
    perform(ada, identifier, "leave", room=stopped)
    assert ada.pending() == []
    assert silent(server, ada, grace, [stopped])
    server.cable.broadcast(kept, "after")
    assert ada.next() == message(identifier, "after")


def test_all_clients_hear(server: Served, ada: Client, grace: Client, room: str) -> None:
    identifiers = [subscribed(client, "Room", rooms=[room]) for client in (ada, grace)]
    server.cable.broadcast(room, "hello")
    assert [ada.next(), grace.next()] == [message(identifier, "hello") for identifier in identifiers]


def test_others_hear_when_one_has_left(server: Served, ada: Client, grace: Client, room: str) -> None:
    identifier = subscribed(ada, "Room", rooms=[room])
    subscribed(grace, "Room", rooms=[room])
    server.cable.broadcast(room, "before")
    assert [ada.next(), grace.next()] == [message(identifier, "before")] * 2
    unsubscribe(ada, identifier)
    for text in ("after", "later"):
        server.cable.broadcast(room, text)
        assert grace.next() == message(identifier, text)
    assert ada.pending() == []


def test_broadcast_from_an_action(ada: Client, grace: Client, room: str) -> None:
    identifier, _ = (subscribed(client, "Room", rooms=[room]) for client in (ada, grace))
    perform(ada, identifier, "say", text="hello")
    assert [ada.next(), grace.next()] == [message(identifier, {"text": "hello"})] * 2


def test_broadcast_to_others(ada: Client, grace: Client, mary: Client, room: str) -> None:
    identifier, *_ = [subscribed(client, "Room", rooms=[room]) for client in (ada, grace, mary)]
    for text in ("hello", "again"):
        perform(ada, identifier, "say_to_others", text=text)
        assert [grace.next(), mary.next()] == [message(identifier, {"text": text})] * 2
    assert ada.pending() == []


def test_whisper_reaches_others(ada: Client, grace: Client, mary: Client, room: str) -> None:
    identifier, *_ = [subscribed(client, "Room", rooms=[room], whispers=True) for client in (ada, grace, mary)]
    for data in ({"event": "typing"}, {"event": "done"}):
        ada.send("whisper", identifier, data=data)
        assert [grace.next(), mary.next()] == [message(identifier, data)] * 2
    assert ada.pending() == []
