"""The frames that one connection sends: as many as the peer's windows allow, and the rest when they open."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from .frames import (
    DEFAULT_FRAME,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    LARGEST_WINDOW,
    ConnectionFault,
    ErrorCode,
    StreamFault,
    Type,
    frame,
)

__all__ = ["SendQueue"]

_DATA = bytes((Type.DATA, 0))
_EMPTY_TABLE = b"\x20"  # before the first block: tells the peer that our blocks use no header table


@lru_cache(64)
def _start(block: bytes, flags: int) -> bytes:
    """Return the start of a HEADERS frame, up to the stream's number; most answers begin with the same one."""
    return len(block).to_bytes(3, "big") + bytes((Type.HEADERS, flags))


class SendQueue:
    """Take answers, and return from `take` the bytes to write.

    `waiting` has the streams whose answers do not fit into a window, with what is left to send: data, and trailers as
    `H2Connection.respond` takes them. `held` counts the bytes of that data.
    """

    def __init__(self) -> None:
        self._ready: list[bytes] = []
        self._before_first_block = _EMPTY_TABLE
        self._window = DEFAULT_WINDOW
        self._initial = DEFAULT_WINDOW
        # By stream: how its window differs from the initial one. So a new initial window changes all of them at once,
        # and a stream whose answer goes out whole, as nearly all do, needs no entry.
        self._credit: dict[int, int] = {}
        self.frame_size = DEFAULT_FRAME
        self.waiting: dict[int, tuple[memoryview, bytes | None]] = {}
        self.held = 0

    def add(self, data: bytes) -> None:
        """Send these frames whatever the windows are: only DATA is limited by them."""
        self._ready.append(data)

    def take(self) -> bytes:
        """Return all bytes that can be written now."""
        data = b"".join(self._ready)
        self._ready.clear()
        return data

    def headers(self, stream: int, block: bytes, flags: int = 0) -> None:
        """Send a header block; ours always fit into one frame."""
        self._ready.append(frame(Type.HEADERS, END_HEADERS | flags, stream, self._before_first_block + block))
        self._before_first_block = b""

    def answer(self, stream: int, headers: bytes, data: bytes, trailers: bytes) -> bool:
        """Send a whole answer if it fits into one DATA frame and the windows; return whether it did.

        This is the fast path for nearly all answers: three frames are written in one step, without an entry anywhere.
        """
        size = len(data)
        if size > self.frame_size or size > self._window or self._before_first_block:
            return False
        if size > (self._initial + self._credit.get(stream, 0) if self._credit else self._initial):
            return False
        self._window -= size
        number = stream.to_bytes(4, "big")
        start, end = _start(headers, END_HEADERS), _start(trailers, END_HEADERS | END_STREAM)
        self._ready += start, number, headers, size.to_bytes(3, "big"), _DATA, number, data, end, number, trailers
        return True

    def send(self, stream: int, data: bytes, trailers: bytes | None) -> bool:
        """Send data as far as the windows allow, after what still waits; return whether the stream has ended.

        With trailers the stream ends after them, with `b""` after the data, and with None it goes on.
        """
        view = memoryview(data)
        held = self.waiting.pop(stream, None)
        if held:
            self.held -= len(held[0])
            view = memoryview(bytes(held[0]) + data) if data else held[0]
        sent = self._fitting(stream, view, END_STREAM if trailers == b"" else 0)
        if sent < len(view):
            self.waiting[stream] = _remainder(view, sent), trailers
            self.held += len(view) - sent
            return False
        if trailers:
            self.headers(stream, trailers, END_STREAM)
        return trailers is not None

    def _fitting(self, stream: int, data: memoryview, last: int) -> int:
        """Send what the windows allow, and return how much; `last` is the flag of the frame with the last byte."""
        size = min(len(data), self._window, self._initial + self._credit.get(stream, 0))
        if size <= 0:
            return 0
        for start in range(0, size, self.frame_size):
            end = min(start + self.frame_size, size)
            self._ready.append(frame(Type.DATA, last if end == len(data) else 0, stream, data[start:end]))
        self._window -= size
        self._credit[stream] = self._credit.get(stream, 0) - size
        return size

    def forget(self, stream: int) -> None:
        """Drop what waits of a stream that has ended."""
        if self._credit:
            self._credit.pop(stream, None)
        if self.waiting and (held := self.waiting.pop(stream, None)):
            self.held -= len(held[0])

    def waits(self, stream: int) -> int:
        """Return how many bytes of a stream wait."""
        held = self.waiting.get(stream)
        return len(held[0]) if held else 0

    def open_window(self, stream: int, increment: int) -> list[int]:
        """Send more of one stream, which the peer allows; return the streams that have ended by it.

        Raises:
            StreamFault: the window is too large.
        """
        credit = self._credit.get(stream, 0) + increment
        if self._initial + credit > LARGEST_WINDOW:
            raise StreamFault(ErrorCode.FLOW_CONTROL_ERROR)
        self._credit[stream] = credit
        return [stream] if stream in self.waiting and self._again(stream) else []

    def grow(self, increment: int) -> None:
        """Note that the peer takes more in all; `go_on` sends what waited for that.

        Raises:
            ConnectionFault: the window is too large.
        """
        self._window += increment
        if self._window > LARGEST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window is above 2^31 - 1")

    def resize(self, initial: int, largest: int) -> None:
        """Change the window of every stream, as the peer asks; `go_on` sends what waited for that.

        One SETTINGS frame may set the window many times. `largest` is the largest of its values, `initial` the last:
        this way the streams are checked once for each frame.

        Raises:
            ConnectionFault: a stream's window is too large.
        """
        if largest + max(self._credit.values(), default=0) > LARGEST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a stream's window is above 2^31 - 1")
        self._initial = initial

    def go_on(self) -> list[int]:
        """Send what waits, oldest first; return the streams that have ended by it."""
        ended: list[int] = []
        for stream in list(self.waiting):
            if self._window <= 0:
                break
            if self._again(stream):
                ended.append(stream)
        return ended

    def _again(self, stream: int) -> bool:
        # Return before `send` takes the stream out of `waiting` and puts it back at the end: it would lose its turn.
        if self._initial + self._credit.get(stream, 0) <= 0:
            return False
        return self.send(stream, b"", self.waiting[stream][1])


def _remainder(data: memoryview, sent: int) -> memoryview:
    """Return what is left to send.

    It is copied when at least half of it has been sent, so that the sent bytes can be freed. A peer that opens its
    window byte by byte does not make us copy the whole answer each time.
    """
    rest = data[sent:]
    return rest if 2 * len(rest) > len(cast(bytes, data.obj)) else memoryview(bytes(rest))
