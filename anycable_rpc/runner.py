"""Running callbacks: the only module that knows both colours.

`run` calls, `arun` awaits; each drives the steps of one RPC (see `rpc.py`) to its response.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack, ExitStack
from contextvars import copy_context
from functools import lru_cache
from typing import Any, TypeVar

from .call import Callback, Steps
from .errors import ConfigurationError
from .protocol import Response

__all__ = ["BackgroundLoop", "Middleware", "arun", "is_async", "is_async_middleware", "run"]

Middleware = Callable[[Callback], Any]
"""Takes the callback about to run, returns a context manager around it."""

_T = TypeVar("_T")


@lru_cache(maxsize=4096)
def _is_coroutine_function(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an object with an async __call__
    )


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling the function (a method, an object) gives a coroutine."""
    return _is_coroutine_function(getattr(function, "__func__", function))


def is_async_middleware(middleware: Middleware) -> bool:
    """Whether the middleware is declared as an asynchronous context manager."""
    if inspect.isclass(middleware):
        return hasattr(middleware, "__aenter__")
    return inspect.isasyncgenfunction(inspect.unwrap(middleware))


def run(steps: Steps, middleware: Sequence[Middleware] = ()) -> Response:
    """Drive the steps in this thread; each callback is a `def`."""
    try:
        callback = next(steps)
        while True:
            try:
                result = _call(callback, [wrap(callback) for wrap in _around(callback, middleware)])
            except Exception as error:
                callback = steps.throw(error)
            else:
                callback = steps.send(result)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


async def arun(steps: Steps, middleware: Sequence[Middleware] = (), pool: Executor | None = None) -> Response:
    """Drive the steps on this event loop; a `def` callback goes to the pool, with its context variables."""
    try:
        callback = next(steps)
        while True:
            try:
                result = await _acall(callback, _around(callback, middleware), pool)
            except Exception as error:
                callback = steps.throw(error)
            else:
                callback = steps.send(result)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


def _around(callback: Callback, middleware: Sequence[Middleware]) -> Sequence[Middleware]:
    return () if callback.name == "on_error" else middleware


def _call(callback: Callback, managers: Sequence[Any]) -> Any:
    try:
        with ExitStack() as stack:
            for manager in managers:
                stack.enter_context(_plain(manager))
            return _not_awaitable(callback, callback())
    except (StopIteration, GeneratorExit, SystemExit, asyncio.CancelledError) as error:
        # A StopIteration hangs a future, a SystemExit ends the thread: the call would never be answered.
        raise RuntimeError(f"{callback} raised {type(error).__name__}") from error


async def _acall(callback: Callback, middleware: Sequence[Middleware], pool: Executor | None) -> Any:
    try:
        if is_async(callback.function):
            return await _on_loop(callback, middleware)
        return await _on_thread(callback, middleware, pool)
    except (GeneratorExit, SystemExit) as error:
        raise RuntimeError(f"{callback} raised {type(error).__name__}") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise RuntimeError(f"{callback} raised CancelledError") from error


async def _on_loop(callback: Callback, middleware: Sequence[Middleware]) -> Any:
    async with AsyncExitStack() as stack:
        for wrap in middleware:
            manager = wrap(callback)
            if hasattr(manager, "__aenter__"):
                await stack.enter_async_context(manager)
            else:
                stack.enter_context(manager)
        return await callback()


async def _on_thread(callback: Callback, middleware: Sequence[Middleware], pool: Executor | None) -> Any:
    """Plain middleware is entered and left in the thread that runs the callback."""
    async with AsyncExitStack() as stack:
        managers: list[Any] = []
        for wrap in middleware:
            manager = wrap(callback)
            if hasattr(manager, "__enter__"):
                managers.append(manager)
            else:
                await stack.enter_async_context(manager)
        context = copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, lambda: context.run(_call, callback, managers))


def _plain(manager: Any) -> Any:
    if hasattr(manager, "__enter__"):
        return manager
    raise ConfigurationError(
        f"middleware returned {type(manager).__name__}, which is not a context manager for a `def` callback; "
        "declare the middleware with @contextmanager, or the callback as `async def`"
    )


def _not_awaitable(callback: Callback, result: Any) -> Any:
    if not inspect.isawaitable(result):
        return result
    if inspect.iscoroutine(result):
        result.close()
    raise RuntimeError(f"{callback} is not declared as `async def`, but returned something to await")


class BackgroundLoop:
    """One event loop in a daemon thread, started on first use, for sync code that must await."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Await the coroutine there; the calling thread waits."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._started()).result()

    def stop(self) -> None:
        """Stop the loop; a later `run` starts another one."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run_loop, args=(self._loop,), name="anycable_rpc loop", daemon=True).start()
            return self._loop


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
