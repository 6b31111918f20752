"""Streams that ended on our side, while frames that the peer sent earlier may still arrive.

A frame for a stream that is not open is an error, except for three kinds that must be remembered for a while:

    kind     how it ended                                   a late frame is
    cut      we sent RST_STREAM, or ignore the request      ignored: the peer may not have read our reset yet
    refused  answered because of its headers                checked like any other, but not kept
    skipped  never opened: the peer took a higher number    PROTOCOL_ERROR instead of STREAM_CLOSED (RFC 9113, 5.1.1)

Each memory is bounded: a peer must not make the server remember all streams that ever were.
"""

from __future__ import annotations

from collections import deque

from .frames import ConnectionFault, ErrorCode
from .open_stream import OpenStream

__all__ = ["ClosedStreams"]

_REMEMBERED = 128  # of each kind; the oldest is forgotten first


class ClosedStreams:
    """The memory of closed streams. `cut` may also name open ones: answered later, but read no more."""

    def __init__(self) -> None:
        self.cut: dict[int, None] = {}  # a dict, because it keeps the order
        self.refused: dict[int, OpenStream] = {}
        self.skipped: deque[range] = deque(maxlen=_REMEMBERED)

    def add_cut(self, stream: int) -> None:
        """Ignore frames of this stream from now on."""
        if len(self.cut) >= _REMEMBERED:
            del self.cut[next(iter(self.cut))]
        self.cut[stream] = None

    def add_refused(self, stream: int, found: OpenStream) -> bool:
        """Keep checking frames of this stream; return False if there is no need or no room for that."""
        if not found.is_refused or found.is_complete or stream in self.cut or len(self.refused) >= _REMEMBERED:
            return False
        self.refused[stream] = found
        return True

    def check_not_skipped(self, stream: int) -> None:
        """Pass if this stream was open once.

        Raises:
            ConnectionFault: the peer left its number out.
        """
        if any(stream in numbers for numbers in self.skipped):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a new stream's number must be above those before it")
