"""One HTTP/2 connection, a server's side of it, without I/O: bytes in, requests out; answers in, bytes out.

Whatever a peer sends ends in requests, in a stream's end or in GOAWAY, never in an exception.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from . import frames
from .frames import (
    ACK,
    DEFAULT_FRAME,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    LARGEST_FRAME,
    LARGEST_WINDOW,
    PADDED,
    PREFACE,
    PRIORITIZED,
    ConnectionFault,
    ErrorCode,
    Setting,
    StreamFault,
    Type,
)
from .heads import Head, HeadReader, check_trailers
from .outbox import Outbox

__all__ = ["Cancelled", "Connection", "Limits", "Request"]

_WINDOW = 16 * 2**20  # of a connection
_PREFIX = 5  # bytes before a message: a flag and its length
_TINY = 256  # bytes of a DATA frame that is not the last one
_MOST_GONE = 128  # streams that are remembered after their end, and gaps between streams
_ONE_HEADERS, _ONE_DATA = Type.HEADERS << 8 | END_HEADERS, Type.DATA << 8 | END_STREAM
_LARGEST_HIGH = DEFAULT_FRAME - 1 >> 8
_DRAIN_PING, _QUIET_PING = b"draining", b"are you?"
_DRAIN_PATIENCE = 5  # seconds for the answer to the first


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may ask for: sizes in bytes, times in seconds, `noise` in frames that carry no call.

    A `table` of 0 makes header blocks independent of each other, and quick to read. `patience` is what a peer has to
    end what it has begun, and to take an answer; after `quiet` seconds without a byte it is asked whether it is there.
    """

    message: int = 4 * 2**20
    table: int = 0
    headers: int = 16 * 2**10
    block: int = 64 * 2**10
    streams: int = 1000
    buffered: int = 32 * 2**20
    noise: int = 2000
    noise_per_second: int = 200
    patience: int = 20
    quiet: int = 120


class Request(NamedTuple):
    """A whole request. `is_too_large` is one whose body or headers were not kept."""

    stream: int
    head: Head
    body: bytes
    is_too_large: bool = False


_new = tuple.__new__  # a NamedTuple's own takes twice as long


class Cancelled(NamedTuple):
    """A request whose answer nobody waits for."""

    stream: int


class _Stream:
    """What most streams have not is told by the class: one is made for each call."""

    body: bytes | bytearray = b""
    received = 0
    is_whole = False  # the peer has sent all of it
    is_answered = False  # at least in part

    def __init__(self, head: Head, since: int) -> None:
        self.head = head
        self.since = since


