"""Middleware of connections and channels, attributes that would be lost, streams of objects."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypedDict

import pytest

from anycable_rpc import Cable, Callback, Channel, Connection, action
from anycable_rpc.protocol.messages import (
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    ConnectionResponse,
    Env,
    Status,
)
from anycable_rpc.serving.lost_attributes import forbid_lost_attributes

from ..support.both_ways import App

IDENTIFIER = '{"channel":"Room"}'
said: list[str] = []


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    said.clear()


def saying(name: str) -> Callable[[Callback], Any]:
    @contextmanager
    def middleware(callback: Callback) -> Generator[None]:
        said.append(f"before {callback.name} by {name}")
        yield
        said.append(f"after {callback.name} by {name}")

    return middleware


@contextmanager
def rescue(callback: Callback) -> Generator[None]:
    try:
        yield
    except ZeroDivisionError:
        said.append(f"rescued {callback.name}")


class User(Connection):
    identified_by = ("user",)
    middleware = (saying("connection"),)

    def connect(self) -> None:
        self.user = 1


class RoomState(TypedDict, total=False):
    visits: int


class Room(Channel):
    middleware = (saying("channel"), rescue)
    state: RoomState

    def subscribed(self) -> None:
        self.state["visits"] = self.state.get("visits", 0) + 1
        self.stream_for(("room", 5), whisper=True)

    @action
    def fail(self) -> None:
        raise ZeroDivisionError

    @action
    def leave(self) -> None:
        self.stop_stream_for(("room", 5))

    @action
    def forget(self) -> None:
        self.visits = 1

    @action
    def keep(self) -> None:
        self._visits = 1
        self.state["visits"] = self._visits

    @action
    def replace(self) -> None:
        self.state = {"visits": 1}


def command(kind: str, data: str = "") -> CommandMessage:
    return CommandMessage(kind, IDENTIFIER, '{"user":1}', data, Env("", {}))


def perform(answer: Callable[..., Any], name: str) -> CommandResponse:
    response = answer(command("message", f'{{"action":"{name}"}}'))
    assert isinstance(response, CommandResponse)
    return response


def test_the_cables_is_outermost_then_the_connections_then_the_channels(app: Callable[..., App]) -> None:
    response = app(User, [Room], middleware=[saying("cable")])(command("subscribe"))

    assert response.status is Status.SUCCESS
    assert said == [
        "before subscribed by cable",
        "before subscribed by connection",
        "before subscribed by channel",
        "after subscribed by channel",
        "after subscribed by connection",
        "after subscribed by cable",
    ]


def test_connect_has_the_connections(app: Callable[..., App]) -> None:
    response = app(User, [Room])(ConnectionRequest(Env("", {})))

    assert isinstance(response, ConnectionResponse)
    assert response.identifiers == '{"user":1}'
    assert said == ["before connect by connection", "after connect by connection"]


def test_an_error_can_be_rescued(app: Callable[..., App]) -> None:
    response = perform(app(User, [Room]), "fail")

    assert response.status is Status.SUCCESS
    assert "rescued fail" in said


def test_streams_of_objects(app: Callable[..., App]) -> None:
    answer = app(User, [Room])

    response = answer(command("subscribe"))

    assert isinstance(response, CommandResponse)
    assert response.streams == ("room:5",)
    assert response.env is not None
    assert response.env.istate == {"visits": "1", "$w": "room:5"}
    assert perform(answer, "leave").stopped_streams == ("room:5",)


def test_a_reason_can_be_given_at_the_door(app: Callable[..., App]) -> None:
    class Bouncer(User):
        def connect(self) -> None:
            self.reject("full_house", reconnect=True)

    response = app(Bouncer)(ConnectionRequest(Env("", {})))

    assert isinstance(response, ConnectionResponse)
    assert response.status is Status.FAILURE
    assert response.transmissions == ('{"type":"disconnect","reason":"full_house","reconnect":true}',)


class TestGuard:
    def test_an_attribute_that_would_be_lost_is_an_error(
        self, app: Callable[..., App], caplog: pytest.LogCaptureFixture
    ) -> None:
        served = app(User, [Room])
        forbid_lost_attributes(served.cable)

        assert perform(served, "forget").status is Status.ERROR
        assert "Room.visits would be lost: this object ends with the call. Use state: self.state['visits'] = …" in (
            caplog.text
        )
        assert perform(served, "replace").status is Status.ERROR
        assert "state is edited and not replaced" in caplog.text
        assert perform(served, "keep").status is Status.SUCCESS
        response = served(ConnectionRequest(Env("", {})))
        assert response.status is Status.SUCCESS  # an identifier is no ordinary attribute

    @pytest.mark.parametrize(
        ("declared", "name", "said"),
        [
            ((), "user_id", "add it: identified_by = ('user_id',). Otherwise use state"),
            (("tenant",), "user_id", "add it: identified_by = ('tenant', 'user_id'). Otherwise use state"),
            (("user_id",), "userid", "it is not in identified_by; did you mean user_id? Otherwise use state"),
        ],
    )
    def test_in_connect_identified_by_comes_before_state(
        self,
        app: Callable[..., App],
        caplog: pytest.LogCaptureFixture,
        declared: tuple[str, ...],
        name: str,
        said: str,
    ) -> None:
        class Visitor(Connection):
            identified_by = declared

            def connect(self) -> None:
                setattr(self, name, "42")

        served = app(Visitor)
        forbid_lost_attributes(served.cable)

        assert served(ConnectionRequest(Env("", {}))).status is Status.ERROR
        assert f"Visitor.{name} would be lost: it is not in identified_by" in caplog.text
        assert said in caplog.text

    def test_a_class_with_its_own_setattr_is_left_alone(self) -> None:
        class Own(Connection):
            def __setattr__(self, name: str, value: object) -> None: ...

        own = Own.__setattr__
        forbid_lost_attributes(Cable(Own))

        assert Own.__setattr__ is own
