"""Publishes inside this process: for tests, and for a gateway in the same process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import RLock

__all__ = ["MemoryBroadcaster"]


class MemoryBroadcaster:
    """Remembers payloads and hands each to the listeners, in one order for all of them.

    Args:
        listeners: called with each payload, in the thread that publishes; they must not wait for another
            thread that publishes.
        keep: how many payloads to remember; None is all of them.
    """

    def __init__(self, *listeners: Callable[[str], object], keep: int | None = None) -> None:
        self.listeners = list(listeners)
        self._payloads: deque[str] = deque(maxlen=keep)
        self._lock = RLock()

    @property
    def payloads(self) -> list[str]:
        """What was published, oldest first."""
        with self._lock:
            return list(self._payloads)

    def publish(self, payload: str) -> None:
        """Remember the payload and hand it to the listeners."""
        with self._lock:
            self._payloads.append(payload)
            for listener in tuple(self.listeners):
                listener(payload)

    async def apublish(self, payload: str) -> None:
        """`publish`, which waits for nothing."""
        self.publish(payload)
