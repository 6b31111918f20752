"""Mistakes in callbacks that would do nothing in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from anycable_rpc import Cable, Channel, ConfigurationError, Connection, action
from anycable_rpc.callbacks import Callback
from anycable_rpc.protocol.messages import (
    CommandMessage,
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    Env,
    EnvResponse,
    Request,
    Response,
    Status,
)
from anycable_rpc.rpc.dispatch import respond
from anycable_rpc.transports.runner import arun, run

from .support.both_ways import App, settings

ROOM = '{"channel":"Room"}'


def generator(self: Any) -> Any:
    yield


async def async_generator(self: Any) -> Any:
    yield


@pytest.mark.parametrize("method", [generator, async_generator])
@pytest.mark.parametrize(
    ("base", "name"),
    [(Connection, "connect"), (Connection, "disconnect"), (Channel, "subscribed"), (Channel, "unsubscribed")],
)
def test_a_callback_with_a_yield_is_refused_where_it_is_declared(base: type, name: str, method: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"Mine.{name} has a `yield`, so nothing in it would run"):
        type("Mine", (base,), {name: method})


@pytest.mark.parametrize("name", ["subscribed", "unsubscribed"])
def test_a_callback_with_a_yield_is_found_in_a_base_class_too(name: str) -> None:
    mixin = type("Mixin", (), {name: generator})

    with pytest.raises(ConfigurationError, match=f"Mine.{name} has a `yield`"):
        type("Mine", (mixin, Channel), {})


@pytest.mark.parametrize("method", [generator, async_generator])
def test_an_action_with_a_yield_is_refused_and_told_why(method: Any) -> None:
    with pytest.raises(ConfigurationError, match="generator has a `yield`, so nothing in it would run"):
        action(method)


def statement(self: Any) -> None:
    self.reject  # noqa: B018


def alternative(self: Any) -> None:
    self.cookies.get("user") or self.reject  # pyright: ignore[reportUnusedExpression]


def conditional(self: Any) -> None:
    if not self.cookies:
        self.connection.reject  # noqa: B018
    self.transmit("welcome")


async def awaiting(self: Any) -> None:
    self.reject  # noqa: B018


def action_of(self: Any) -> None:
    self.reject  # noqa: B018


@pytest.mark.parametrize("method", [statement, alternative, conditional, awaiting, action(action_of)])
@pytest.mark.parametrize(("base", "name"), [(Connection, "connect"), (Connection, "helper"), (Channel, "helper")])
def test_reject_without_parentheses_is_refused_where_it_is_declared(base: type, name: str, method: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"Mine.{name} names reject and does not call it: write reject\(\)"):
        type("Mine", (base,), {name: method})


def test_whatever_else_is_named_and_not_called_is_refused_too() -> None:
    def leave(self: Any) -> None:
        self.stop_all_streams  # noqa: B018

    with pytest.raises(ConfigurationError, match=r"Mine\.leave names stop_all_streams and does not call it"):
        type("Mine", (Channel,), {"leave": leave})


def test_methods_that_are_passed_on_and_attributes_that_are_read_are_no_mistake() -> None:
    class Mine(Channel):
        def subscribed(self) -> None:
            self.state  # noqa: B018
            self.helper  # noqa: B018
            for say in [self.transmit, self.reject]:
                say.__name__  # noqa: B018

        def helper(self) -> None: ...

    assert Mine.name == "Mine"


async def later() -> None:
    raise AssertionError("nobody awaits this")


def unwrapped(method: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator of somebody's own, behind which nothing can be seen at the declaration."""

    def wrapper(self: Any) -> Any:
        return method(self)

    return wrapper


async def forgets(self: Any) -> Any:
    return later()


async def forgets_a_future(self: Any) -> Any:
    return asyncio.get_running_loop().create_future()


async def hides_a_generator(self: Any) -> Any:
    return generator(self)


async def hides_an_async_generator(self: Any) -> Any:
    return async_generator(self)


async def returns_reject(self: Any) -> Any:
    return self.reject


def refers_to_reject(self: Any) -> Any:
    return self.reject


FORGOTTEN = [
    (forgets, "returned coroutine later, which nobody has awaited: write `await` before the call"),
    (forgets_a_future, "returned (_asyncio.)?Future"),
    (hides_a_generator, "returned a generator, so nothing in it has run: write it without `yield`"),
    (hides_an_async_generator, "returned a generator, so nothing in it has run: write it without `yield`"),
    (unwrapped(generator), "returned a generator, so nothing in it has run: write it without `yield`"),
    (returns_reject, r"returned the method reject and did not call it: write reject\(\)"),
    (refers_to_reject, r"returned the method reject and did not call it: write reject\(\)"),
]
REQUESTS: dict[str, Request] = {
    "connect": ConnectionRequest(Env("", {})),
    "disconnect": DisconnectRequest("{}"),
    "subscribed": CommandMessage("subscribe", ROOM, "{}"),
    "unsubscribed": CommandMessage("unsubscribe", ROOM, "{}"),
    "speak": CommandMessage("message", ROOM, "{}", '{"action":"speak"}'),
}


@contextmanager
def around(callback: Callback) -> Any:
    yield


