"""What a peer may ask for, and how much of what asks for nothing."""

from __future__ import annotations

from dataclasses import dataclass

from .frames import ConnectionFault, ErrorCode

__all__ = ["FloodGuard", "Limits"]

_WORTH = 8  # frames that carry no call: so many are let pass for each answer


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may ask for: sizes in bytes, times in seconds, `noise` in frames that carry no call.

    A `table` of 0 makes header blocks independent of each other, and quick to read. `patience` is what a peer has to
    end what it has begun, and to take an answer; after `quiet` seconds without a byte it is asked whether it is there.
    `buffered` is what one connection may keep of unfinished requests and of answers that wait, `budget` what all may.
    """

    message: int = 4 * 2**20
    table: int = 0
    headers: int = 16 * 2**10
    block: int = 64 * 2**10
    streams: int = 1000
    buffered: int = 32 * 2**20
    budget: int = 64 * 2**20
    unproductive_frames: int = 2000
    unproductive_frames_per_second: int = 200
    patience: int = 20
    quiet: int = 120


class FloodGuard:
    """Counts frames that carry no call; answers and time make up for them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._level = 0

    def count(self, weight: int = 1) -> None:
        """One more, as bad as `weight` of them.

        Raises:
            ConnectionFault: there are too many.
        """
        self._level += weight
        if self._level > self._limits.unproductive_frames:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that ask for nothing")

    def call_answered(self) -> None:
        """A call has its answer."""
        if self._level:
            self._level = max(0, self._level - _WORTH)

    def tick(self) -> None:
        """Call it each second."""
        self._level = max(0, self._level - self._limits.unproductive_frames_per_second)
