"""Running callbacks, sync and async: no module below it knows the difference.

`run` calls and `arun` awaits; each drives the steps of one call (see `rpc/dispatch.py`) to its response.
"""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from contextvars import copy_context
from dataclasses import dataclass
from functools import lru_cache, partial
from time import monotonic
from typing import Any, Protocol

from ..callbacks import Callback, Middleware, is_async, is_async_middleware
from ..errors import ConfigurationError
from ..protocol.messages import Response
from ..publishing.caller import CALLER
from ..rpc.call import Steps

__all__ = [
    "CallbackThreads",
    "ThreadRunner",
    "Wait",
    "arun",
    "as_exception",
    "call_sync",
    "is_interrupt",
    "run",
    "until",
]

_POLL = 0.01  # seconds between looks at whether something has ended


class ThreadRunner(Protocol):
    """Runs the `def` callbacks of an async app on threads."""

    async def run(self, function: Callable[[], Any]) -> Any:
        """Call a function on a thread and return its result."""
        ...


@dataclass(slots=True, eq=False)
class CallbackJob:
    """A `def` callback on a thread; `is_late` is True when its call is over and it still runs."""

    thread: int | None = None
    coroutine: None = None
    is_late: bool = False


class CallbackThreads(ThreadPoolExecutor):
    """A thread pool for the `def` callbacks of an async app.

    A running `def` cannot be stopped: when its call is cancelled it runs on, and its thread is busy until it ends.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size, "anycable_rpc callback")
        self.jobs: set[CallbackJob] = set()

    @property
    def busy(self) -> int:
        """The number of callbacks that run or wait for a thread."""
        return len(self.jobs)

    async def run(self, function: Callable[[], Any]) -> Any:
        """Call a function on a thread and return its result."""
        job = CallbackJob()
        self.jobs.add(job)
        future = self.submit(self._work, job, function)
        future.add_done_callback(lambda _: self.jobs.discard(job))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            job.is_late = True
            raise

    async def wait_idle(self, timeout: float) -> bool:
        """Wait until no callback runs; return False when `timeout` seconds are over."""
        return await until(lambda: not self.jobs, timeout)

    def _work(self, job: CallbackJob, function: Callable[[], Any]) -> Any:
        job.thread = threading.get_ident()
        return function()


async def until(condition: Callable[[], bool], timeout: float) -> bool:
    """Wait until a condition is true; return False when `timeout` seconds are over.

    No thread is used: callbacks may hold them all.
    """
    deadline = monotonic() + timeout
    while not condition():
        if monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL)
    return True


Wait = Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]
"""Takes a function that makes a coroutine, runs the coroutine to its end, and returns its result."""


def run(steps: Steps, middleware: Sequence[Middleware] = (), wait: Wait | None = None) -> Response:
    """Drive the steps of a call in this thread to their response.

    Each callback is a `def`, unless `wait` is given: it runs what is `async def` to its end.
    """
    try:
        callback = next(steps)
        while True:
            try:
                around = _middleware_for(callback, middleware)
                if wait is not None and (_is_async_cached(callback.function) or any(map(is_async_middleware, around))):
                    result = wait(partial(_in_turn, callback, around))
                else:
                    result = call_sync(callback, [wrap(callback) for wrap in around] if around else ())
            except Exception as error:
                callback = steps.throw(error)
            else:
                callback = steps.send(result)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


async def arun(steps: Steps, middleware: Sequence[Middleware] = (), pool: ThreadRunner | None = None) -> Response:
    """Drive the steps of a call on this event loop to their response.

    A `def` callback runs on a thread of `pool`, with the context variables of the call.
    """
    try:
        callback = next(steps)
        while True:
            try:
                around = _middleware_for(callback, middleware)
                if not _is_async_cached(callback.function):
                    result = await _on_thread(callback, around, pool)
                else:
                    caller = CALLER.set(callback.connection.sid)
                    try:
                        result = await (_on_loop(callback, around) if around else callback())
                    finally:
                        CALLER.reset(caller)
            except BaseException as error:
                callback = steps.throw(as_exception(callback, error))
            else:
                callback = steps.send(result)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


class _ThisThread:
    """Runs `def` callbacks in the thread of the event loop."""

    async def run(self, function: Callable[[], Any]) -> Any:
        return function()


async def _in_turn(callback: Callback, middleware: Sequence[Middleware]) -> Any:
    """Run one callback in its middleware; the thread waits for it, so a `def` runs in this thread too."""
    caller = CALLER.set(callback.connection.sid)
    try:
        if not _is_async_cached(callback.function):
            return await _on_thread(callback, middleware, _ThisThread())
        return await _on_loop(callback, middleware)
    except BaseException as error:
        failure = as_exception(callback, error)  # a SystemExit would end the event loop
        if failure is error:
            raise
        raise failure from error
    finally:
        CALLER.reset(caller)


def _middleware_for(callback: Callback, middleware: Sequence[Middleware]) -> Sequence[Middleware]:
    channel = callback.channel
    outer, inner = callback.connection.middleware, channel.middleware if channel else ()
    if outer or inner:
        middleware = (*middleware, *outer, *inner)
    return middleware if middleware and callback.name != "on_error" else ()


def call_sync(callback: Callback, managers: Sequence[Any]) -> Any:
    caller = CALLER.set(callback.connection.sid)
    try:
        if not managers:
            return _not_awaitable(callback, callback())
        with ExitStack() as stack:
            for manager in managers:
                stack.enter_context(_require_sync(manager))
            return _not_awaitable(callback, callback())
    except BaseException as error:
        failure = as_exception(callback, error)
        if failure is error:
            raise
        raise failure from error
    finally:
        CALLER.reset(caller)


def _is_async_cached(function: Callable[..., Any]) -> bool:
    """Return `is_async(function)`. Fast path: the answer for a method, as most callbacks are, is cached."""
    method = getattr(function, "__func__", None)
    return is_async(function) if method is None else _is_async_method(method)


@lru_cache(1024)
def _is_async_method(method: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(method)


def as_exception(what: object, error: BaseException) -> Exception:
    """Return the error, or an Exception in its place: a StopIteration would hang a future, a SystemExit would end a
    thread or an event loop.

    Raises:
        KeyboardInterrupt, CancelledError: the process is interrupted, the call is cancelled.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    if is_interrupt(error) or _is_cancelled(error):
        raise error
    failure = RuntimeError(f"{what} raised {type(error).__name__}")
    failure.__cause__ = error
    return failure


