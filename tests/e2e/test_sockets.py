"""The protocol, frame by frame, through the gateway and through anycable-go."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from time import time

import pytest

from .client import Client, Frame, message_of
from .servers import Chat

WAYS = ["cookie", "token"]
_numbers = count(1)


@pytest.fixture(
    scope="module",
    params=["gateway", "anycable_go", "anycable_go_by_our_engine", "anycable_go_over_asgi", "anycable_go_over_wsgi"],
)
def chat(request: pytest.FixtureRequest) -> Chat:
    """The chat, served in each of the three ways, and with calls over HTTP."""
    served: Chat = request.getfixturevalue(request.param)
    return served


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"Ada {next(_numbers)}"


@contextmanager
def come_in(chat: Chat, name: str, way: str) -> Generator[Client]:
    """Connect a client and wait for its welcome."""
    cookie, token = (name, None) if way == "cookie" else (None, chat.cable.token(user=name))
    with Client(chat.socket, cookie=cookie, token=token) as client:
        welcome = client.wait_for_type("welcome")
        assert set(welcome) == {"type", "sid"}
        assert welcome["sid"]
        yield client


@pytest.mark.parametrize("way", WAYS)
def test_subscribe_act_and_hear(chat: Chat, name: str, way: str) -> None:
    via = {"cookie": "RPC", "token": "JWT"}[way]
    with come_in(chat, name, way) as client:
        identifier = client.enter(f"room-{way}")
        assert client.received[1:] == [
            {"identifier": identifier, "message": {"type": "you", "user": name, "via": via}},
            {"type": "confirm_subscription", "identifier": identifier},
        ]
        client.speak(identifier, " Hello ")
        heard = client.hears("Hello")
        assert (heard["type"], heard["user"], heard["via"]) == ("message", name, via)


def test_a_refused_payload_is_told_to_the_client(chat: Chat, name: str) -> None:
    with come_in(chat, name, "cookie") as client:
        identifier = client.enter("refusals")
        client.speak(identifier, "  ")
        refusal = client.wait_for(lambda frame: message_of(frame).get("type") == "invalid_payload")
        client.speak(identifier, "Hello")
        client.hears("Hello")

    errors = {"text": "String should have at least 1 character"}
    assert refusal == {
        "identifier": identifier,
        "message": {"type": "invalid_payload", "action": "speak", "errors": errors},
    }


@pytest.mark.parametrize("params", [{}, {"room": ""}, {"room": "a b"}, {"room": "r" * 31}, {"room": 5}])
def test_params_of_another_type_reject_the_subscription(chat: Chat, name: str, params: dict[str, object]) -> None:
    with come_in(chat, name, "cookie") as client:
        identifier = json.dumps({"channel": "ChatChannel", **params})
        client.send("subscribe", identifier)

        assert client.wait_for_type("reject_subscription") == {"identifier": identifier, "type": "reject_subscription"}


@pytest.mark.parametrize("cookie", [None, "", " Ada", "A" * 31, "A\nB"])
def test_no_good_name_no_entry(chat: Chat, cookie: str | None) -> None:
    with Client(chat.socket, cookie=cookie) as client:
        assert client.closed() == (1000, "Auth Failed")
        assert client.received == [{"type": "disconnect", "reason": "unauthorized", "reconnect": False}]


def test_an_expired_token_is_told_so(chat: Chat, name: str) -> None:
    with Client(chat.socket, token=chat.cable.token(user=name, expires_at=time() - 60), cookie=name) as client:
        assert client.closed() == (1000, "Auth Failed")
        assert client.received == [{"type": "disconnect", "reason": "token_expired", "reconnect": False}]


def test_a_forged_token_is_refused_also_beside_a_good_cookie(chat: Chat, name: str) -> None:
    with Client(chat.socket, token=chat.cable.token(user=name)[:-4] + "AAAA", cookie=name) as client:
        assert client.closed() == (1000, "Auth Failed")
        assert client.received == [{"type": "disconnect", "reason": "unauthorized", "reconnect": False}]


@pytest.mark.parametrize(
    "params", [{"channel": "ChatChannel", "room": "no.such"}, {"channel": "ChatChannel"}, {"channel": "Nothing"}, {}]
)
def test_a_rejected_subscription_receives_nothing(chat: Chat, name: str, params: dict[str, str]) -> None:
    identifier = json.dumps(params)
    with come_in(chat, name, "cookie") as client:
        client.send("subscribe", identifier)
        client.wait_for_type("reject_subscription")
        assert client.received[1:] == [{"type": "reject_subscription", "identifier": identifier}]
        room = client.enter("after-a-rejection")
        client.speak(room, "still here")
        client.hears("still here")


@pytest.mark.parametrize("text", ["", "   ", "x" * 501, None, 5, ["a"]])
def test_what_is_not_a_message_is_not_broadcast(chat: Chat, name: str, text: object) -> None:
    with come_in(chat, name, "cookie") as client:
        room = client.enter("strict")
        client.perform(room, "speak", text=text)
        client.perform(room, "shout", text="no such action")
        client.perform(room, "author")
        client.speak(room, "and this is")
        client.hears("and this is")
        kinds = [message_of(frame)["type"] for frame in client.received if "type" in message_of(frame)]
        assert [kind for kind in kinds if kind not in ("join", "info")] == ["you", "invalid_payload", "message"]


def test_a_broadcast_from_another_program_reaches_both_ways_in(chat: Chat, name: str) -> None:
    with come_in(chat, name, "cookie") as ada, come_in(chat, f"{name} G", "token") as grace:
        ada.enter("radio")
        grace.enter("radio")
        chat.cable.broadcast("chat/radio", {"text": "Grüße \U0001f44b", "n": [1, None, True]})
        expected = {"text": "Grüße \U0001f44b", "n": [1, None, True]}
        assert ada.hears("Grüße \U0001f44b") == expected
        assert grace.hears("Grüße \U0001f44b") == expected


def test_a_whisper_reaches_the_others_only(chat: Chat, name: str) -> None:
    with come_in(chat, name, "cookie") as ada, come_in(chat, f"{name} G", "token") as grace:
        typing = ada.subscribe(channel="TypingChannel", room="whispers")
        assert grace.subscribe(channel="TypingChannel", room="whispers") == typing
        ada.send("whisper", typing, data={"user": "A"})
        assert grace.wait_for(is_message) == {"identifier": typing, "message": {"user": "A"}}
        grace.send("whisper", typing, data={"user": "G"})
        assert ada.wait_for(is_message) == {"identifier": typing, "message": {"user": "G"}}


def is_message(frame: Frame) -> bool:
    """Return whether the frame carries a message, and not an answer of the protocol."""
    return "message" in frame


def test_nobody_can_whisper_into_the_conversation(chat: Chat, name: str) -> None:
    with come_in(chat, name, "cookie") as ada, come_in(chat, f"{name} G", "token") as grace:
        ada.enter("no-whispers")
        room = grace.enter("no-whispers")
        forged = {"type": "message", "user": name, "text": "I never said that"}
        grace.send("whisper", room, data=forged)
        grace.speak(room, "this I said")
        ada.hears("this I said")
        assert "I never said that" not in json.dumps(ada.received)


@pytest.mark.parametrize("reconnect", [True, False])
def test_a_remote_disconnect_finds_the_client_by_either_way(chat: Chat, name: str, reconnect: bool) -> None:
    with come_in(chat, name, "cookie") as ada, come_in(chat, f"{name} G", "token") as grace:
        chat.cable.disconnect(user=name, reconnect=reconnect)
        chat.cable.disconnect(user=f"{name} G", reconnect=reconnect)
        for client in (ada, grace):
            assert client.closed() == (1000, "Closed remotely")
            assert client.received[1:] == [{"type": "disconnect", "reason": "remote", "reconnect": reconnect}]


def test_an_unsubscribed_room_is_silent(chat: Chat, name: str) -> None:
    with come_in(chat, name, "cookie") as client:
        left = client.enter("left")
        stays = client.enter("stays")
        client.send("unsubscribe", left)
        client.speak(stays, "after unsubscribing")
        client.hears("after unsubscribing")
        chat.cable.broadcast("chat/left", {"text": "to the room that was left"})
        chat.cable.broadcast("chat/stays", {"text": "the end"})
        client.hears("the end")
        assert "to the room that was left" not in json.dumps(client.received)
