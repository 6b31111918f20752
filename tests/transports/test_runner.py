from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import pytest

from anycable_rpc import Callback, Channel, Connection
from anycable_rpc.callbacks import Middleware, is_async, is_async_middleware
from anycable_rpc.protocol.messages import (
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    ConnectionResponse,
    Status,
)
from anycable_rpc.rpc.dispatch import respond
from anycable_rpc.transports import runner

from ..support.both_ways import App

request_id = contextvars.ContextVar("request_id", default="none")
CHAT = CommandMessage("subscribe", '{"channel":"Chat"}', "{}")


class Strange(BaseException):
    """What some libraries derive from, to slip through `except Exception`."""


RAISED = [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit, StopIteration, Strange]


class Places:
    """Remembers what ran where."""

    def __init__(self) -> None:
        self.log: list[tuple[str, int]] = []

    def __call__(self, what: str) -> None:
        self.log.append((what, threading.get_ident()))

    @property
    def names(self) -> list[str]:
        return [what for what, _ in self.log]

    @property
    def threads(self) -> set[int]:
        return {thread for _, thread in self.log}


@pytest.fixture
def places() -> Places:
    return Places()


def plain(places: Places) -> Middleware:
    @contextmanager
    def middleware(callback: Callback) -> Iterator[None]:
        places(f"enter {callback}")
        try:
            yield
        finally:
            places(f"leave {callback}")

    return middleware


def asynchronous(places: Places) -> Middleware:
    @asynccontextmanager
    async def middleware(callback: Callback) -> AsyncIterator[None]:
        places(f"enter {callback} async")
        yield
        places(f"leave {callback} async")

    return middleware


def chat(places: Places, mode: str) -> type[Channel]:
    class Chat(Channel):
        def subscribed(self) -> None:
            places("subscribed")

    class AsyncChat(Channel):
        name = "Chat"

        async def subscribed(self) -> None:
            await asyncio.sleep(0)
            places("subscribed")

    return Chat if mode == "def" else AsyncChat


def arun(app: App, request: Any = CHAT) -> Any:
    with runner.CallbackThreads(1) as pool:
        return asyncio.run(runner.arun(respond(app.cable, request), app.cable.middleware, pool))


def wait(make: Callable[[], Any]) -> Any:
    """Run a coroutine to its end in this thread."""
    return asyncio.run(make())


class TestWait:
    """A thread runs an async app, where something waits for its coroutines."""

    @pytest.mark.parametrize("mode", ["def", "async"])
    def test_all_runs_in_this_thread(self, places: Places, mode: str) -> None:
        app = App("def", channels=[chat(places, mode)], middleware=[plain(places), asynchronous(places)])

        response: Any = runner.run(respond(app.cable, CHAT), app.cable.middleware, wait)

        assert response.status is Status.SUCCESS
        assert sorted(name.partition(" ")[0] for name in places.names) == ["enter"] * 2 + ["leave"] * 2 + ["subscribed"]
        assert places.threads == {threading.get_ident()}

    def test_a_def_callback_does_not_wait(self, places: Places) -> None:
        app = App("def", channels=[chat(places, "def")])

        response: Any = runner.run(
            respond(app.cable, CHAT), (), lambda make: pytest.fail("there is nothing to wait for")
        )

        assert (response.status, places.names) == (Status.SUCCESS, ["subscribed"])

    @pytest.mark.parametrize("error", [SystemExit, GeneratorExit, Strange, ValueError])
    def test_whatever_it_raises_is_an_error_of_the_app(self, error: type[BaseException]) -> None:
        class Chat(Channel):
            async def subscribed(self) -> None:
                raise error

        response: Any = runner.run(respond(App("def", channels=[Chat]).cable, CHAT), (), wait)

        assert (response.status, response.error_msg) == (Status.FAILURE, "Chat.subscribed failed")