def is_interrupt(error: BaseException) -> bool:
    """Return whether Ctrl-C may have raised the error; where a thread watches signals, only an app can have."""
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )


def _is_cancelled(error: BaseException) -> bool:
    """Return whether the call itself is cancelled, and not only something that the callback has awaited."""
    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # on a thread
        return False
    return task is not None and task.cancelling() > 0


async def _on_loop(callback: Callback, middleware: Sequence[Middleware]) -> Any:
    async with AsyncExitStack() as stack:
        for wrap in middleware:
            manager = wrap(callback)
            if hasattr(manager, "__aenter__"):
                await stack.enter_async_context(manager)
            else:
                stack.enter_context(manager)
        return await callback()


async def _on_thread(callback: Callback, middleware: Sequence[Middleware], pool: ThreadRunner | None) -> Any:
    """Run a `def` callback in the pool. Sync middleware is entered and left in the same thread as the callback."""
    async with AsyncExitStack() as stack:
        managers: list[Any] = []
        for wrap in middleware:
            manager = wrap(callback)
            if hasattr(manager, "__enter__"):
                managers.append(manager)
            else:
                await stack.enter_async_context(manager)
        context = copy_context()

        def call() -> Any:
            return context.run(call_sync, callback, managers)

        return await (pool.run(call) if pool else asyncio.to_thread(call))


def _require_sync(manager: Any) -> Any:
    if hasattr(manager, "__enter__"):
        return manager
    raise ConfigurationError(
        f"middleware returned {type(manager).__name__}, which is not a context manager for a `def` callback; "
        "declare the middleware with @contextmanager, or the callback as `async def`"
    )


def _not_awaitable(callback: Callback, result: Any) -> Any:
    if result is None or not inspect.isawaitable(result):
        return result
    if inspect.iscoroutine(result):
        result.close()
    raise RuntimeError(f"{callback} is not declared as `async def`, but returned something to await")
