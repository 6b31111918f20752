"""The example chat, tested as its author would: with the fixtures of the pytest plugin. See docs/testing.md."""

from __future__ import annotations

from datetime import datetime

import pytest

from anycable_rpc import Cable
from anycable_rpc.settings.model import Settings
from anycable_rpc.testing import Broadcasts, CableClient
from app_example.chat import ChatChannel, ChatConnection, TypingChannel

from ..support.both_ways import App

ANN = {"chat_name": "Ann%20Lee"}


@pytest.fixture(params=["def", "async"])
def anycable_app(request: pytest.FixtureRequest) -> Cable:
    """The cable of the chat, with settings of its own: it issues tokens."""
    channels = [ChatChannel, TypingChannel]
    return App(request.param, ChatConnection, channels, settings=Settings(secret="s" * 32)).cable


def test_a_name_in_the_cookie_lets_a_visitor_in(cable_client: CableClient) -> None:
    ann = cable_client(cookies=ANN)

    assert ann.identifiers == {"user": "Ann Lee"}
    assert ann.state == {"via": "RPC"}


@pytest.mark.parametrize("name", ["", "%20Ann", "x" * 31, "a%00b"])
def test_another_name_does_not(cable_client: CableClient, name: str) -> None:
    client = cable_client(cookies={"chat_name": name})

    assert client.rejected
    assert client.reason == "unauthorized"


def test_a_token_lets_a_visitor_in_too(cable_client: CableClient, anycable_app: Cable) -> None:
    bob = cable_client(token=anycable_app.token(user="Bob"))
    chat = bob.subscribe("ChatChannel", room="1")

    assert bob.identifiers == {"user": "Bob"}
    assert chat.transmissions == [{"type": "you", "user": "Bob", "via": "JWT"}]


def test_an_expired_token_does_not(cable_client: CableClient, anycable_app: Cable) -> None:
    assert cable_client(token=anycable_app.token(user="Bob", expires_at=1)).reason == "token_expired"


def test_a_message_reaches_everybody_in_the_room(cable_client: CableClient, broadcasts: Broadcasts) -> None:
    ann, bob = cable_client(cookies=ANN), cable_client(cookies={"chat_name": "Bob"})
    rooms = [client.subscribe("ChatChannel", room="1") for client in (ann, bob)]
    elsewhere = bob.subscribe("ChatChannel", room="2")

    rooms[0].perform("speak", text=" hi ")

    (message,) = broadcasts["chat/1"]
    at = datetime.fromisoformat(message.pop("at"))
    assert at.tzinfo is not None
    assert message == {"type": "message", "user": "Ann Lee", "via": "RPC", "text": "hi"}
    assert [len(chat.received) for chat in (*rooms, elsewhere)] == [1, 1, 0]


@pytest.mark.parametrize("text", ["", "  ", "x" * 501, 5])
def test_a_message_has_one_to_500_characters(cable_client: CableClient, broadcasts: Broadcasts, text: object) -> None:
    chat = cable_client(cookies=ANN, raise_exceptions=False).subscribe("ChatChannel", room="1")

    chat.perform("speak", text=text)

    assert broadcasts == {}


def test_who_is_in_the_room_is_known(cable_client: CableClient) -> None:
    ann, bob = cable_client(cookies=ANN), cable_client(cookies={"chat_name": "Bob"})
    chat = ann.subscribe("ChatChannel", room="1")
    bob.subscribe("ChatChannel", room="1")
    assert chat.presence == {"Ann Lee": {"via": "RPC"}, "Bob": {"via": "RPC"}}

    bob.disconnect()
    chat.perform("arrive")

    assert chat.presence == {"Ann Lee": {"via": "RPC"}}


@pytest.mark.parametrize("channel", ["ChatChannel", "TypingChannel"])
@pytest.mark.parametrize("room", ["", "a b", "x" * 31])
def test_a_room_has_a_plain_name(cable_client: CableClient, channel: str, room: str) -> None:
    assert cable_client(cookies=ANN).subscribe(channel, room=room).rejected


def test_typing_is_whispered(cable_client: CableClient, broadcasts: Broadcasts) -> None:
    ann, bob = (cable_client(cookies=ANN).subscribe("TypingChannel", room="1") for _ in range(2))

    ann.whisper({"user": "Ann Lee"})

    assert (ann.received, bob.received) == ([], [{"user": "Ann Lee"}])
    assert broadcasts == {}
