"""The two sides of a trip (`group_commit.py`): those who send publications, and what becomes of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..errors import BroadcastFailed

__all__ = ["CROWDED", "INTERRUPTED", "LATE", "AsyncCarrier", "Carrier", "Failed", "Outcomes", "with_context"]

Outcomes = list[BroadcastFailed | None]
"""For each publication of a trip its error, or None. Each error is an object of its own."""

INTERRUPTED = "the program was interrupted: it may or may not have arrived"
LATE = "no answer in time: it may or may not have arrived; see the log of that server"
CROWDED = "no answer in time for the publications before it, so it was not sent: see the log of that server"


class Failed(Protocol):
    """A function that makes an error of a reason. If `transient`, the same publication may work later."""

    def __call__(self, reason: str, transient: bool) -> BroadcastFailed: ...


def with_context(failure: BroadcastFailed, cause: Exception) -> BroadcastFailed:
    """Return the failure with its cause for a debugger. A printed traceback does not show the cause."""
    failure.__context__ = cause
    failure.__suppress_context__ = True
    return failure


class Carrier(Protocol):
    """An object that sends publications from any thread. Each method takes at most `seconds`."""

    def send_one(self, payload: str, seconds: float) -> None:
        """Send a lone publication.

        Raises:
            BroadcastFailed: it was not accepted.
        """

    def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
        """Send publications in this order."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the kept connections."""


class AsyncCarrier(Protocol):
    """An object that sends publications from the tasks of one event loop. It is a `Carrier` with awaits."""

    async def send_one(self, payload: str, seconds: float) -> None:
        """Send a lone publication."""

    async def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
        """Send publications in this order."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close the kept connections."""
