"""Clients: who is let in, who is not, and how a connection ends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import jwt
import pytest

from anycable_rpc import Cable, ConfigurationError, Connection, InvalidIdentifiers
from anycable_rpc.errors import IgnoredCommand
from anycable_rpc.protocol.messages import ConnectionResponse, DisconnectResponse, Status
from anycable_rpc.testing import TestClient, TestServer

from ..support.both_ways import App, settings
from ..support.paths import DATA
from .chat import ChatChannel, User
from .ways import SECRET, Way

FOREIGN: list[dict[str, str]] = json.loads((DATA / "foreign_tokens.json").read_text("utf-8"))["tokens"]


@pytest.fixture
def cable(way: Way) -> Cable:
    return way.cable(User, [ChatChannel])


@pytest.mark.parametrize(
    "request_",
    [
        {"cookies": {"user_id": "ann"}},
        {"cookies": {"user_id": "ann"}, "headers": {"Cookie": "a=b"}},
        {"headers": {"Cookie": "a=b; user_id=ann"}},
        {"headers": {"X-User": "ann"}},
    ],
)
def test_a_client_connects_with_what_a_browser_sends(way: Way, cable: Cable, request_: Any) -> None:
    ann = way.connect(cable, params={"via": "a b"}, **request_)

    assert (ann.rejected, ann.closed, ann.reason, ann.reconnect) == (False, False, None, None)
    assert ann.identifiers == {"user_id": "ann"}
    assert ann.state == {"via": "a b"}
    assert ann.transmissions == []
    assert ann.frames == [{"type": "welcome", "sid": ann.sid}]
    assert isinstance(ann.answer, ConnectionResponse)
    assert ann.answer.identifiers == '{"user_id":"ann"}'


@pytest.mark.parametrize(
    ("cookies", "reason", "reconnect"), [(None, "unauthorized", False), ({"user_id": "banned"}, "banned", True)]
)
def test_a_rejected_client_has_a_reason(
    way: Way, cable: Cable, cookies: dict[str, str] | None, reason: str, reconnect: bool
) -> None:
    client = way.connect(cable, cookies=cookies)

    assert (client.rejected, client.closed, client.reason, client.reconnect) == (True, True, reason, reconnect)
    assert client.identifiers == {}
    assert client.state == {}


def test_what_the_connection_transmits_is_seen(way: Way, cable: Cable) -> None:
    assert way.connect(cable, cookies={"user_id": "greeted"}).transmissions == [{"hello": "greeted"}]


def test_a_token_lets_in_without_a_call_of_the_app(way: Way, cable: Cable) -> None:
    ann = way.connect(cable, token=cable.token(user_id="ann"))

    assert ann.identifiers == {"user_id": "ann"}
    assert (ann.rejected, ann.answer, ann.state) == (False, None, {})


def test_a_token_may_be_in_a_header_too(way: Way, cable: Cable) -> None:
    assert way.connect(cable, headers={"X-JID": cable.token(user_id="ann")}).identifiers == {"user_id": "ann"}


@pytest.mark.parametrize(
    ("claims", "secret", "reason"),
    [
        ({"ext": '{"user_id":"ann"}', "exp": 1}, SECRET, "token_expired"),
        ({"ext": '{"user_id":"ann"}'}, "o" * 32, "unauthorized"),
        ({}, SECRET, None),
    ],
)
def test_a_token_that_is_not_valid_decides_too(
    way: Way, cable: Cable, claims: dict[str, Any], secret: str, reason: str | None
) -> None:
    client = way.connect(cable, token=jwt.encode(claims, secret), cookies={"user_id": "ann"})

    assert (client.rejected, client.reason, client.answer) == (True, reason, None)


def test_tokens_of_other_issuers_let_in(way: Way) -> None:
    cable = way.cable(User, [ChatChannel], dialect="php")
    token = jwt.encode({"ext": '{"user_id":"a\\/b"}'}, SECRET)

    ann = way.connect(cable, token=token)
    way.do(cable, "disconnect", user_id="a/b")

    assert (ann.identifiers, ann.closed) == ({"user_id": "a/b"}, True)


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda foreign: foreign["id"])
def test_each_recorded_token_of_another_issuer_does_as_with_anycable_go(foreign: dict[str, str]) -> None:
    cable = Cable(User, settings=settings(secret=foreign["secret"]))

    with TestClient(cable, token=foreign["token"]) as client:
        is_refused = "refused" in foreign
        seen = (client.rejected, client.reason or "1011" if client.rejected else None)
        assert seen == (is_refused, foreign.get("refused"))
        if not is_refused and foreign["identifiers"].startswith("{"):  # the others are no JSON object
            assert client.identifiers == json.loads(foreign["identifiers"])


def test_identifiers_that_are_not_json_are_shown_as_they_are(way: Way, cable: Cable) -> None:
    client = way.connect(cable, token=jwt.encode({"ext": "ann"}, SECRET))

    with pytest.raises(InvalidIdentifiers):
        _ = client.identifiers
    assert repr(client) == "<TestClient 'ann' connected, transmissions=[]>"


def test_a_token_needs_a_secret(way: Way) -> None:
    cable = way.cable(User, settings=settings())

    with pytest.raises(ConfigurationError, match="token= needs a secret to verify it with: set ANYCABLE_SECRET"):
        way.connect(cable, token="ey")


def test_a_cookie_has_no_semicolon(way: Way, cable: Cable) -> None:
    with pytest.raises(ValueError, match="the cookie user_id has a semicolon"):
        way.connect(cable, cookies={"user_id": "ann;admin=1"})


def test_the_settings_say_who_needs_no_token(way: Way) -> None:
    strict = way.cable(User, settings=settings(secret=SECRET, enforce_jwt=True))
    open_to_all = way.cable(User, settings=settings(noauth=True))

    assert way.connect(strict, cookies={"user_id": "ann"}).reason == "unauthorized"
    assert way.connect(open_to_all).identifiers == {"sid": "test-client-1"}


def test_a_client_that_disconnects_runs_the_callbacks(way: Way, cable: Cable) -> None:
    ann = way.connect(cable, cookies={"user_id": "ann"})
    chat = way.subscribe(ann, ChatChannel, room="1")

    way.do(ann, "disconnect")
    way.do(ann, "disconnect")

    assert (ann.closed, ann.rejected, ann.reason, chat.is_active) == (True, False, None, False)
    assert ann.broadcasts["log"] == ["ann has left 1"]
    assert ann.answer == DisconnectResponse(Status.SUCCESS)


def test_the_app_closes_a_connection(way: Way, cable: Cable) -> None:
    ann = way.connect(cable, cookies={"user_id": "ann"})
    chat = way.subscribe(ann, "ChatChannel", room="1")

    way.do(chat, "perform", "close")

    assert (ann.closed, ann.reason, ann.reconnect) == (True, "enough", False)
    assert ann.broadcasts["log"] == ["ann has left 1"]


def test_a_remote_disconnect_closes_the_clients_with_these_identifiers(way: Way, cable: Cable) -> None:
    ann, phone, bob = (way.connect(cable, cookies={"user_id": name}) for name in ("ann", "ann", "bob"))
    way.subscribe(phone, ChatChannel, room="1")

    way.do(cable, "disconnect", user_id="ann")

    assert [(client.closed, client.reason) for client in (ann, phone, bob)] == [
        (True, "remote"),
        (True, "remote"),
        (False, None),
    ]
    assert ann.reconnect is True
    assert ann.broadcasts == {"log": ["ann has left 1"]}
    assert ann.broadcasts.disconnects == [{"user_id": "ann"}]


def test_a_callback_disconnects_others_and_runs_to_its_end_first(way: Way, cable: Cable) -> None:
    ann, bob = (way.connect(cable, cookies={"user_id": name}) for name in ("ann", "bob"))
    chat = way.subscribe(ann, ChatChannel, room="1")
    way.subscribe(bob, ChatChannel, room="2")

    way.do(chat, "perform", "kick", user_id="bob")

    assert (bob.closed, bob.reason, bob.reconnect, ann.closed) == (True, "remote", False, False)
    assert ann.broadcasts["log"] == ["bob is kicked", "bob has left 2"]


def test_a_callback_may_end_its_own_connection(way: Way, cable: Cable) -> None:
    ann = way.connect(cable, cookies={"user_id": "ann"})
    chat = way.subscribe(ann, ChatChannel, room="1")

    way.do(chat, "perform", "kick", user_id="ann")

    assert (ann.closed, ann.reason) == (True, "remote")
    assert ann.broadcasts["log"] == ["ann is kicked", "ann has left 1"]


def test_on_a_closed_connection_verbs_say_so(way: Way, cable: Cable) -> None:
    client = way.connect(cable)

    with pytest.raises(IgnoredCommand, match="the connection has ended, so nobody gets the command subscribe"):
        way.subscribe(client, ChatChannel, room="1")


class TestReprs:
    def test_they_are_the_same_in_each_run(self, way: Way, cable: Cable) -> None:
        ann = way.connect(cable, cookies={"user_id": "ann"})
        nobody = way.connect(cable)
        way.do(cable, "broadcast", "chat/1", "hi")
        way.do(ann, "disconnect")

        assert repr(nobody) == "<TestClient {} rejected (unauthorized), transmissions=[]>"
        assert repr(ann) == "<TestClient {'user_id': 'ann'} closed (without a reason), transmissions=[]>"
        assert repr(ann.server) == "TestServer(Broadcasts({'chat/1': ['hi']}))"
        assert (ann.sid, nobody.sid) == ("test-client-1", "test-client-2")

    def test_a_client_that_is_connected(self, way: Way, cable: Cable) -> None:
        ann = way.connect(cable, cookies={"user_id": "greeted"})

        assert repr(ann) == "<TestClient {'user_id': 'greeted'} connected, transmissions=[{'hello': 'greeted'}]>"


class TestServers:
    """The test server takes the place of the cable's broadcaster, and gives it back."""

    def test_the_first_client_opens_it_and_closes_it_with_its_block(self, way: Way) -> None:
        cable = App(way.mode, User, [ChatChannel], settings=settings(secret=SECRET)).cable

        with TestClient(cable, cookies={"user_id": "ann"}) as ann:
            ann.subscribe(ChatChannel, room="1")
            with TestClient(cable, cookies={"user_id": "bob"}) as bob:
                assert bob.server is ann.server is cable.broadcaster
            assert (bob.closed, ann.closed) == (True, False)
            assert cable.broadcaster is ann.server

        assert ann.broadcasts["log"] == ["ann has left 1"]
        assert cable.chosen_broadcaster is None

    def test_it_gives_back_what_was_there(self, way: Way) -> None:
        own: Any = object()
        cable = App(way.mode, User, broadcaster=own).cable
        cable.rest_api = own

        with TestServer(cable) as outer, TestServer(cable) as inner:
            assert (TestClient(cable).server, cable.broadcaster) == (inner, inner)
            assert outer is not inner

        assert (cable.broadcaster, cable.rest_api) == (own, own)

    def test_its_end_ends_the_sessions_without_a_call_of_the_app(self, way: Way, cable: Cable) -> None:
        ann = way.connect(cable, cookies={"user_id": "ann"})
        chat = way.subscribe(ann, ChatChannel, room="1")

        ann.server.close()

        assert (ann.closed, chat.is_active, list(ann.broadcasts)) == (True, False, [])
        way.do(ann, "disconnect")
        with pytest.raises(IgnoredCommand, match="ignores the command message, since ChatChannel room='1' is ended"):
            way.do(chat, "perform", "speak", text="hi")

    def test_only_the_client_that_opens_it_may_say_how_to_wait(self, way: Way, cable: Cable) -> None:
        with pytest.raises(ConfigurationError, match="test server is open already: give wait and hop to that one"):
            way.connect(cable, wait=lambda make: None)

    def test_a_client_that_cannot_connect_leaves_none_open(self, way: Way) -> None:
        cable = App(way.mode, User, settings=settings()).cable

        with pytest.raises(ConfigurationError):
            TestClient(cable, token="ey")

        assert cable.chosen_broadcaster is None

    def test_nor_does_one_whose_connect_fails(self, way: Way) -> None:
        cable = App(way.mode, User, settings=settings()).cable
        broken: Any = {"cookies": {"user_id": "broken"}}

        with pytest.raises(ValueError, match="the database is gone"):
            TestClient(cable, **broken)
        with pytest.raises(ValueError, match="the database is gone"):
            asyncio.run(TestClient.aconnect(cable, **broken))

        assert cable.chosen_broadcaster is None

    def test_an_unknown_argument_is_refused(self, way: Way, cable: Cable) -> None:
        with pytest.raises(TypeError, match="cookie"):
            way.connect(cable, cookie={"user_id": "ann"})


def test_a_connection_without_identifiers_connects(way: Way) -> None:
    assert way.connect(way.cable(Connection)).identifiers == {}