@pytest.mark.parametrize("middleware", [[], [around]], ids=["bare", "in middleware"])
@pytest.mark.parametrize(("method", "said"), FORGOTTEN)
@pytest.mark.parametrize("name", REQUESTS)
def test_what_a_callback_leaves_to_be_run_is_an_error_that_names_it(
    name: str, method: Any, said: str, middleware: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    own = {name: action(_copy(method)) if name == "speak" else method}
    connection: Any = type("User", (Connection,), own if name in ("connect", "disconnect") else {})
    room: Any = type("Room", (Channel,), {} if name in ("connect", "disconnect") else own)
    cable = Cable(connection, [room], middleware=middleware, settings=settings())

    response = answered(cable, REQUESTS[name])

    assert (response.status is Status.SUCCESS) == (name == "unsubscribed")  # which ends whatever happens
    (record,) = caplog.records
    assert record.exc_info
    place = "User" if name in ("connect", "disconnect") else "Room"
    assert isinstance(record.exc_info[1], ConfigurationError)
    assert f"{place}.{name} returned" in str(record.exc_info[1])
    with pytest.raises(ConfigurationError, match=said):
        raise record.exc_info[1]


def test_what_an_error_handler_leaves_to_be_run_is_said(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Connection):
        async def connect(self) -> None:
            raise ValueError

    async def on_error(*_: Any) -> Any:
        return later()

    answered(Cable(Broken, on_error=on_error, settings=settings()), REQUESTS["connect"])

    assert "on_error returned coroutine later, which nobody has awaited" in caplog.text


@pytest.mark.parametrize("value", [1, "text", [], {}, print, later])
def test_other_results_are_let_pass(value: Any) -> None:
    class User(Connection):
        def connect(self) -> Any:
            return value

    assert answered(Cable(User, settings=settings()), REQUESTS["connect"]).status is Status.SUCCESS


def answered(cable: Cable, request: Request) -> Response:
    steps = respond(cable, request)
    return asyncio.run(arun(steps, cable.middleware)) if cable.is_async else run(steps, cable.middleware)


def _copy(method: Any) -> Any:
    """A function without the mark that others must not have."""
    return type(method)(method.__code__, method.__globals__, method.__name__, None, method.__closure__)


class Busy(Connection):
    """An app whose private names could be the framework's."""

    _streams = _rejected = _transmissions = _reply = "mine"

    def connect(self) -> None:
        self._identifiers = self._state = self._connecting = "mine"
        self.transmit("hello")


class BusyChannel(Channel):
    def subscribed(self) -> None:
        self._streams = self._stopped = self._marks = self._presence = self._istate = self._rejected = "mine"
        self.stream_from("a")
        self.state["a"] = 1


def test_private_names_of_an_app_collide_with_none_of_ours() -> None:
    app = App("def", Busy, [BusyChannel])

    assert app(ConnectionRequest()) == ConnectionResponse(
        Status.SUCCESS, "{}", ('"hello"', '{"type":"welcome"}'), env=EnvResponse()
    )
    response: Any = app(CommandMessage("subscribe", '{"channel":"BusyChannel"}', "{}"))
    assert (response.status, response.streams, response.env) == (Status.SUCCESS, ("a",), EnvResponse({}, {"a": "1"}))


@pytest.mark.parametrize("base", [Connection, Channel])
def test_the_reserved_name_is_refused(base: type) -> None:
    with pytest.raises(ConfigurationError, match=r"Mine\._anycable is reserved"):
        type("Mine", (base,), {"_anycable": None})


class OwnInit(Connection):
    """A connection class with a constructor of its own, as apps have written them."""

    def __init__(self, cable: Cable, env: Env, sid: str = "", identifiers: Mapping[str, Any] | None = None) -> None:
        super().__init__(cable, env, sid, identifiers)
        self.transmit("made")


class OwnInitChannel(Channel):
    def __init__(
        self,
        connection: Connection,
        identifier: str,
        params: Mapping[str, Any],
        istate: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(connection, identifier, params, istate)
        self.stream_from("made")


def test_constructors_of_an_app_keep_their_arguments() -> None:
    app = App("def", OwnInit, [OwnInitChannel])

    assert app(ConnectionRequest()) == ConnectionResponse(
        Status.SUCCESS, "{}", ('"made"', '{"type":"welcome"}'), env=EnvResponse()
    )
    response: Any = app(CommandMessage("subscribe", '{"channel":"OwnInitChannel"}', "{}"))
    assert (response.status, response.streams, response.transmissions[0]) == (Status.SUCCESS, ("made",), '"made"')
    assert app(DisconnectRequest("{}", ('{"channel":"OwnInitChannel"}',))).status is Status.SUCCESS


def test_a_rejection_closes_by_the_method_that_an_app_may_override() -> None:
    class Sad(Connection):
        def connect(self) -> None:
            self.reject("banned")

        def close(self, reason: str | None = None, reconnect: bool = True) -> None:
            self.transmit("bye")
            super().close(reason, reconnect)

    assert App("def", Sad)(ConnectionRequest()) == ConnectionResponse(
        Status.FAILURE, transmissions=('"bye"', '{"type":"disconnect","reason":"banned","reconnect":false}')
    )
