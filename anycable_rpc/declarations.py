"""Mistakes in callbacks that would do nothing in silence: seen where a class is declared, or in what a call returns."""

from __future__ import annotations

import dis
import inspect
from itertools import pairwise
from types import CodeType, FunctionType
from typing import Any

from .errors import ConfigurationError

__all__ = ["check_class", "check_returned", "is_generator"]


def check_class(cls: type, base: type, callbacks: tuple[str, ...]) -> None:
    """Look at the callbacks of a class, and at all methods that it writes itself.

    Raises:
        ConfigurationError: a callback is a generator, or a method of `base` is named without being called.
    """
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
    """Whether calling the function runs nothing of it yet."""
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def check_returned(callback: object, result: Any) -> None:
    """Look at what a callback has returned, where that is not None.

    Raises:
        ConfigurationError: there is something left to run.
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
    """A statement that is nothing but `self.reject` is legal Python, and lets everybody in."""
    instructions = [each for each in dis.get_instructions(code) if each.opname not in ("CACHE", "NOP")]
    for named, after in pairwise(instructions):
        is_dropped = named.opname == "LOAD_ATTR" and after.opname == "POP_TOP"
        if is_dropped and callable(vars(base).get(named.argval)):
            raise ConfigurationError(f"{place} names {named.argval} and does not call it: write {named.argval}()")
