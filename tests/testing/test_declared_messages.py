"""Messages that a channel does not declare: errors in a test, as in development."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel

from anycable_rpc import Cable, Channel, Connection, action
from anycable_rpc.errors import InvalidMessage
from anycable_rpc.testing import TestServer

from .ways import Way


class Said(BaseModel):
    """A message."""

    type: Literal["said"] = "said"
    text: str


class Anyone(Connection):
    """A connection without a name."""


class Room(Channel):
    """A channel that declares its messages."""

    messages = Said

    def subscribed(self) -> None:
        self.stream_from("room")

    @action
    def say(self, text: str) -> None:
        self.transmit(Said(text=text))

    @action
    def mumble(self) -> None:
        self.transmit({"type": "mumbled"})


def test_a_message_that_is_not_declared_is_an_error(way: Way) -> None:
    cable = way.cable(Anyone, [Room])
    room = way.subscribe(way.connect(cable), Room)
    way.do(room, "perform", "say", text="hello")
    assert room.transmissions == [{"type": "said", "text": "hello"}]

    with pytest.raises(InvalidMessage, match=r"what is transmitted is none of Room\.messages"):
        way.do(room, "perform", "mumble")
    with pytest.raises(InvalidMessage, match="what to 'room' is broadcast is none of"):
        way.do(cable, "broadcast", "room", {"type": "mumbled"})


def test_a_server_that_is_closed_leaves_the_cable_as_it_was() -> None:
    cable = Cable(Anyone, [Room])

    with TestServer(cable):
        assert cable.check_message is not None

    assert cable.check_message is None
