"""Values that each process makes for itself: a fork takes no thread along, and so no thread pool and no event loop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["PerProcess"]

_Value = TypeVar("_Value")


class PerProcess(Generic[_Value]):
    """A value that is made on first use, and again on first use in a process that was forked since then."""

    def __init__(self, make: Callable[[], _Value]) -> None:
        self._make = make
        self._locks: dict[int, threading.Lock] = {}  # one for each process: a fork may find that of its parent taken
        self._made: tuple[int, _Value] | None = None

    def get(self) -> _Value:
        """Return the value of this process."""
        made = self._made
        if made is None or made[0] != os.getpid():
            made = self._make_once()
        return made[1]

    def _make_once(self) -> tuple[int, _Value]:
        with self._locks.setdefault(os.getpid(), threading.Lock()):
            if self._made is None or self._made[0] != os.getpid():
                self._made = os.getpid(), self._make()
            return self._made
