"""What goes out on one connection: frames, as far as the peer's windows allow, the rest when they open."""

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
_EMPTY_TABLE = b"\x20"  # we keep no table: said once, before the first block


@lru_cache(64)
def _start(block: bytes, flags: int) -> bytes:
    """What is before the stream's number in the frame of a header block; most answers have the same ones."""
    return len(block).to_bytes(3, "big") + bytes((Type.HEADERS, flags))


class SendQueue:
    """Takes answers; `take` gives the bytes to write, `waiting` are the streams that a window holds up."""

    def __init__(self) -> None:
        self._ready: list[bytes] = []
        self._first = _EMPTY_TABLE
        self._window = DEFAULT_WINDOW
        self._initial = DEFAULT_WINDOW
        self._credit: dict[int, int] = {}  # by stream: how its window differs from the initial one
        self.frame_size = DEFAULT_FRAME
        self.waiting: dict[int, tuple[memoryview, bytes | None]] = {}
        self.held = 0  # bytes that wait

    def add(self, data: bytes) -> None:
        """Write this, whatever the windows."""
        self._ready.append(data)

    def take(self) -> bytes:
        """All that can be written now."""
        data = b"".join(self._ready)
        self._ready.clear()
        return data

    def headers(self, stream: int, block: bytes, flags: int = 0) -> None:
        """A header block, never longer than a frame."""
        self._ready.append(frame(Type.HEADERS, END_HEADERS | flags, stream, self._first + block))
        self._first = b""

    def answer(self, stream: int, headers: bytes, data: bytes, trailers: bytes) -> bool:
        """A whole answer at once, if it fits in one frame and the windows; whether it has left."""
        size = len(data)
        if size > self.frame_size or size > self._window or self._first:
            return False
        if size > (self._initial + self._credit.get(stream, 0) if self._credit else self._initial):
            return False
        self._window -= size
        number = stream.to_bytes(4, "big")
        start, end = _start(headers, END_HEADERS), _start(trailers, END_HEADERS | END_STREAM)
        self._ready += start, number, headers, size.to_bytes(3, "big"), _DATA, number, data, end, number, trailers
        return True

    def send(self, stream: int, data: bytes, trailers: bytes | None) -> bool:
        """Send data, and trailers with the end of the stream (empty: with the data); whether the stream has ended."""
        view = memoryview(data)
        held = self.waiting.pop(stream, None)
        if held:
            self.held -= len(held[0])
            view = memoryview(bytes(held[0]) + data) if data else held[0]
        sent = self._fitting(stream, view, END_STREAM if trailers == b"" else 0)
        if sent < len(view):
            self.waiting[stream] = _rest(view, sent), trailers
            self.held += len(view) - sent
            return False
        if trailers:
            self.headers(stream, trailers, END_STREAM)
        return trailers is not None

    def _fitting(self, stream: int, data: memoryview, last: int) -> int:
        """Write what the windows allow, with the flag of the last frame; how many bytes that is."""
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
        """The stream has ended."""
        if self._credit:
            self._credit.pop(stream, None)
        if self.waiting and (held := self.waiting.pop(stream, None)):
            self.held -= len(held[0])

    def waits(self, stream: int) -> int:
        """How many bytes of a stream wait."""
        held = self.waiting.get(stream)
        return len(held[0]) if held else 0

    def open_window(self, stream: int, increment: int) -> list[int]:
        """The peer takes more on one stream; return the streams that have ended by it.

        Raises:
            StreamFault: the window grows too large.
        """
        credit = self._credit.get(stream, 0) + increment
        if self._initial + credit > LARGEST_WINDOW:
            raise StreamFault(ErrorCode.FLOW_CONTROL_ERROR)
        self._credit[stream] = credit
        return [stream] if stream in self.waiting and self._again(stream) else []

    def grow(self, increment: int) -> None:
        """The peer takes more in all; `go_on` sends what waits for that.

        Raises:
            ConnectionFault: the window grows too large.
        """
        self._window += increment
        if self._window > LARGEST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the connection's window is too large")

    def resize(self, initial: int, largest: int) -> None:
        """Set every stream's window as the peer asks; `go_on` sends what waits for that.

        One frame may set it many times. `largest` is the largest value of the frame, `initial` the last: each stream
        is looked at once.

        Raises:
            ConnectionFault: a window grows too large.
        """
        if largest + max(self._credit.values(), default=0) > LARGEST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window is too large")
        self._initial = initial

    def go_on(self) -> list[int]:
        """Send what waited, oldest first; the streams that have ended by it."""
        ended: list[int] = []
        for stream in list(self.waiting):
            if self._window <= 0:
                break
            if self._again(stream):
                ended.append(stream)
        return ended

    def _again(self, stream: int) -> bool:
        """A stream whose window is shut keeps its turn."""
        if self._initial + self._credit.get(stream, 0) <= 0:
            return False
        return self.send(stream, b"", self.waiting[stream][1])


def _rest(data: memoryview, sent: int) -> memoryview:
    """What is left to send. Only the smaller half is copied, so that many small windows cost no more than one."""
    rest = data[sent:]
    return rest if 2 * len(rest) > len(cast(bytes, data.obj)) else memoryview(bytes(rest))
