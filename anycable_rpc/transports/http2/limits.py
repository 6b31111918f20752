"""The limits of a peer, and the guard against floods of frames that ask for nothing."""

from __future__ import annotations

from dataclasses import dataclass

from .frames import ConnectionFault, ErrorCode

__all__ = ["FloodGuard", "Limits"]

_PAID_BY_ANSWER = 8  # unproductive frames: honest clients send a few windows and pings for each call


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one peer: sizes in bytes, times in seconds.

    Attributes:
        message: the largest message, also when decompressed.
        table: the header table that the peer may use. 0 makes header blocks independent of each other, and fast to
            read.
        headers: the headers of one request.
        block: a header block before it is decoded.
        streams: how many streams may be open at a time.
        buffered: what one connection may keep of incomplete requests, and the same again of answers that wait.
        budget: what all connections together may keep of both.
        unproductive_frames: how many frames without a request are accepted; answers and time make up for them.
        unproductive_frames_per_second: how many of them each second makes up for.
        patience: how long a peer may take to complete what it has begun, or to read an answer.
        quiet: how long a peer may be silent before it is sent a PING.
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
    """Count frames that carry no request. A level rises with them, and falls with each answer and each second."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._level = 0

    def count(self, weight: int = 1) -> None:
        """Count an unproductive frame, or one that makes as much work as `weight` of them.

        Raises:
            ConnectionFault: there were too many.
        """
        self._level += weight
        if self._level > self._limits.unproductive_frames:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many frames without a request")

    def call_answered(self) -> None:
        """Lower the level: the peer has made a real call."""
        if self._level:
            self._level = max(0, self._level - _PAID_BY_ANSWER)

    def tick(self) -> None:
        """Lower the level; call this each second."""
        self._level = max(0, self._level - self._limits.unproductive_frames_per_second)