class Connection:
    """See the module. `is_closed` is set when the bytes that are left to write are the last."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.is_closed = False
        self.streams: dict[int, _Stream] = {}
        self._out = Outbox()
        self._events: list[Request | Cancelled] = []
        self._heads = HeadReader(self.limits.headers, self.limits.table)
        self._full = self.limits.message + _PREFIX
        self._rest = b""
        self._is_prefaced = False
        self._is_settled = False  # the peer's first settings are there
        self._highest = 0
        self._last = LARGEST_WINDOW  # the highest stream that is served
        self._skipped: deque[range] = deque(maxlen=_MOST_GONE)  # numbers that no stream has had
        self._cut: dict[int, None] = {}  # those whose end the peer may not have heard of: what still comes is let pass
        self._block: tuple[int, int, bytearray] | None = None
        self._window = _WINDOW
        self._buffered = 0
        self._noise = 0
        self._seconds = 0
        self._heard = 0  # when something came
        self._moved = 0  # when a frame or a block was whole, or none was begun
        self._draining = 0
        self._handlers: tuple[Callable[[int, int, bytes], None], ...] = (
            *(self._data, self._headers, self._priority, self._rst_stream, self._settings),
            *(self._push_promise, self._ping, self._goaway, self._window_update, self._continuation),
        )
        self._greet()

    def receive(self, data: bytes) -> list[Request | Cancelled]:
        """What the bytes, and those before them, ask for."""
        if self.is_closed:
            return []
        self._heard = self._seconds
        self._read(self._rest + data if self._rest else data)
        return self._taken()

    def respond(self, stream: int, headers: bytes, data: bytes, trailers: bytes | None) -> None:
        """Answer: header block, data, and trailers that end it. A stream that is gone is no error.

        Without trailers the answer goes on; empty ones end it with the data. The headers leave with the first data.
        """
        found = self.streams.get(stream)
        if found is None:
            return
        if trailers and not found.is_answered and self._out.answer(stream, headers, data, trailers):
            self._finish(stream, found)
            return
        if not found.is_answered:
            found.is_answered = True
            found.since = self._seconds
            self._out.headers(stream, headers)
        if self._out.send(stream, data, trailers):
            self._finish(stream, found)
        elif self._out.held > self.limits.buffered:
            self._close(ErrorCode.ENHANCE_YOUR_CALM, "answers that nobody takes")

    def refuse(self, stream: int, headers: bytes) -> None:
        """Answer with headers alone, or end an answer with them."""
        found = self.streams.get(stream)
        if found is not None:
            self._out.headers(stream, headers, END_STREAM)
            self._finish(stream, found)

    def take(self) -> bytes:
        """The bytes to write now."""
        return self._out.take()

    def drain(self) -> None:
        """Say that the connection is to end; streams that are on their way are served (RFC 9113, 6.8)."""
        if not self._draining and not self.is_closed:
            self._draining = self._seconds + 1
            self._out.add(frames.goaway(LARGEST_WINDOW, ErrorCode.NO_ERROR))
            self._out.add(frames.frame(Type.PING, 0, 0, _DRAIN_PING))

    def refuse_new(self) -> None:
        """No stream above those seen is served; the connection ends with the last of them."""
        if self._last == LARGEST_WINDOW and not self.is_closed:
            self._last = self._highest
            self._out.add(frames.goaway(self._last, ErrorCode.NO_ERROR))
        self.is_closed = self.is_closed or not self.streams

    def a_second_passed(self) -> list[Request | Cancelled]:
        """What ends because the peer has taken too long; call it each second."""
        if self.is_closed:
            return []
        self._seconds += 1
        self._noise = max(0, self._noise - self.limits.noise_per_second)
        if self._draining and self._seconds - self._draining >= _DRAIN_PATIENCE:
            self.refuse_new()
        self._end_slow_streams()
        self._end_slow_peer()
        return self._taken()

    def _taken(self) -> list[Request | Cancelled]:
        events, self._events = self._events, []
        return events

    def _end_slow_streams(self) -> None:
        for stream, found in list(self.streams.items()):
            waits_for_peer = not found.is_whole or stream in self._out.waiting
            if waits_for_peer and self._seconds - found.since > self.limits.patience:
                self._reset(stream, ErrorCode.CANCEL)

    def _end_slow_peer(self) -> None:
        if not (self._rest or self._block or not self._is_settled):
            self._moved = self._seconds
        if self._seconds - self._moved > self.limits.patience:
            self._close(ErrorCode.ENHANCE_YOUR_CALM, "a frame or a header block that does not end")
        silence = self._seconds - self._heard
        if silence == self.limits.quiet:
            self._out.add(frames.frame(Type.PING, 0, 0, _QUIET_PING))
        if silence > self.limits.quiet + self.limits.patience:
            self._close(ErrorCode.NO_ERROR, "nobody is there")

    def _greet(self) -> None:
        values = {
            Setting.HEADER_TABLE_SIZE: self.limits.table,
            Setting.MAX_CONCURRENT_STREAMS: self.limits.streams,
            Setting.INITIAL_WINDOW_SIZE: self._full,
            Setting.MAX_HEADER_LIST_SIZE: self.limits.headers,
        }
        self._out.add(frames.settings(values) + frames.window_update(0, _WINDOW - DEFAULT_WINDOW))

    def _close(self, code: ErrorCode, text: str) -> None:
        """End the connection and all that is on it."""
        if not self.is_closed:
            self._out.add(frames.goaway(self._highest, code, text))
            for stream, found in list(self.streams.items()):
                self._forget(stream, found)
                self._events.append(Cancelled(stream))
            self.is_closed = True

    def _read(self, data: bytes) -> None:
        try:
            position = self._preface(data)
            if self._is_prefaced:
                position = self._frames(data, position)
            self._rest = data[position:]
        except ConnectionFault as fault:
            self._close(fault.code, str(fault))

    def _preface(self, data: bytes) -> int:
        if self._is_prefaced:
            return 0
        if data[: len(PREFACE)] != PREFACE[: len(data)]:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "this is no HTTP/2")
        self._is_prefaced = len(data) >= len(PREFACE)
        return len(PREFACE) if self._is_prefaced else 0

    def _frames(self, data: bytes, position: int) -> int:
        """Handle the whole ones; where the rest begins."""
        end, unpack, handlers = len(data), frames.HEADER.unpack_from, self._handlers
        while position + 9 <= end and not self.is_closed:
            high, low, kind, flags, stream = unpack(data, position)
            if kind == 1 and self._block is None and self._heads.blocks.is_stateless:
                after = self._usual(data, position)
                if after > position:
                    position = after
                    continue
            size = high << 8 | low
            if size > DEFAULT_FRAME:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "the frame is too large")
            after = position + 9 + size
            if after > end:
                break
            if (self._block is not None) is not (kind == 9) or not self._is_settled:
                self._check_order(kind, flags)
            stream &= LARGEST_WINDOW
            try:
                if kind < 10:
                    handlers[kind](flags, stream, data[position + 9 : after])
                else:
                    self._count()
            except StreamFault as fault:
                self._count(10)
                self._reset(stream, fault.code)
            position = after
            if self._block is None:
                self._moved = self._seconds
        return position

    def _usual(self, data: bytes, position: int) -> int:
        """Take requests in the shape that nearly all have: HEADERS, and at once the one DATA frame.

        Where the first begins that has another; it is read frame by frame, and so is whatever is wrong.
        """
        end, unpack, streams, add = len(data), frames.SHAPE.unpack_from, self.streams, self._events.append
        read, stream, left, most = self._heads.read, self._highest + 2, self._window, self.limits.streams
        largest, began = min(self._full, DEFAULT_FRAME), position
        while position + 18 <= end and stream <= self._last and left > largest and len(streams) < most:
            high, low, shape, number = unpack(data, position)
            middle = position + 9 + (high << 8 | low)
            if shape != _ONE_HEADERS or number != stream or high > _LARGEST_HIGH or middle + 9 > end:
                break
            high, low, shape, number = unpack(data, middle)
            size = high << 8 | low
            after = middle + 9 + size
            if shape != _ONE_DATA or number != stream or size > largest or after > end or stream in self._cut:
                break
            try:
                head = read(data[position + 9 : middle])
            except (ConnectionFault, StreamFault):
                break
            _, _, weight, length = head
            if length is not None:
                break
            streams[stream] = found = _Stream(head, self._seconds)
            found.is_whole = True
            add(_new(Request, (stream, head, data[middle + 9 : after], weight > self.limits.headers)))
            left -= size
            stream += 2
            position = after
        if position > began:
            self._highest, self._window, self._moved = stream - 2, left, self._seconds
        if left < _WINDOW // 2:
            self._open_window()
        return position

    def _check_order(self, kind: int, flags: int) -> None:
        if self._is_settled:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a header block is cut, or none was begun")
        if kind != Type.SETTINGS or flags & ACK:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the first frame must be SETTINGS")
        self._is_settled = True

    def _reset(self, stream: int, code: ErrorCode) -> None:
        """End a stream before its end."""
        found = self.streams.get(stream)
        if found is not None:
            self._forget(stream, found)
            self._events.append(Cancelled(stream))
        _remember(self._cut, stream)
        self._out.add(frames.reset(stream, code))

    def _count(self, weight: int = 1) -> None:
        self._noise += weight
        if self._noise > self.limits.noise:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that ask for nothing")

    def _data(self, flags: int, stream: int, payload: bytes) -> None:
        size = len(payload)
        self._window -= size
        if self._window < _WINDOW // 2:
            self._open_window()
        found = self.streams.get(stream)
        if flags & PADDED:
            payload = _unpadded(payload)
        if found is None or stream in self._cut:
            self._check_ended_by_us(stream)
            return
        if found.is_whole:
            raise StreamFault(ErrorCode.STREAM_CLOSED)
        if found.received + len(payload) > self._full:
            raise StreamFault(ErrorCode.FLOW_CONTROL_ERROR)
        if size > len(payload):
            self._count()
            self._out.add(frames.window_update(stream, size - len(payload)))
        if flags & END_STREAM:
            self._end(stream, found, payload)
        else:
            self._collect(stream, found, payload)

    def _open_window(self) -> None:
        if self._window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more data than the connection's window")
        self._out.add(frames.window_update(0, _WINDOW - self._window))
        self._window = _WINDOW

    def _check_ended_by_us(self, stream: int) -> None:
        """What still comes for such a stream is let pass.

        Raises:
            ConnectionFault: there was no such stream, or the peer itself has ended it.
        """
        self._count()
        if stream > self._last or stream in self._cut:
            return
        if stream > self._highest or not stream % 2:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the stream was never opened")
        raise ConnectionFault(ErrorCode.STREAM_CLOSED, "the stream has ended")

    def _collect(self, stream: int, found: _Stream, payload: bytes) -> None:
        if len(payload) < _TINY:
            self._count()
        found.received += len(payload)
        if not found.body:
            found.body = bytearray()
        found.body += payload
        self._buffered += len(payload)
        if self._buffered > self.limits.buffered or _announced(found) > self.limits.message:
            self._give_up(stream, found)

    def _give_up(self, stream: int, found: _Stream) -> None:
        """Let it be answered at once; the rest of the request is not wanted."""
        self._release(found)
        found.is_whole = True
        _remember(self._cut, stream)
        self._events.append(Request(stream, found.head, b"", is_too_large=True))

    def _release(self, found: _Stream) -> None:
        self._buffered -= len(found.body)
        found.body = b""

    def _end(self, stream: int, found: _Stream, payload: bytes = b"") -> None:
        body = payload
        if found.body:
            body = bytes(found.body + payload)
            self._release(found)
        head = found.head
        if head.length is not None and head.length != len(body):
            raise StreamFault(ErrorCode.PROTOCOL_ERROR)
        found.is_whole = True
        self._events.append(Request(stream, head, body, head.size > self.limits.headers))

    def _headers(self, flags: int, stream: int, payload: bytes) -> None:
        if not stream % 2:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client's streams have odd numbers")
        if flags & PADDED:
            payload = _unpadded(payload)
        if flags & PRIORITIZED:
            payload = _without_priority(stream, payload)
        if flags & END_HEADERS:
            self._head(flags, stream, payload)
        else:
            self._count()
            self._moved = self._seconds
            self._block = stream, flags, bytearray(payload)

    def _continuation(self, flags: int, stream: int, payload: bytes) -> None:
        expected, first_flags, block = self._block or (0, 0, bytearray())
        if stream != expected:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a header block goes on in another stream")
        block += payload
        self._count(1 if payload else 20)
        if len(block) > self.limits.block:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many headers")
        if flags & END_HEADERS:
            self._block = None
            self._head(first_flags, stream, bytes(block))

    def _head(self, flags: int, stream: int, block: bytes) -> None:
        if stream <= self._highest:
            self._trailers(flags, stream, block)
            return
        if stream > self._highest + 2:
            self._skipped.append(range(self._highest + 1, stream))
        self._highest = stream
        if stream > self._last or stream in self._cut:
            self._heads.blocks.read(block)
            self._count()
            return
        found = _Stream(self._heads.read(block), self._seconds)
        if len(self.streams) >= self.limits.streams:
            raise StreamFault(ErrorCode.REFUSED_STREAM)
        self.streams[stream] = found
        if flags & END_STREAM:
            self._end(stream, found)

    def _trailers(self, flags: int, stream: int, block: bytes) -> None:
        fields = self._heads.blocks.read(block)
        found = self.streams.get(stream)
        if found is None or stream in self._cut:
            if any(stream in numbers for numbers in self._skipped):
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream's number is above those before it")
            self._check_ended_by_us(stream)
            return
        if found.is_whole:
            raise StreamFault(ErrorCode.STREAM_CLOSED)
        check_trailers(fields)
        if not flags & END_STREAM:
            raise StreamFault(ErrorCode.PROTOCOL_ERROR)
        self._end(stream, found)

    def _priority(self, flags: int, stream: int, payload: bytes) -> None:
        self._count()
        if not stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY is for a stream")
        if len(payload) != 5:
            raise StreamFault(ErrorCode.FRAME_SIZE_ERROR)
        if _dependency(payload) == stream:
            raise StreamFault(ErrorCode.PROTOCOL_ERROR)

    def _rst_stream(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM has 4 bytes")
        self._check_opened(stream)
        self._count()
        found = self.streams.get(stream)
        if found is not None:
            self._forget(stream, found)
            self._events.append(Cancelled(stream))

    def _check_opened(self, stream: int) -> None:
        if not stream % 2 or stream > self._highest:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the stream was never opened")

    def _settings(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS are the connection's")
        if len(payload) % 6 or (flags & ACK and payload):
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS have 6 bytes each")
        self._count(4)
        if flags & ACK:
            self._heads.blocks.acknowledge()
            return
        for start in range(0, len(payload), 6):
            key, value = payload[start : start + 2], payload[start + 2 : start + 6]
            self._set(int.from_bytes(key, "big"), int.from_bytes(value, "big"))
        self._out.add(frames.frame(Type.SETTINGS, ACK, 0))
        self._finish_all(self._out.go_on())  # after the ACK: who reads it knows what the data is counted against

    def _set(self, key: int, value: int) -> None:
        if key == Setting.ENABLE_PUSH and value > 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
        if key == Setting.INITIAL_WINDOW_SIZE:
            if value > LARGEST_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the window is too large")
            self._out.resize(value)
        if key == Setting.MAX_FRAME_SIZE:
            if not DEFAULT_FRAME <= value <= LARGEST_FRAME:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the frame size is out of range")
            self._out.frame_size = value

    def _push_promise(self, flags: int, stream: int, payload: bytes) -> None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client promises nothing")

    def _ping(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PING is the connection's")
        if len(payload) != 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "PING has 8 bytes")
        self._count()
        if not flags & ACK:
            self._out.add(frames.frame(Type.PING, ACK, 0, payload))
        elif payload == _DRAIN_PING and self._draining:
            self.refuse_new()

    def _goaway(self, flags: int, stream: int, payload: bytes) -> None:
        """The peer opens no more streams; those under way end as ever."""
        if stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "GOAWAY is the connection's")
        if len(payload) < 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY has 8 bytes and more")
        self._count()

    def _window_update(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE has 4 bytes")
        self._count()
        if stream:
            self._check_opened(stream)
        increment = int.from_bytes(payload, "big") & LARGEST_WINDOW
        if not increment:
            if not stream:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a window opens by more than nothing")
            raise StreamFault(ErrorCode.PROTOCOL_ERROR)
        if not stream or stream in self.streams:
            self._finish_all(self._out.open_window(stream, increment))

    def _finish_all(self, streams: list[int]) -> None:
        for stream in streams:
            self._finish(stream, self.streams[stream])

    def _finish(self, stream: int, found: _Stream) -> None:
        """The answer has left; what the peer still sends of the request is not wanted."""
        if not found.is_whole or stream in self._cut:
            self._out.add(frames.reset(stream, ErrorCode.NO_ERROR))
            _remember(self._cut, stream)
        self._forget(stream, found)
        if self._noise:
            self._noise = max(0, self._noise - 8)

    def _forget(self, stream: int, found: _Stream) -> None:
        del self.streams[stream]
        self._out.forget(stream)
        if found.body:
            self._release(found)
        if self._last != LARGEST_WINDOW and not self.streams:
            self.is_closed = True


def _remember(streams: dict[int, None], stream: int) -> None:
    if len(streams) >= _MOST_GONE:
        del streams[next(iter(streams))]
    streams[stream] = None


def _announced(found: _Stream) -> int:
    """How long the message says it is."""
    return int.from_bytes(found.body[1:_PREFIX], "big") if found.head.line.is_grpc else 0


def _unpadded(payload: bytes) -> bytes:
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "more padding than frame")
    return payload[1 : len(payload) - payload[0]]


def _dependency(payload: bytes) -> int:
    return int.from_bytes(payload[:4], "big") & LARGEST_WINDOW


def _without_priority(stream: int, payload: bytes) -> bytes:
    if len(payload) < 5:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "the frame is too short")
    if _dependency(payload) == stream:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream depends on itself")
    return payload[5:]
