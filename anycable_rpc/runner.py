"""Running callbacks: the only module that knows both colours.

`run` calls, `arun` awaits; each drives the steps of one RPC (see `rpc.py`) to its response.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from contextvars import copy_context
from functools import lru_cache, partial
from typing import Any

from .call import CALLER, Callback, Steps
from .errors import ConfigurationError
from .protocol import Response

__all__ = ["CallbackThreads", "Middleware", "arun", "is_async", "is_async_middleware", "run"]

Middleware = Callable[[Callback], Any]
"""Takes the callback about to run, returns a context manager around it."""


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling the function (a method, an object) gives a coroutine."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(type(function), "__call__"))  # noqa: B004, B009


def is_async_middleware(middleware: Middleware) -> bool:
    """Whether the middleware is declared as an asynchronous context manager, and only as that."""
    while isinstance(middleware, partial):
        middleware = middleware.func
    if inspect.isclass(middleware):
        return hasattr(middleware, "__aenter__") and not hasattr(middleware, "__enter__")
    called = middleware if inspect.isroutine(middleware) else getattr(type(middleware), "__call__")  # noqa: B004, B009
    return inspect.isasyncgenfunction(inspect.unwrap(called))


class CallbackThreads(ThreadPoolExecutor):
    """Threads for the `def` callbacks of an async app.

    A callback cannot be stopped: when its call is cancelled it runs on, and its thread is `busy` until it ends.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size, "anycable_rpc callback")
        self.busy = 0
        self._changed = threading.Condition()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Count the callback until it has ended, or was taken back before it began."""
        with self._changed:
            self.busy += 1
        future = super().submit(function, *args, **kwargs)
        future.add_done_callback(self._ended)
        return future

    def wait_idle(self, timeout: float) -> bool:
        """Wait until no callback runs; False when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: not self.busy, timeout)

    def _ended(self, future: Future[Any]) -> None:
        with self._changed:
            self.busy -= 1
            self._changed.notify_all()


def run(steps: Steps, middleware: Sequence[Middleware] = ()) -> Response:
    """Drive the steps in this thread; each callback is a `def`."""
    try:
        callback = next(steps)
        while True:
            try:
                around = _around(callback, middleware)
                result = _call(callback, [wrap(callback) for wrap in around] if around else ())
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
                around = _around(callback, middleware)
                if not _awaits(callback.function):
                    result = await _on_thread(callback, around, pool)
                else:
                    caller = CALLER.set(callback.connection.sid)
                    try:
                        result = await (_on_loop(callback, around) if around else callback())
                    finally:
                        CALLER.reset(caller)
            except BaseException as error:
                callback = steps.throw(_ordinary(callback, error))
            else:
                callback = steps.send(result)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


def _around(callback: Callback, middleware: Sequence[Middleware]) -> Sequence[Middleware]:
    channel = callback.channel
    outer, inner = callback.connection.middleware, channel.middleware if channel else ()
    if outer or inner:
        middleware = (*middleware, *outer, *inner)
    return middleware if middleware and callback.name != "on_error" else ()


def _call(callback: Callback, managers: Sequence[Any]) -> Any:
    caller = CALLER.set(callback.connection.sid)
    try:
        if not managers:
            return _not_awaitable(callback, callback())
        with ExitStack() as stack:
            for manager in managers:
                stack.enter_context(_plain(manager))
            return _not_awaitable(callback, callback())
    except BaseException as error:
        ordinary = _ordinary(callback, error)
        if ordinary is error:
            raise
        raise ordinary from error
    finally:
        CALLER.reset(caller)


def _awaits(function: Callable[..., Any]) -> bool:
    """`is_async`, remembered for methods, which are what most callbacks are."""
    method = getattr(function, "__func__", None)
    return is_async(function) if method is None else _method_awaits(method)


@lru_cache(1024)
def _method_awaits(method: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(method)


def _ordinary(callback: Callback, error: BaseException) -> Exception:
    """The error, or one that stands for it: a StopIteration would hang a future, a SystemExit end a thread or a loop.

    Raises:
        KeyboardInterrupt, CancelledError: what is not about the callback alone.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    if isinstance(error, KeyboardInterrupt) or _is_cancelled(error):
        raise error
    ordinary = RuntimeError(f"{callback} raised {type(error).__name__}")
    ordinary.__cause__ = error
    return ordinary


def _is_cancelled(error: BaseException) -> bool:
    """Whether the call itself is cancelled, and not just something that the callback awaited."""
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
    if result is None or not inspect.isawaitable(result):
        return result
    if inspect.iscoroutine(result):
        result.close()
    raise RuntimeError(f"{callback} is not declared as `async def`, but returned something to await")
