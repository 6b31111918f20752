"""One HTTP/2 connection, a server's side of it, without I/O: bytes in, requests out; answers in, bytes out.

Whatever a peer sends ends in requests, in a stream's end or in GOAWAY, never in an exception.
"""

from __future__ import annotations

from collections.abc import Callable

from . import frames
from .budget import Budget
from .frames import (
    ACK,
    DEFAULT_FRAME,
    DEFAULT_WINDOW,
    END_HEADERS,
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
from .limits import FloodGuard, Limits
from .request_headers import RequestHeadReader, RequestLine
from .send_queue import SendQueue
from .streams import WINDOW, Cancelled, CompleteRequest, StreamTable

__all__ = ["H2Connection"]

_DRAIN_PING, _QUIET_PING = b"draining", b"are you?"
_DRAIN_PATIENCE = 5  # seconds for the answer to the first
_USUAL_SETTINGS = 60  # bytes of ten settings: nobody has more to say at once
_WAITING_PER_NOISE = 16  # streams that wait: another window for all makes work for each


class H2Connection:
    """See the module."""

    def __init__(
        self,
        limits: Limits | None = None,
        budget: Budget | None = None,
        serves: Callable[[RequestLine], bool] = lambda line: True,
    ) -> None:
        self._limits = limits or Limits()
        self._budget = budget or Budget(self._limits.budget)
        self._noted = 0  # bytes that the budget knows of
        self._send_queue = SendQueue()
        self._guard = FloodGuard(self._limits)
        self._head_reader = RequestHeadReader(self._limits.headers, self._limits.table)
        self.streams = StreamTable(self._limits, self._send_queue, self._head_reader, self._guard, serves)
        self._unparsed = b""
        self._is_prefaced = False
        self._is_settled = False  # the peer's first settings are there
        self._block: tuple[int, int, bytearray] | None = None
        self._must_settle = False  # a window has opened for streams that may wait
        self._seconds = 0
        self._last_byte = 0  # when something came
        self._last_progress = 0  # when a frame or a block was whole, or none was begun
        self._draining = 0
        self._handlers: tuple[Callable[[int, int, bytes], None], ...] = (
            *(self._data, self._headers, self._priority, self._rst_stream, self._settings),
            *(self._push_promise, self._ping, self._goaway, self._window_update, self._continuation),
        )
        self._greet()

    @property
    def is_closed(self) -> bool:
        """Whether the bytes that are left to write are the last."""
        return self.streams.is_over

    def receive(self, data: bytes) -> list[CompleteRequest | Cancelled]:
        """What the bytes, and those before them, ask for."""
        if self.streams.is_over:
            return []
        self._last_byte = self._seconds
        self._read(self._unparsed + data if self._unparsed else data)
        if self._must_settle:
            self._settle()
        if self.streams.buffered or self._noted or self._block:
            self._account()
        return self.streams.take()

    def respond(self, stream: int, headers: bytes, data: bytes, trailers: bytes | None) -> None:
        """Answer: header block, data, and trailers that end it. A stream that is gone is no error.

        Without trailers the answer goes on; empty ones end it with the data. The headers leave with the first data.
        """
        self.streams.respond(stream, headers, data, trailers)
        if self._send_queue.held:
            if self._send_queue.held > self._limits.buffered:
                self._close(ErrorCode.ENHANCE_YOUR_CALM, "answers that nobody takes")
            self._account()

    def refuse(self, stream: int, headers: bytes) -> None:
        """Answer with headers alone, or end an answer with them."""
        self.streams.refuse(stream, headers)

    def shed(self) -> None:
        """Keep fewer bytes: too many are kept by all connections, and most by this one."""
        if not self.streams.shed_largest():
            self._close(ErrorCode.ENHANCE_YOUR_CALM, "a header block that takes too much room")
        self._note()

    def abandon(self) -> None:
        """Keep nothing: the peer has gone."""
        self.streams.end()
        self._block = None
        self._note()

    def take(self) -> bytes:
        """The bytes to write now."""
        return self._send_queue.take()

    def drain(self) -> None:
        """Say that the connection is to end; streams that are on their way are served (RFC 9113, 6.8)."""
        if not self._draining and not self.is_closed:
            self._draining = self._seconds + 1
            self._send_queue.add(frames.goaway(LARGEST_WINDOW, ErrorCode.NO_ERROR))
            self._send_queue.add(frames.frame(Type.PING, 0, 0, _DRAIN_PING))

    def refuse_new(self) -> None:
        """No stream above those seen is served; the connection ends with the last of them."""
        self.streams.refuse_new()

    def tick(self) -> list[CompleteRequest | Cancelled]:
        """What ends because the peer has taken too long; call it each second."""
        if self.is_closed:
            return []
        self._seconds += 1
        self._guard.tick()
        if self._draining and self._seconds - self._draining >= _DRAIN_PATIENCE:
            self.refuse_new()
        self.streams.end_slow(self._seconds)
        self._end_slow_peer()
        self._account()
        return self.streams.take()

    def _account(self) -> None:
        """Once a read is enough: it brings no more than a socket's buffer."""
        if self._note():
            self._budget.settle()

    def _note(self) -> bool:
        """Tell the budget what is kept; return whether that has changed."""
        held = self.streams.buffered + self._send_queue.held + (len(self._block[2]) if self._block else 0)
        if held == self._noted:
            return False
        self._noted = held
        self._budget.note(self, held)
        return True

    def _end_slow_peer(self) -> None:
        if not (self._unparsed or self._block or not self._is_settled):
            self._last_progress = self._seconds
        if self._seconds - self._last_progress > self._limits.patience:
            self._close(ErrorCode.ENHANCE_YOUR_CALM, "a frame or a header block that does not end")
        silence = self._seconds - self._last_byte
        if silence == self._limits.quiet:
            self._send_queue.add(frames.frame(Type.PING, 0, 0, _QUIET_PING))
        if silence > self._limits.quiet + self._limits.patience:
            self._close(ErrorCode.NO_ERROR, "nobody is there")

    def _greet(self) -> None:
        values = {
            Setting.HEADER_TABLE_SIZE: self._limits.table,
            Setting.MAX_CONCURRENT_STREAMS: self._limits.streams,
            Setting.INITIAL_WINDOW_SIZE: self.streams.stream_window,
            Setting.MAX_HEADER_LIST_SIZE: self._limits.headers,
        }
        self._send_queue.add(frames.settings(values) + frames.window_update(0, WINDOW - DEFAULT_WINDOW))

    def _close(self, code: ErrorCode, text: str) -> None:
        """End the connection and all that is on it."""
        if not self.is_closed:
            self._send_queue.add(frames.goaway(self.streams.highest, code, text))
            self.streams.end()
            self._block = None

    def _read(self, data: bytes) -> None:
        try:
            position = self._preface(data)
            if self._is_prefaced:
                position = self._frames(data, position)
            self._unparsed = data[position:]
        except ConnectionFault as fault:
            self._close(fault.code, str(fault))

    def _settle(self) -> None:
        """Send what the windows allow, once for all frames of a read: a frame must not cost a look at each stream."""
        self._must_settle = False
        if not self.is_closed:
            self.streams.answered(self._send_queue.go_on())

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
            if kind == 1 and self._block is None and self._head_reader.block_reader.is_stateless:
                after = self.streams.read_unary_requests(data, position)
                if after > position:
                    position, self._last_progress = after, self._seconds
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
                    self._guard.count()
            except StreamFault as fault:
                self._guard.count(10)
                self.streams.reset(stream, fault.code)
            position = after
            if self._block is None:
                self._last_progress = self._seconds
        return position

    def _check_order(self, kind: int, flags: int) -> None:
        if self._is_settled:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a header block is cut, or none was begun")
        if kind != Type.SETTINGS or flags & ACK:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the first frame must be SETTINGS")
        self._is_settled = True

    def _data(self, flags: int, stream: int, payload: bytes) -> None:
        size = len(payload)
        if flags & PADDED:
            payload = _unpadded(payload)
        self.streams.data(flags, stream, payload, size - len(payload))

    def _headers(self, flags: int, stream: int, payload: bytes) -> None:
        if not stream % 2:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client's streams have odd numbers")
        if flags & PADDED:
            payload = _unpadded(payload)
        if flags & PRIORITIZED:
            payload = _without_priority(stream, payload)
        if flags & END_HEADERS:
            self.streams.head(flags, stream, payload)
        else:
            self._guard.count()
            self._last_progress = self._seconds
            self._block = stream, flags, bytearray(payload)

    def _continuation(self, flags: int, stream: int, payload: bytes) -> None:
        expected, first_flags, block = self._block or (0, 0, bytearray())
        if stream != expected:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a header block goes on in another stream")
        block += payload
        self._guard.count(1 if payload else 20)
        if len(block) > self._limits.block:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many headers")
        if flags & END_HEADERS:
            self._block = None
            self.streams.head(first_flags, stream, bytes(block))

    def _priority(self, flags: int, stream: int, payload: bytes) -> None:
        self._guard.count()
        if not stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY is for a stream")
        if len(payload) != 5:
            raise StreamFault(ErrorCode.FRAME_SIZE_ERROR)
        if _dependency(payload) == stream:
            raise StreamFault(ErrorCode.PROTOCOL_ERROR)

    def _rst_stream(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM has 4 bytes")
        self.streams.check_opened(stream)
        self._guard.count(self.streams.haste(stream))
        self.streams.cancelled(stream)

    def _settings(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS are the connection's")
        if len(payload) % 6 or (flags & ACK and payload):
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS have 6 bytes each")
        self._guard.count(4 + len(payload) // _USUAL_SETTINGS)
        if flags & ACK:
            self._head_reader.block_reader.acknowledge()
            return
        windows: list[int] = []
        for key, value in frames.PAIR.iter_unpack(payload):
            if key == Setting.INITIAL_WINDOW_SIZE:
                windows.append(value)
            else:
                self._set(key, value)
        if windows:
            self._resize(windows)
        self._send_queue.add(frames.frame(Type.SETTINGS, ACK, 0))

    def _resize(self, windows: list[int]) -> None:
        """Take the windows of one frame. Data follows the ACK, so that the peer knows what it is counted against."""
        largest = max(windows)
        if largest > LARGEST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the window is too large")
        self._guard.count(len(self._send_queue.waiting) // _WAITING_PER_NOISE)
        self._send_queue.resize(windows[-1], largest)
        self._must_settle = True

    def _set(self, key: int, value: int) -> None:
        if key == Setting.ENABLE_PUSH and value > 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
        if key == Setting.MAX_FRAME_SIZE:
            if not DEFAULT_FRAME <= value <= LARGEST_FRAME:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the frame size is out of range")
            self._send_queue.frame_size = value

    def _push_promise(self, flags: int, stream: int, payload: bytes) -> None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client promises nothing")

    def _ping(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PING is the connection's")
        if len(payload) != 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "PING has 8 bytes")
        self._guard.count()
        if not flags & ACK:
            self._send_queue.add(frames.frame(Type.PING, ACK, 0, payload))
        elif payload == _DRAIN_PING and self._draining:
            self.refuse_new()

    def _goaway(self, flags: int, stream: int, payload: bytes) -> None:
        """The peer opens no more streams; those under way end as ever."""
        if stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "GOAWAY is the connection's")
        if len(payload) < 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY has 8 bytes and more")
        self._guard.count()

    def _window_update(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE has 4 bytes")
        self._guard.count()
        if stream:
            self.streams.check_opened(stream)
        increment = int.from_bytes(payload, "big") & LARGEST_WINDOW
        if not increment:
            if not stream:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a window opens by more than nothing")
            raise StreamFault(ErrorCode.PROTOCOL_ERROR)
        if not stream:
            self._send_queue.grow(increment)
            self._must_settle = True
        else:
            self.streams.open_window(stream, increment)


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
