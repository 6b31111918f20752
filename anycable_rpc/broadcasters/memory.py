"""Broadcasts that stay in this process: for tests, and for a gateway in the same process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import RLock

__all__ = ["MemoryBroadcaster"]


class MemoryBroadcaster:
    """A broadcaster that stores payloads and passes each to its listeners, in the same order for all of them.

    Args:
        listeners: called with each payload in the publishing thread. A listener must not wait for another thread
            that publishes.
        keep: the number of payloads to store; None stores all.
    """

    def __init__(self, *listeners: Callable[[str], object], keep: int | None = None) -> None:
        self.listeners = list(listeners)
        self._payloads: deque[str] = deque(maxlen=keep)
        self._lock = RLock()

    @property
    def payloads(self) -> list[str]:
        """The published payloads, oldest first."""
        with self._lock:
            return list(self._payloads)

    def publish(self, payload: str) -> None:
        """Store the payload and pass it to the listeners."""
        with self._lock:
            self._payloads.append(payload)
            for listener in tuple(self.listeners):
                listener(payload)

    async def apublish(self, payload: str) -> None:
        """Call `publish` at once: it does no input or output."""
        self.publish(payload)
