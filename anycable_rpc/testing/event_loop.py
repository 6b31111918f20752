"""Running `async def` callbacks: an event loop in the thread of the test, made when it is first needed."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import copy_context
from functools import partial
from types import coroutine
from typing import Any, TypeVar

__all__ = ["EventLoop", "Hop", "Hops", "here", "in_own_context", "is_loop_running"]

_Result = TypeVar("_Result")

Hop = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Takes a function, and returns something to await that calls it."""


class EventLoop:
    """Runs coroutines one after another on one event loop, which stands still in between.

    The thread's own event loop, if any, is left alone: that may be the one of a plugin for async tests.
    """

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._finalizer: Callable[[], object] = _close_nothing

    def wait(self, make_coroutine: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a coroutine to its end, with the context variables of this thread, and return its result."""
        if self._runner is None:
            self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
            self._finalizer = weakref.finalize(self, _close, self._runner)
        return self._runner.run(make_coroutine(), context=copy_context())

    def close(self) -> None:
        """Cancel the tasks that are left, and close the event loop."""
        self._finalizer()


class Hops:
    """The `def` callbacks of an async app, each called by a `Hop`."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop

    async def run(self, function: Callable[[], Any]) -> Any:
        """Call a function and return its result."""
        return await self._hop(function)


async def here(function: Callable[[], Any]) -> Any:
    """Call a function in this thread, which is the test's."""
    return function()


@coroutine
def in_own_context(steps: Coroutine[Any, Any, _Result]) -> Generator[Any, Any, _Result]:
    """Await a coroutine in this task, with a copy of its context variables: what it sets there ends with it."""
    context, step = copy_context(), partial(steps.send, None)
    try:
        while True:
            waits_for = context.run(step)
            try:
                step = partial(steps.send, (yield waits_for))
            except BaseException as error:
                step = partial(steps.throw, error)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


def _close(runner: asyncio.Runner) -> None:
    if is_loop_running():  # then no other one can run, so its tasks are not told
        runner.get_loop().close()
    else:
        runner.close()


def _close_nothing() -> None:
    """Close no event loop: none was needed."""


def is_loop_running() -> bool:
    """Return whether an event loop is running in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
