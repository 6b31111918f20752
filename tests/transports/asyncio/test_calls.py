"""Admission, deadlines and health, without a connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from anycable_rpc.transports import threads
from anycable_rpc.transports.asyncio.calls import CallQueue, PendingCall
from anycable_rpc.transports.asyncio.health import Health
from anycable_rpc.transports.http2.grpc_framing import GrpcError, GrpcStatus


class Service:
    """A service that returns its request, once its gate is open."""

    refusal_observers = ()

    class threads:  # noqa: N801 - as that of a real one
        busy = 0
        jobs = ()

    def __init__(self, *, is_async: bool) -> None:
        self.is_async = is_async
        self.gate: Any = asyncio.Event() if is_async else threading.Event()
        self.started = 0
        self.cancelled = 0

    def handle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        self.started += 1
        assert self.gate.wait(20)
        if data in (b"at once", b"exit"):
            raise SystemExit
        return data

    async def ahandle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        self.started += 1
        if data == b"at once":
            raise ValueError
        try:
            await asyncio.wait_for(self.gate.wait(), 20)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if data == b"exit":
            raise ValueError
        return data


class Asked:
    """The calls of one service, and their answers by number."""

    def __init__(self, service: Service, limit: int) -> None:
        self.service = service
        self.calls = CallQueue(service, limit)  # type: ignore[arg-type]
        self.answers: dict[int, Any] = {}

    def ask(self, number: int, data: bytes = b"hi", timeout: float = 20) -> PendingCall:
        call = PendingCall(number, "Connect", data, {}, timeout, self.answers.__setitem__)
        self.calls.admit(call)
        self.calls.start_admitted()
        return call

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.002)


@pytest.fixture(params=[True, False], ids=["async def", "def"])
def asynchronous(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def on_a_loop(test: Callable[[Asked], Any], asynchronous: bool, limit: int = 2) -> None:
    async def main() -> None:
        asked = Asked(Service(is_async=asynchronous), limit)
        try:
            await test(asked)
        finally:
            asked.service.gate.set()
            asked.calls.cancel_all()

    asyncio.run(main())


class TestCalls:
    def test_calls_are_answered(self, asynchronous: bool) -> None:
        async def test(asked: Asked) -> None:
            asked.service.gate.set()
            asked.ask(1, b"one")
            asked.ask(3, b"two")
            await asked.until(lambda: len(asked.answers) == 2)
            assert asked.answers == {1: b"one", 3: b"two"}

        on_a_loop(test, asynchronous)

    def test_calls_above_the_limit_are_refused_until_one_ends(self, asynchronous: bool) -> None:
        async def test(asked: Asked) -> None:
            asked.ask(1)
            asked.ask(3)
            with pytest.raises(GrpcError) as refused:
                asked.ask(5)
            asked.service.gate.set()
            await asked.until(lambda: len(asked.answers) == 2)
            asked.ask(7)
            await asked.until(lambda: len(asked.answers) == 3)
            assert refused.value.status is GrpcStatus.RESOURCE_EXHAUSTED
            assert asked.service.started == 3

        on_a_loop(test, asynchronous)

    def test_a_callback_that_outlives_its_call_counts(self, asynchronous: bool) -> None:
        async def test(asked: Asked) -> None:
            asked.service.threads.busy = 2
            with pytest.raises(GrpcError):
                asked.ask(1)
            asked.service.threads.busy = 0

        on_a_loop(test, asynchronous)

    def test_late_call_is_answered_with_deadline_exceeded(self, asynchronous: bool) -> None:
        async def test(asked: Asked) -> None:
            asked.ask(1, timeout=0.05)
            asked.ask(3, timeout=float("inf"))
            await asked.until(lambda: 1 in asked.answers)
            assert asked.answers[1].status is GrpcStatus.DEADLINE_EXCEEDED
            with pytest.raises(GrpcError) as refused:
                asked.ask(5, timeout=0)
            assert refused.value.status is GrpcStatus.DEADLINE_EXCEEDED

        on_a_loop(test, asynchronous, limit=3)

    def test_a_later_deadline_is_kept_too(self, asynchronous: bool) -> None:
        async def test(asked: Asked) -> None:
            asked.ask(1, timeout=0.02)
            asked.ask(3, timeout=0.06)
            await asked.until(lambda: len(asked.answers) == 2)
            assert {answer.status for answer in asked.answers.values()} == {GrpcStatus.DEADLINE_EXCEEDED}

        on_a_loop(test, asynchronous)

    def test_cancelled_call_is_not_answered_and_keeps_its_place_until_it_ends(self, asynchronous: bool) -> None:
        async def test(asked: Asked) -> None:
            running, waiting = asked.ask(1), asked.ask(3)
            await asked.until(lambda: asked.service.started == 2)
            asked.calls.cancel(running)
            asked.calls.cancel(waiting)
            asked.calls.close()
            asked.service.gate.set()
            assert await asked.calls.wait_idle(10)
            assert asked.answers == {}
            assert asked.service.cancelled == (2 if asynchronous else 0)

        on_a_loop(test, asynchronous)

    def test_call_cancelled_while_it_waits_for_a_thread_frees_its_place(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(threads, "next_size", lambda target, limit, share: target)

        async def test(asked: Asked) -> None:
            asked.ask(1)
            asked.ask(3)
            waiting = asked.ask(5, b"large")
            await asked.until(lambda: asked.service.started == 2)
            asked.calls.cancel(waiting)
            asked.ask(7)
            asked.service.gate.set()
            await asked.until(lambda: len(asked.answers) == 3)
            assert (sorted(asked.answers), asked.service.started, waiting.data) == ([1, 3, 7], 3, b"")

        on_a_loop(test, asynchronous=False, limit=3)

    def test_call_cancelled_before_it_begins_never_runs(self, asynchronous: bool) -> None:
        async def test(asked: Asked) -> None:
            call = PendingCall(1, "Connect", b"", {}, 20, asked.answers.__setitem__)
            asked.calls.admit(call)
            asked.calls.cancel(call)
            asked.calls.start_admitted()
            asked.calls.close()
            assert await asked.calls.wait_idle(10)
            assert (asked.service.started, asked.answers) == (0, {})

        on_a_loop(test, asynchronous)

    @pytest.mark.parametrize("data", [b"at once", b"exit"])
    def test_any_exception_becomes_an_answer(self, asynchronous: bool, data: bytes) -> None:
        async def test(asked: Asked) -> None:
            asked.service.gate.set()
            asked.ask(1, data)
            await asked.until(lambda: 1 in asked.answers)
            asked.ask(3)
            await asked.until(lambda: 3 in asked.answers)
            assert asked.answers[1].status is GrpcStatus.INTERNAL
            assert asked.answers[3] == b"hi"

        on_a_loop(test, asynchronous)

    def test_closed_queue_admits_no_call_and_waits_for_the_last(self, asynchronous: bool) -> None:
        async def test(asked: Asked) -> None:
            asked.ask(1)
            asked.calls.close()
            with pytest.raises(GrpcError) as refused:
                asked.ask(3)
            assert not await asked.calls.wait_idle(0.01)
            asked.service.gate.set()
            assert await asked.calls.wait_idle(10)
            assert refused.value.status is GrpcStatus.UNAVAILABLE

        on_a_loop(test, asynchronous)


class TestHealth:
    def ask(self, name: str) -> bytes:
        return HealthCheckRequest(service=name).SerializeToString()

    def status(self, answer: bytes) -> str:
        return HealthCheckResponse.ServingStatus.Name(HealthCheckResponse.FromString(answer).status)

    def test_check(self) -> None:
        health = Health()
        for name in ("", "anycable.RPC"):
            assert self.status(health.check(self.ask(name))) == "SERVING"
        with pytest.raises(GrpcError) as refused:
            health.check(self.ask("other"))
        assert refused.value.status is GrpcStatus.NOT_FOUND
        with pytest.raises(GrpcError) as refused:
            health.check(b"\xff")
        assert refused.value.status is GrpcStatus.INTERNAL

    def test_watchers_are_told_until_they_leave(self) -> None:
        health, heard, others = Health(), list[bytes](), list[bytes]()
        health.watch(self.ask(""), 1, heard.append)
        health.watch(self.ask("anycable.RPC"), 2, others.append)
        health.unwatch(2)
        health.unwatch(3)
        health.end()

        assert [self.status(one) for one in heard] == ["SERVING", "NOT_SERVING"]
        assert [self.status(one) for one in others] == ["SERVING"]
        assert self.status(health.check(self.ask(""))) == "NOT_SERVING"

    def test_health_changes_until_the_end(self) -> None:
        health, heard = Health(), list[bytes]()
        health.watch(self.ask(""), 1, heard.append)
        health.turn(False)
        health.turn(True)
        health.end()
        health.turn(True)

        assert [self.status(one) for one in heard] == ["SERVING", "NOT_SERVING", "SERVING", "NOT_SERVING"]

    def test_unknown_service_may_be_watched(self) -> None:
        health, heard = Health(), list[bytes]()
        health.watch(self.ask("other"), 1, heard.append)
        health.end()

        assert [self.status(one) for one in heard] == ["SERVICE_UNKNOWN"]


STEP: ContextVar[str] = ContextVar("step", default="none")


class Waiting:
    """A service that does as its message says: at once, after a turn of the event loop, or after cancelling itself"""

    is_async = True

    refusal_observers = ()

    class threads:  # noqa: N801 - as that of a real one
        busy = 0
        jobs = ()

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, str]] = []
        self.tasks: dict[bytes, object] = {}

    async def ahandle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        self.seen.append((data, STEP.get()))
        self.tasks[data] = asyncio.current_task()
        STEP.set(data.decode())
        if b"cancel" in data:
            current = asyncio.current_task()
            assert current
            current.cancel()
        if b"wait" in data:
            await asyncio.sleep(0.01)
            async with asyncio.timeout(5):
                await asyncio.sleep(0)
            assert asyncio.current_task() is self.tasks[data]
        if b"late" in data:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(20)
        assert STEP.get() == data.decode()
        return data


class TestCallsOfOneRead:
    """The calls of one read begin in one task. The first that suspends keeps it."""

    def answers(self, *messages: bytes) -> tuple[dict[int, Any], Waiting]:
        service = Waiting()

        async def main() -> dict[int, Any]:
            asked = Asked(service, 20)  # type: ignore[arg-type]
            for number, message in enumerate(messages):
                asked.calls.admit(PendingCall(number, "Connect", message, {}, 20, asked.answers.__setitem__))
            asked.calls.start_admitted()
            await asked.until(lambda: len(asked.answers) == len(messages))
            asked.calls.close()
            assert await asked.calls.wait_idle(5)
            return asked.answers

        return asyncio.run(main()), service

    def test_each_has_its_own_context(self) -> None:
        messages = [b"1", b"2 wait", b"3", b"4 wait", b"5 late", b"6"]
        answers, service = self.answers(*messages)

        assert answers == dict(enumerate(messages))
        assert service.seen == [(message, "none") for message in messages]

    def test_calls_that_suspend_have_their_own_tasks(self) -> None:
        _, service = self.answers(b"1 wait", b"2", b"3 wait", b"4 late")

        assert len({service.tasks[message] for message in (b"1 wait", b"3 wait", b"4 late")}) == 3

    def test_all_calls_begin_at_once_when_the_first_suspends(self) -> None:
        service = Waiting()

        async def main() -> int:
            asked = Asked(service, 20)  # type: ignore[arg-type]
            for number in range(10):
                asked.calls.admit(PendingCall(number, "Connect", b"wait", {}, 20, asked.answers.__setitem__))
            asked.calls.start_admitted()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            begun = len(service.seen)
            await asked.until(lambda: len(asked.answers) == 10)
            return begun

        assert asyncio.run(main()) == 10

    @pytest.mark.parametrize("first", [b"cancel", b"cancel wait"])
    def test_call_that_cancels_itself_does_not_cancel_the_next(self, first: bytes) -> None:
        answers, _ = self.answers(first, b"2 wait", b"3")

        assert (answers[1], answers[2]) == (b"2 wait", b"3")
        assert answers[0] == first if first == b"cancel" else answers[0].status is GrpcStatus.INTERNAL

    def test_cancelled_call_can_clean_up(self) -> None:
        cleaned = list[str]()

        class Cleaning(Waiting):
            async def ahandle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
                STEP.set("mine")
                try:
                    await asyncio.sleep(20)
                finally:
                    await asyncio.sleep(0)
                    cleaned.append(STEP.get())
                return data

        async def main() -> dict[int, Any]:
            asked = Asked(Cleaning(), 2)  # type: ignore[arg-type]
            call = asked.ask(1)
            await asyncio.sleep(0.01)
            asked.calls.cancel(call)
            asked.calls.close()
            assert await asked.calls.wait_idle(5)
            return asked.answers

        assert (asyncio.run(main()), cleaned) == ({}, ["mine"])
