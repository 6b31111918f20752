"""Middleware of connections and channels, attributes that would be lost, streams of objects."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypedDict

import pytest

from anycable_rpc import Cable, Callback, Channel, Connection, action
from anycable_rpc.serving.lost_attributes import forbid_lost_attributes
from anycable_rpc.testing import TestClient

from ..support.both_ways import App

said: list[str] = []

Visit = Callable[..., TestClient]
"""Takes the arguments of a cable, and connects a client to it."""


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


@pytest.fixture
def visit(app: Callable[..., App]) -> Iterator[Visit]:
    """Connect a client to a cable of each mode."""
    with ExitStack() as stack:
        yield lambda *classes, **options: stack.enter_context(TestClient(app(*classes, **options).cable))


def test_the_cables_is_outermost_then_the_connections_then_the_channels(visit: Visit) -> None:
    client = visit(User, [Room], middleware=[saying("cable")])
    said.clear()

    assert client.subscribe(Room).confirmed
    assert said == [
        "before subscribed by cable",
        "before subscribed by connection",
        "before subscribed by channel",
        "after subscribed by channel",
        "after subscribed by connection",
        "after subscribed by cable",
    ]


def test_connect_has_the_connections(visit: Visit) -> None:
    assert visit(User, [Room]).identifiers == {"user": 1}
    assert said == ["before connect by connection", "after connect by connection"]


def test_an_error_can_be_rescued(visit: Visit) -> None:
    visit(User, [Room]).subscribe(Room).perform("fail")

    assert "rescued fail" in said


def test_streams_of_objects(visit: Visit) -> None:
    room = visit(User, [Room]).subscribe(Room)

    assert (room.streams, room.state) == (["room:5"], {"visits": 1})
    room.perform("leave")
    assert room.streams == []


def test_a_reason_can_be_given_at_the_door(visit: Visit) -> None:
    class Bouncer(User):
        def connect(self) -> None:
            self.reject("full_house", reconnect=True)

    client = visit(Bouncer)

    assert (client.rejected, client.reason, client.reconnect) == (True, "full_house", True)


class TestGuard:
    def test_an_attribute_that_would_be_lost_is_an_error(self, app: Callable[..., App]) -> None:
        cable = app(User, [Room]).cable
        forbid_lost_attributes(cable)

        with TestClient(cable) as client:  # an identifier is no ordinary attribute
            room = client.subscribe(Room)
            with pytest.raises(AttributeError, match=r"Room\.visits would be lost: .* Use state: self\.state"):
                room.perform("forget")
            with pytest.raises(AttributeError, match="state is edited and not replaced"):
                room.perform("replace")
            room.perform("keep")
            assert room.state == {"visits": 1}

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
        declared: tuple[str, ...],
        name: str,
        said: str,
    ) -> None:
        class Visitor(Connection):
            identified_by = declared

            def connect(self) -> None:
                setattr(self, name, "42")

        cable = app(Visitor).cable
        forbid_lost_attributes(cable)

        with pytest.raises(AttributeError, match=f"Visitor.{name} would be lost: it is not in identified_by") as error:
            TestClient(cable)
        assert said in str(error.value)

    def test_a_class_with_its_own_setattr_is_left_alone(self) -> None:
        class Own(Connection):
            def __setattr__(self, name: str, value: object) -> None: ...

        own = Own.__setattr__
        forbid_lost_attributes(Cable(Own))

        assert Own.__setattr__ is own
