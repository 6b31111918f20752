"""Callbacks: the methods of an app that calls run, the middleware around them, and mistakes in them."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError

if TYPE_CHECKING:
    from .channel import Channel
    from .connection import Connection

__all__ = ["Callback", "Middleware", "check_class", "check_returned", "is_async", "is_async_middleware", "is_generator"]


RESERVED = "_anycable"
"""The one private attribute of connections and channels that is the framework's; all others are the app's."""


@dataclass(slots=True)
class Callback:
    """A call of a method of the app, as middleware gets it.

    `name` is `connect`, `subscribed`, `unsubscribed`, `disconnect`, an action's name or `on_error`.
    """

    name: str
    function: Callable[..., Any]
    connection: Connection
    channel: Channel | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self) -> Any:
        """Call the function. The caller awaits the coroutine of an `async def`."""
        return self.function(**self.arguments)

    def __str__(self) -> str:
        return f"{type(self.channel or self.connection).__name__}.{self.name}"


Middleware = Callable[[Callback], Any]
"""Takes the callback about to run, returns a context manager around it."""


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether calling the function (or method, or object) gives a coroutine."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(type(function), "__call__"))  # noqa: B004, B009


def is_async_middleware(middleware: Middleware) -> bool:
    """Return whether the middleware is an asynchronous context manager and nothing else."""
    while isinstance(middleware, partial):
        middleware = middleware.func
    if inspect.isclass(middleware):
        return hasattr(middleware, "__aenter__") and not hasattr(middleware, "__enter__")
    called = middleware if inspect.isroutine(middleware) else getattr(type(middleware), "__call__")  # noqa: B004, B009
    return inspect.isasyncgenfunction(inspect.unwrap(called))


def check_class(cls: type, base: type, callbacks: tuple[str, ...]) -> None:
    """Check the callbacks of a class, and all methods that it defines itself.

    Raises:
        ConfigurationError: a callback is a generator, a method of `base` is named without being called, or the class
            uses the name that is reserved.
    """
    if RESERVED in vars(cls):
        raise ConfigurationError(f"{cls.__name__}.{RESERVED} is reserved for the framework: choose another name")
    for name in callbacks:
        if is_generator(getattr(cls, name)):
            raise ConfigurationError(
                f"{cls.__name__}.{name} has a `yield`, so nothing in it would run: write it without. What runs before "
                "and after a callback is middleware"
            )
    for name, method in vars(cls).items():
        if isinstance(method, FunctionType):
            _check_calls(f"{cls.__name__}.{name}", method.__code__, base)


def is_generator(function: object) -> bool:
    """Return whether the function is a generator, so that calling it runs nothing of it."""
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def check_returned(callback: object, result: Any) -> None:
    """Check the result of a callback that is not None.

    Raises:
        ConfigurationError: the result is something that has not run.
    """
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        raise ConfigurationError(f"{callback} returned a generator, so nothing in it has run: write it without `yield`")
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise ConfigurationError(
            f"{callback} returned {type(result).__name__} {getattr(result, '__qualname__', '')}".rstrip()
            + ", which nobody has awaited: write `await` before the call"
        )
    if inspect.ismethod(result) and result.__name__ == "reject":
        raise ConfigurationError(f"{callback} returned the method reject and did not call it: write reject()")


def _check_calls(place: str, code: CodeType, base: type) -> None:
    """Refuse a statement that is nothing but `self.reject`: it is legal Python, and lets everybody in."""
    instructions = [each for each in dis.get_instructions(code) if each.opname not in ("CACHE", "NOP")]
    for named, after in pairwise(instructions):
        is_dropped = named.opname == "LOAD_ATTR" and after.opname == "POP_TOP"
        if is_dropped and callable(vars(base).get(named.argval)):
            raise ConfigurationError(f"{place} names {named.argval} and does not call it: write {named.argval}()")