class TestMiddleware:
    def test_the_first_is_the_outermost(self, places: Places) -> None:
        inner, outer = Places(), places
        app = App("def", channels=[chat(outer, "def")], middleware=[plain(outer), plain(inner)])

        app(CHAT)

        assert outer.names == ["enter Chat.subscribed", "subscribed", "leave Chat.subscribed"]
        assert inner.names == ["enter Chat.subscribed", "leave Chat.subscribed"]

    def test_a_plain_one_runs_in_the_thread_of_a_def_callback(self, places: Places) -> None:
        arun(App("def", channels=[chat(places, "def")], middleware=[plain(places)]))

        assert len(places.names) == 3
        assert len(places.threads) == 1
        assert threading.get_ident() not in places.threads

    def test_an_async_callback_takes_both_on_the_loop(self, places: Places) -> None:
        arun(App("def", channels=[chat(places, "async")], middleware=[plain(places), asynchronous(places)]))

        assert places.names == [
            "enter AsyncChat.subscribed",
            "enter AsyncChat.subscribed async",
            "subscribed",
            "leave AsyncChat.subscribed async",
            "leave AsyncChat.subscribed",
        ]
        assert places.threads == {threading.get_ident()}

    def test_an_async_one_around_a_def_callback_stays_on_the_loop(self, places: Places) -> None:
        arun(App("def", channels=[chat(places, "def")], middleware=[asynchronous(places), plain(places)]))

        loop = threading.get_ident()
        assert [(what, thread == loop) for what, thread in places.log] == [
            ("enter Chat.subscribed async", True),
            ("enter Chat.subscribed", False),
            ("subscribed", False),
            ("leave Chat.subscribed", False),
            ("leave Chat.subscribed async", True),
        ]

    def test_it_sees_what_is_called(self) -> None:
        seen: list[Callback] = []

        @contextmanager
        def middleware(callback: Callback) -> Iterator[None]:
            seen.append(callback)
            yield

        App("def", middleware=[middleware])(ConnectionRequest(), sid="s1")

        assert (seen[0].name, seen[0].connection.sid, seen[0].channel) == ("connect", "s1", None)

    def test_it_may_rescue(self) -> None:
        class Chat(Channel):
            def subscribed(self) -> None:
                raise RuntimeError

        @contextmanager
        def rescue(callback: Callback) -> Iterator[None]:
            try:
                yield
            except RuntimeError:
                assert callback.channel is not None
                callback.channel.transmit("rescued")

        response = App("def", channels=[Chat], middleware=[rescue])(CHAT)

        assert isinstance(response, CommandResponse)
        assert (response.status, len(response.transmissions)) == (Status.SUCCESS, 2)

    @pytest.mark.parametrize("ask", [lambda app: app(CHAT), arun])
    def test_one_that_fails_is_an_error_like_the_callbacks(
        self, places: Places, caplog: pytest.LogCaptureFixture, ask: Callable[[App], Any]
    ) -> None:
        def broken(callback: Callback) -> Any:
            raise LookupError("no database")

        response = ask(App("def", channels=[chat(places, "def")], middleware=[broken]))

        assert response.status is Status.FAILURE
        assert "no database" in caplog.text
        assert places.names == []

    @pytest.mark.parametrize("ask", [lambda app: app(CHAT), arun])
    def test_what_is_no_context_manager_says_what_to_do(
        self, places: Places, caplog: pytest.LogCaptureFixture, ask: Callable[[App], Any]
    ) -> None:
        response = ask(App("def", channels=[chat(places, "def")], middleware=[lambda callback: object()]))

        assert response.status is Status.FAILURE
        assert "context manager" in caplog.text


class TestOnError:
    @pytest.mark.parametrize("ask", [lambda app: app(CHAT), arun])
    @pytest.mark.parametrize("kind", ["def", "async"])
    def test_it_is_told_once(self, ask: Callable[[App], Any], kind: str) -> None:
        told: list[tuple[Exception, str]] = []

        def on_error(exception: Exception, where: Callback | None) -> None:
            told.append((exception, str(where)))

        async def aon_error(exception: Exception, where: Callback | None) -> None:
            told.append((exception, str(where)))

        class Chat(Channel):
            def subscribed(self) -> None:
                raise ValueError("broken")

        app = App("def", channels=[Chat], on_error=on_error if kind == "def" else aon_error)
        if kind == "async":
            ask = arun
        response = ask(app)

        assert response.status is Status.FAILURE
        assert [(str(error), where) for error, where in told] == [("broken", "Chat.subscribed")]

    def test_middleware_does_not_run_around_it(self, places: Places) -> None:
        class Broken(Connection):
            def connect(self) -> None:
                raise ValueError

        told: list[Any] = []
        app = App("def", Broken, middleware=[plain(places)], on_error=lambda error, callback: told.append(error))
        app(ConnectionRequest())

        assert len(told) == 1
        assert places.names == ["enter Broken.connect", "leave Broken.connect"]

    def test_a_failure_of_its_own_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        class Broken(Connection):
            def connect(self) -> None:
                raise ValueError

        def on_error(error: Exception, callback: Callback | None) -> None:
            raise LookupError

        response = App("def", Broken, on_error=on_error)(ConnectionRequest())

        assert response == ConnectionResponse(Status.ERROR, error_msg="Broken.connect failed")
        assert [record.message.split(" (")[0] for record in caplog.records] == [
            "Broken.connect failed",
            "on_error failed itself",
        ]


