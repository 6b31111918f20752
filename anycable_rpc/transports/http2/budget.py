"""The bytes that all connections together keep: of incomplete requests, and of answers that are not read.

Each connection has a limit of its own, but thirty of them at that limit would take a gigabyte.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Budget", "Holder"]


class Holder(Protocol):
    """A part of a connection that keeps bytes."""

    def shed(self) -> None:
        """Drop the largest thing that is kept, and note how much is left."""


class Budget:
    """Count the bytes of all holders. Above `limit`, those that keep the most must drop some."""

    def __init__(self, limit: int) -> None:
        self.held = 0
        self.limit = limit
        self._peak = 0
        self._holders: dict[Holder, int] = {}

    def note(self, holder: Holder, held: int) -> None:
        """Set how many bytes a holder keeps now."""
        self.held += held - self._holders.pop(holder, 0)
        self._peak = max(self._peak, self.held)
        if held:
            self._holders[holder] = held

    def has_fallen(self, size: int) -> bool:
        """Return whether `size` bytes fewer are held than at the peak. If so, the peak is counted anew from here."""
        if self._peak - self.held < size:
            return False
        self._peak = self.held
        return True

    def settle(self) -> None:
        """Make the largest holders drop bytes until all are within the limit."""
        while self.held > self.limit:
            max(self._holders, key=self._holders.__getitem__).shed()
