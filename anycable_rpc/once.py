"""What an object finds out when it is first asked, and remembers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["once"]

_Found = TypeVar("_Found")


class once(Generic[_Found]):  # noqa: N801 - a decorator
    """`functools.cached_property` without the lock that it takes until Python 3.12: for objects of one thread."""

    def __init__(self, find: Callable[[Any], _Found]) -> None:
        self._find = find
        self.__doc__ = find.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> _Found:
        if instance is None:
            return self  # type: ignore[return-value]  # of the class it is the descriptor
        found = instance.__dict__[self._name] = self._find(instance)
        return found
