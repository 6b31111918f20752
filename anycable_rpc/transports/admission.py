"""Admission: which calls run, and what the others are told.

Every engine asks here, so every refusal is seen here that is for want of a place, in a drain or past the deadline.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from time import monotonic, sleep
from typing import Generic, NamedTuple, Protocol, TypeVar

from .observers import notify

__all__ = ["Admission", "Refusal"]

logger = logging.getLogger("anycable_rpc")

_FULL = "all {} places are taken; compare ANYCABLE_RPC_POOL_SIZE with anycable-go's --rpc_concurrency"
_MINUTE = 60.0
_POLL = 0.01  # seconds between looks at whether calls have ended


class Refusal(NamedTuple):
    """The answer to a call that is not admitted: the name of a gRPC status, and a sentence.

    `UNAVAILABLE`: the server is shutting down. `RESOURCE_EXHAUSTED`: no place is free. `DEADLINE_EXCEEDED`: nobody
    waits for the answer any more. anycable-go tries again after the first two.
    """

    status: str
    text: str


class _Busy(Protocol):
    """Threads for `def` callbacks. A cancelled call may still use its thread."""

    @property
    def busy(self) -> int: ...


_Call = TypeVar("_Call")


class Admission(Generic[_Call]):
    """Admits up to `limit` calls at a time, until it is closed.

    Attributes:
        limit: the number of places.
        under_way: the calls that have a place. One thread alone adds to it, so it needs no lock. A lock would make
            every thread wait.
    """

    def __init__(self, limit: int, threads: _Busy, observers: Sequence[Callable[[Refusal], object]] = ()) -> None:
        """Begin with all places free.

        Args:
            limit: the number of places.
            threads: calls of `def` callbacks that run there count too.
            observers: each is called with every refusal, on the thread of the call (see `Service.refusal_observers`).
        """
        self.limit = limit
        self.under_way: set[_Call] = set()
        self._observers = observers
        self.is_closed = False
        self._threads = threads
        self._full = 0  # refusals because no place was free
        self._logged = 0
        self._next_log = 0.0

    def enter(self, call: _Call, is_late: bool = False) -> Refusal | None:
        """Give the call a place until `leave` and return None, or return what to refuse it with."""
        refusal = self._refusal(is_late)
        if refusal is None:
            self.under_way.add(call)
            if not self.is_closed:
                return None
            self.leave(call)  # another thread has closed meanwhile, and may already have seen no call
            refusal = self._refusal(is_late)
        if refusal:
            notify(self._observers, refusal, "refusals")
        return refusal

    def leave(self, call: _Call) -> None:
        """Take the call's place back."""
        self.under_way.discard(call)

    def close(self) -> None:
        """Admit no more calls."""
        self.is_closed = True

    def is_idle(self) -> bool:
        """Return whether no call is under way."""
        return not self.under_way

    def wait_idle(self, timeout: float) -> bool:
        """Block until no call is under way; return False when `timeout` seconds are over. Close first."""
        deadline = monotonic() + timeout
        while not self.is_idle():
            if monotonic() > deadline:
                return False
            sleep(_POLL)
        return True

    def log_refusals(self, now: float) -> None:
        """Log how many calls were refused for want of a place, unless that was logged less than a minute ago."""
        count = self._full - self._logged
        if count and now >= self._next_log:
            self._logged, self._next_log = self._full, now + _MINUTE
            logger.warning(
                "%d %s refused, since all %d places were taken; anycable-go tries again. Raise ANYCABLE_RPC_POOL_SIZE "
                "(%d here), or lower --rpc_concurrency of anycable-go: all of them together must stay below it",
                *(count, "call was" if count == 1 else "calls were", self.limit, self.limit),
            )

    def _refusal(self, is_late: bool) -> Refusal | None:
        if self.is_closed:
            return Refusal("UNAVAILABLE", "the server is shutting down")
        if len(self.under_way) >= self.limit or self._threads.busy >= self.limit:
            self._full += 1
            return Refusal("RESOURCE_EXHAUSTED", _FULL.format(self.limit))
        return Refusal("DEADLINE_EXCEEDED", "the deadline has passed") if is_late else None
