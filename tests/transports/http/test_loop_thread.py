"""The thread that waits for an event loop, and works for it meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial

import pytest

from anycable_rpc.transports.http.loop_thread import CallerThread, LoopThread


def test_functions_run_in_the_thread_that_waits_in_their_order() -> None:
    seen: list[str] = []

    async def call(thread: CallerThread) -> list[str]:
        await asyncio.gather(*(thread.run(partial(seen.append, text)) for text in "abc"))
        return seen

    assert LoopThread().run(call) == ["a", "b", "c"]


def test_a_function_that_is_cancelled_before_it_begins_does_not_run() -> None:
    seen: list[str] = []

    async def call(thread: CallerThread) -> str:
        loop = asyncio.get_running_loop()

        def hold() -> None:
            asyncio.run_coroutine_threadsafe(cancel(), loop).result(10)

        async def cancel() -> None:
            never.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await never

        first = asyncio.create_task(thread.run(hold))
        never = asyncio.create_task(thread.run(lambda: seen.append("never")))
        await first
        return "ended"

    assert LoopThread().run(call) == "ended"
    assert seen == []


def test_an_exception_of_a_function_reaches_the_coroutine() -> None:
    def fail() -> None:
        raise ValueError("boom")

    async def call(thread: CallerThread) -> str:
        try:
            await thread.run(fail)
        except ValueError as error:
            return str(error)
        return "no error"

    assert LoopThread().run(call) == "boom"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_task_that_would_end_the_loop_is_logged_and_later_calls_are_served(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    async def end() -> None:
        raise error

    async def call(thread: CallerThread) -> str:
        task = asyncio.create_task(end())
        await asyncio.wait([task])
        return type(task.exception()).__name__

    loop = LoopThread()

    assert [loop.run(call), loop.run(call)] == [error.__name__] * 2
    assert (
        caplog.record_tuples
        == [("anycable_rpc", logging.ERROR, "a task has stopped the event loop of the callbacks, which runs on")] * 2
    )


def test_a_loop_that_is_stopped_runs_on() -> None:
    async def call(thread: CallerThread) -> str:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return "ended"

    loop = LoopThread()

    assert [loop.run(call), loop.run(call)] == ["ended"] * 2
