"""The bytes that all connections together keep: of requests that have not ended, and of answers that nobody takes.

Each connection has its own limit, but thirty of them at that limit are a gigabyte.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Budget", "Holder"]


class Holder(Protocol):
    """Part of a connection that keeps bytes."""

    def shed(self) -> None:
        """Keep less, and note how much that is."""


class Budget:
    """Counts the bytes of all holders. Beyond `most`, those that keep the most must give up some."""

    def __init__(self, limit: int) -> None:
        self.held = 0
        self._peak = 0
        self.limit = limit
        self._holders: dict[Holder, int] = {}

    def note(self, holder: Holder, held: int) -> None:
        """Say how many bytes a holder keeps now."""
        self.held += held - self._holders.pop(holder, 0)
        self._peak = max(self._peak, self.held)
        if held:
            self._holders[holder] = held

    def has_fallen(self, size: int) -> bool:
        """Whether so many bytes fewer are held than at some time since the answer was yes."""
        if self._peak - self.held < size:
            return False
        self._peak = self.held
        return True

    def settle(self) -> None:
        """Make the greediest holders give up until the rest is within the budget."""
        while self.held > self.limit:
            max(self._holders, key=self._holders.__getitem__).shed()
