"""The thread and the event loop of callbacks: those of the test."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from anycable_rpc import Cable, Callback, Channel, Connection, action
from anycable_rpc.testing import EventLoopRunning, TestClient, TestServer

from ..support.both_ways import App, async_twin, settings
from .chat import ChatChannel, User
from .ways import SECRET, Way

ANN = {"user_id": "ann"}
tenant = ContextVar("tenant", default="none")


class Places(Channel):
    """Transmits where it runs."""

    @action
    def where(self) -> None:
        self.transmit([threading.get_ident(), tenant.get()])

    @action
    def enter(self, name: str) -> None:
        tenant.set(name)


class Mixed(Channel):
    @action
    def plain(self) -> None:
        self.transmit(threading.get_ident())

    @action
    async def later(self) -> None:
        await asyncio.sleep(0)
        self.transmit(threading.get_ident())


def cable_of(*channels: type[Channel], **options: Any) -> Cable:
    return Cable(Connection, channels, settings=settings(secret=SECRET), **options)


def test_callbacks_run_in_the_thread_of_the_test_and_see_its_context(way: Way) -> None:
    chat = way.subscribe(way.connect(way.cable(channels=[Places])), Places)
    token = tenant.set("acme")

    way.do(chat, "perform", "where")

    tenant.reset(token)
    assert chat.transmissions == [[threading.get_ident(), "acme"]]


def test_what_a_callback_sets_in_its_context_ends_with_the_call(way: Way) -> None:
    chat = way.subscribe(way.connect(way.cable(channels=[Places])), Places)

    way.do(chat, "perform", "enter", name="acme")
    way.do(chat, "perform", "where")

    assert chat.transmissions == [[threading.get_ident(), tenant.get()]]
    assert tenant.get() != "acme"


class TestInsideARunningLoop:
    @pytest.mark.parametrize(
        ("verb", "twin"),
        [
            (lambda client, chat: TestClient(client.server.cable), "TestClient.aconnect"),
            (lambda client, chat: client.subscribe("ChatChannel", room="2"), "client.asubscribe"),
            (lambda client, chat: client.disconnect(), "client.adisconnect"),
            (lambda client, chat: chat.perform("speak", text="hi"), "chat.aperform"),
            (lambda client, chat: chat.whisper("hi"), "chat.awhisper"),
            (lambda client, chat: chat.unsubscribe(), "chat.aunsubscribe"),
        ],
    )
    def test_sync_verbs_of_an_async_app_name_their_twins(self, verb: Callable[..., Any], twin: str) -> None:
        cable = App("async", User, [ChatChannel], settings=settings()).cable

        async def test() -> None:
            async with await TestClient.aconnect(cable, cookies=ANN) as client:
                chat = await client.asubscribe(ChatChannel, room="1")
                with pytest.raises(EventLoopRunning) as raised:
                    verb(client, chat)
                assert str(raised.value) == (
                    "an event loop is running in this thread, and the app has `async def` callbacks: "
                    f"write `await {twin}(…)`"
                )
                assert raised.value.twin == twin
                assert (client.closed, chat.is_active, chat.received) == (False, True, [])

        asyncio.run(test())
        gc.collect()  # a coroutine that was never awaited would be a warning, and so an error

    def test_sync_verbs_of_a_def_app_work(self) -> None:
        cable = App("def", User, [ChatChannel], settings=settings()).cable

        async def test() -> None:
            with TestClient(cable, cookies=ANN) as ann:
                chat = ann.subscribe(ChatChannel, room="1")
                chat.perform("speak", text="hi")
                assert chat.received == [{"user": "ann", "text": "hi"}]
                cable.disconnect(user_id="ann")
                assert ann.broadcasts["log"] == ["ann has left 1"]

        asyncio.run(test())

    def test_a_sync_disconnect_of_an_async_app_is_told_to_it_by_the_next_verb(self) -> None:
        cable = App("async", User, [ChatChannel], settings=settings()).cable

        async def test() -> None:
            async with await TestClient.aconnect(cable, cookies=ANN) as ann:
                await ann.asubscribe(ChatChannel, room="1")
                cable.disconnect(user_id="ann")
                assert (ann.closed, ann.broadcasts["log"]) == (True, [])
                await TestClient.aconnect(cable)
                assert ann.broadcasts["log"] == ["ann has left 1"]

        asyncio.run(test())

    def test_callbacks_await_what_they_publish(self) -> None:
        class Leaving(Channel):
            @action
            async def leave(self) -> None:
                await self.cable.abroadcast("log", "leaving")
                await self.cable.adisconnect()

            async def unsubscribed(self) -> None:
                await self.cable.abroadcast("log", "left")

        async def test() -> None:
            async with await TestClient.aconnect(cable_of(Leaving)) as client:
                await (await client.asubscribe(Leaving)).aperform("leave")
                assert (client.reason, client.broadcasts["log"]) == ("remote", ["leaving", "left"])

        asyncio.run(test())

    def test_a_verb_that_is_cancelled_cancels_the_callback(self) -> None:
        events: list[str] = []

        class Slow(Channel):
            @action
            async def hang(self) -> None:
                started.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    events.append("cancelled")
                    raise

        async def test() -> None:
            async with await TestClient.aconnect(cable_of(Slow)) as client:
                verb = asyncio.create_task((await client.asubscribe(Slow)).aperform("hang"))
                await started.wait()
                verb.cancel()
                await asyncio.wait([verb])
                assert verb.cancelled()

        started = asyncio.Event()
        asyncio.run(test(), debug=True)

        assert events == ["cancelled"]

    def test_verbs_run_side_by_side_and_each_raises_its_own_error(self) -> None:
        turns: list[str] = []

        class Slow(Channel):
            @action
            async def work(self, name: str) -> None:
                turns.append(f"{name} begins")
                await asyncio.sleep(0)
                turns.append(f"{name} ends")
                if name == "bad":
                    raise ValueError(name)
                self.transmit(name)

        cable = cable_of(Slow)

        async def test() -> None:
            async with await TestClient.aconnect(cable) as client:
                chat = await client.asubscribe(Slow)
                performed = [chat.aperform("work", name=name) for name in ("bad", "good")]
                bad, good = await asyncio.gather(*performed, return_exceptions=True)
                assert isinstance(bad, ValueError)
                assert not isinstance(good, BaseException)
                assert chat.transmissions == ["good"]

        asyncio.run(test())
        assert turns == ["bad begins", "good begins", "bad ends", "good ends"]


class TestWait:
    def test_async_callbacks_share_one_event_loop_which_is_not_the_threads(self) -> None:
        loops: list[asyncio.AbstractEventLoop] = []

        class Looking(Channel):
            async def subscribed(self) -> None:
                loops.append(asyncio.get_running_loop())

        own = asyncio.new_event_loop()
        asyncio.set_event_loop(own)
        try:
            with TestServer(cable_of(Looking)) as server:
                for _ in range(2):
                    TestClient(server.cable).subscribe(Looking)
            assert asyncio.get_event_loop_policy().get_event_loop() is own
        finally:
            asyncio.set_event_loop(None)
            own.close()

        first, second = loops
        assert first is second
        assert first is not own
        assert first.is_closed()

    def test_it_can_be_closed_while_another_one_runs(self) -> None:
        server = TestServer(App("async", User, settings=settings()).cable)
        TestClient(server.cable)

        async def test() -> None:
            server.close()

        asyncio.run(test())
        server.close()

    def test_tasks_that_callbacks_leave_behind_go_on_in_the_next_verb(self) -> None:
        class Leaving(Channel):
            @action
            async def leave(self) -> None:
                self.connection.cable.later = asyncio.create_task(self.work())  # type: ignore[attr-defined]

            async def work(self) -> None:
                await asyncio.sleep(0)
                self.cable.broadcast("done", True)

            @action
            async def wait(self) -> None:
                await self.connection.cable.later  # type: ignore[attr-defined]

        with TestClient(cable_of(Leaving)) as client:
            chat = client.subscribe(Leaving)
            chat.perform("leave")
            chat.perform("wait")
            assert client.broadcasts["done"] == [True]

    def test_another_way_to_wait_gets_the_async_callbacks_only(self) -> None:
        waited: list[str] = []

        def wait(make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
            with asyncio.Runner() as runner:
                waited.append("waited")
                return runner.run(make())

        with TestClient(cable_of(Mixed), wait=wait) as client:
            chat = client.subscribe(Mixed)
            chat.perform("plain")
            assert waited == []
            chat.perform("later")
            assert waited == ["waited"]
            assert chat.transmissions == [threading.get_ident()] * 2

    def test_another_way_to_hop_gets_the_def_callbacks_of_async_tests(self) -> None:
        async def test() -> None:
            async with await TestClient.aconnect(cable_of(Mixed), hop=asyncio.to_thread) as client:
                chat = await client.asubscribe(Mixed)
                await chat.aperform("later")
                await chat.aperform("plain")
                here, there = chat.transmissions
                assert (here == threading.get_ident(), there == threading.get_ident()) == (True, False)

        asyncio.run(test())


class TestMiddleware:
    @pytest.mark.parametrize("channel", [Places, async_twin(Places)], ids=["def", "async"])
    def test_async_middleware_wraps_both_kinds_of_callbacks(self, channel: type[Channel]) -> None:
        seen: list[str] = []

        @asynccontextmanager
        async def later(callback: Callback) -> AsyncIterator[None]:
            seen.append(f"enter {callback.name}")
            yield
            seen.append(f"leave {callback.name}")

        @contextmanager
        def plain(callback: Callback) -> Iterator[None]:
            tenant.set("of middleware")
            yield

        with TestClient(cable_of(channel, middleware=[later, plain])) as client:
            chat = client.subscribe("Places")
            seen.clear()
            chat.perform("where")
            assert chat.transmissions == [[threading.get_ident(), "of middleware"]]

        assert seen[:2] == ["enter where", "leave where"]