class TestThreads:
    def test_a_def_callback_keeps_its_context_variables(self) -> None:
        seen = []

        class Chat(Channel):
            def subscribed(self) -> None:
                seen.append(request_id.get())

        request_id.set("r1")
        arun(App("def", channels=[Chat]))

        assert seen == ["r1"]

    def test_a_coroutine_from_a_def_callback_is_an_error(self, caplog: pytest.LogCaptureFixture) -> None:
        async def later() -> None: ...

        class Chat(Channel):
            pass

        class Future(Channel):
            def subscribed(self) -> Any:
                class Awaitable:
                    def __await__(self) -> Iterator[None]:
                        yield

                return Awaitable()

        setattr(Chat, "subscribed", staticmethod(partial(later)))  # noqa: B010 - checkers know that it is no method
        for channel in (Chat, Future):
            channel.name = "Chat"
            response = App("def", channels=[channel])(CHAT)
            assert isinstance(response, CommandResponse)
            assert response.status is Status.FAILURE
        assert caplog.text.count("subscribed is not declared as `async def`") == 2


class TestCancellation:
    def test_a_cancelled_call_is_cancelled(self) -> None:
        async def cancel() -> None:
            began = asyncio.Event()

            class Chat(Channel):
                async def subscribed(self) -> None:
                    began.set()
                    await asyncio.sleep(60)

            app = App("def", channels=[Chat])
            task = asyncio.ensure_future(runner.arun(respond(app.cable, CHAT)))
            await began.wait()
            task.cancel()
            await task

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(cancel())

    @pytest.mark.parametrize("error", RAISED)
    def test_a_callback_that_only_raises_such_an_error_fails(self, error: type[BaseException]) -> None:
        class Chat(Channel):
            async def subscribed(self) -> None:
                raise error

        response = arun(App("def", channels=[Chat]))

        assert response.error_msg == "Chat.subscribed failed"


class TestColours:
    async def coroutine(self) -> None: ...

    def plain(self) -> None: ...

    async def __call__(self) -> None: ...

    def test_what_gives_a_coroutine_is_async(self) -> None:
        assert is_async(self.coroutine)
        assert is_async(self)
        assert not is_async(self.plain)

    def test_async_middleware_is_seen_by_its_declaration(self, places: Places) -> None:
        class Async:
            def __init__(self, callback: Callback) -> None: ...

            async def __aenter__(self) -> None: ...

            async def __aexit__(self, *error: object) -> None: ...

        class Both(Async):
            def __enter__(self) -> None: ...

            def __exit__(self, *error: object) -> None: ...

        class Made:
            @asynccontextmanager
            async def __call__(self, callback: Callback) -> AsyncIterator[None]:
                yield

        assert is_async_middleware(asynchronous(places))
        assert is_async_middleware(partial(asynchronous(places)))
        assert is_async_middleware(Async)
        assert is_async_middleware(Made())
        assert not is_async_middleware(Both)
        assert not is_async_middleware(plain(places))

    def test_an_app_is_async_when_anything_in_it_is(self, places: Places) -> None:
        async def on_error(error: Exception, callback: Callback | None) -> None: ...

        class AsyncConnection(Connection):
            async def disconnect(self) -> None: ...

        assert not App("def", channels=[chat(places, "def")]).cable.is_async
        assert App("def", channels=[chat(places, "async")]).cable.is_async
        assert App("def", AsyncConnection).cable.is_async
        assert App("def", on_error=on_error).cable.is_async
        assert App("def", middleware=[asynchronous(places)]).cable.is_async


class Abandoned:
    """An app whose `def` callback runs on after its call was cancelled."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.may_end = threading.Event()
        abandoned = self

        class Chat(Channel):
            def subscribed(self) -> None:
                abandoned.began.set()
                assert abandoned.may_end.wait(20)

        self.app = App("def", channels=[Chat])

    async def cancel(self, threads: runner.CallbackThreads) -> None:
        call = asyncio.ensure_future(runner.arun(respond(self.app.cable, CHAT), (), threads))
        await asyncio.to_thread(self.began.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


class TestCallbackThreads:
    def test_a_cancelled_call_keeps_its_thread_busy_until_the_callback_ends(self) -> None:
        abandoned = Abandoned()

        async def main() -> None:
            with runner.CallbackThreads(2) as threads:
                await abandoned.cancel(threads)
                busy, idle = threads.busy, await threads.wait_idle(0.01)
                abandoned.may_end.set()

                assert (busy, idle) == (1, False)
                assert await threads.wait_idle(10)
                assert threads.busy == 0

        asyncio.run(main())

    def test_one_that_was_taken_back_before_it_began_is_not_busy(self) -> None:
        async def main() -> None:
            with runner.CallbackThreads(1) as threads:
                hold = threading.Event()
                first = asyncio.ensure_future(threads.run(lambda: hold.wait(20)))
                second = asyncio.ensure_future(threads.run(lambda: hold.wait(20)))
                await asyncio.sleep(0)
                second.cancel()
                await asyncio.wait([second])

                assert threads.busy == 1
                hold.set()
                assert await first

        asyncio.run(main())
