"""The server's side of one HTTP/2 connection, without I/O: bytes in, requests out; answers in, bytes out.

Whatever a peer sends ends in requests, in the end of a stream or in GOAWAY, never in an exception.
"""

from __future__ import annotations

from collections.abc import Callable

from . import frames
from .budget import Budget
from .control_frames import ControlFrames
from .events import Event
from .frames import (
    ACK,
    DEFAULT_FRAME,
    DEFAULT_WINDOW,
    END_HEADERS,
    HEADER,
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
from .incoming_requests import WINDOW, IncomingRequests
from .limits import FloodGuard, Limits
from .request_headers import RequestHeadReader, RequestLine
from .send_queue import SendQueue
from .streams import StreamTable

__all__ = ["H2Connection"]

_SILENCE_PING = b"are you?"
_DRAIN_PATIENCE = 5  # seconds for the peer's sign that it has read the first GOAWAY
_STREAM_FAULT = 10  # unproductive frames that a broken rule on a stream counts as
_EMPTY_CONTINUATION = 20  # the same for a frame that adds nothing to a header block
_HEADERS, _CONTINUATION = Type.HEADERS, Type.CONTINUATION


class H2Connection:
    """A connection. Call `receive` with bytes, write what `take` returns, and call `tick` each second.

    Args:
        limits: what this peer may ask for.
        budget: counts the bytes that all connections keep.
        serves: whether a request will be served, known from its first line. One that is not is handed over at once.
    """

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
        self._guard = guard = FloodGuard(self._limits)
        heads = RequestHeadReader(self._limits.headers, self._limits.table)
        self._blocks = heads.block_reader
        self.streams = StreamTable(self._limits, self._send_queue, guard)
        self._requests = IncomingRequests(
            limits=self._limits,
            streams=self.streams,
            send_queue=self._send_queue,
            heads=heads,
            guard=guard,
            serves=serves,
        )
        self._control = control = ControlFrames(self.streams, self._send_queue, heads.block_reader, guard)
        self._unparsed = b""
        self._is_prefaced = False
        self._is_settled = False  # the peer's first settings have come
        self._block: tuple[int, int, bytearray] | None = None  # an incomplete header block: stream, flags, bytes
        self._seconds = 0
        self._last_byte = 0  # the second in which something came
        self._last_progress = 0  # the second in which a frame or a header block was complete
        self._drained_at = 0
        self._handlers: tuple[Callable[[int, int, bytes], None], ...] = (  # by the type of the frame
            *(self._data, self._headers, control.priority, control.rst_stream, control.settings),
            *(control.push_promise, control.ping, control.goaway, control.window_update, self._continuation),
        )
        self._greet()

    @property
    def is_closed(self) -> bool:
        """Return whether the bytes left to write are the last ones."""
        return self.streams.is_over

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes from the peer; return the requests that are complete now, and the streams that were cancelled."""
        if self.streams.is_over:
            return []
        self._last_byte = self._seconds
        self._read(self._unparsed + data if self._unparsed else data)
        if self._control.must_settle:
            self._settle()
        if self.streams.buffered or self._noted or self._block:
            self._account()
        return self.streams.take_events()

    def respond(self, stream: int, headers: bytes, data: bytes, trailers: bytes | None) -> None:
        """Send an answer: a header block, data, and trailers. A stream that is gone is no error.

        `trailers=None` means that more data will follow; `b""` ends the answer with this data. The headers are sent
        with the first data only.
        """
        self.streams.respond(stream, headers, data, trailers)
        if self._send_queue.held:
            if self._send_queue.held > self._limits.buffered:
                self._close(ErrorCode.ENHANCE_YOUR_CALM, "too many bytes of answers are not read")
            self._account()

    def refuse(self, stream: int, headers: bytes) -> None:
        """Answer with headers alone, or end an answer with them."""
        self.streams.refuse(stream, headers)

    def shed(self) -> None:
        """Keep fewer bytes: the budget of all connections is used up, and this one keeps the most."""
        if not self._requests.shed_largest():
            self._close(ErrorCode.ENHANCE_YOUR_CALM, "a header block takes too much memory")
        self._note()

    def abandon(self) -> None:
        """Drop everything: the peer has gone."""
        self.streams.cancel_all()
        self._block = None
        self._note()

    def take(self) -> bytes:
        """Return the bytes to write now."""
        return self._send_queue.take()

    def drain(self) -> None:
        """Tell the peer that the connection is to end; streams that are on their way are served (RFC 9113, 6.8)."""
        if not self._control.is_draining and not self.is_closed:
            self._drained_at = self._seconds
            self._control.announce_drain()

    def refuse_new(self) -> None:
        """Refuse new streams, and close when the open ones have ended."""
        self.streams.refuse_new()

    def tick(self) -> list[Event]:
        """Apply the time limits; call this each second. Return the streams that were cancelled."""
        if self.is_closed:
            return []
        self._seconds += 1
        self._guard.tick()
        if self._control.is_draining and self._seconds - self._drained_at > _DRAIN_PATIENCE:
            self.refuse_new()
        self.streams.reset_slow(self._seconds)
        self._end_slow_peer()
        self._account()
        return self.streams.take_events()

    def _account(self) -> None:
        """Tell the budget what is kept. Once a read is enough: it brings no more than a socket's buffer."""
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
        # progress is a whole frame or block, not a byte: a peer that sends a byte now and then does not stay
        if not (self._unparsed or self._block or not self._is_settled):
            self._last_progress = self._seconds
        if self._seconds - self._last_progress > self._limits.patience:
            self._close(ErrorCode.ENHANCE_YOUR_CALM, "a frame or a header block takes too long")
        silence = self._seconds - self._last_byte
        if silence == self._limits.quiet:
            self._send_queue.add(frames.frame(Type.PING, 0, 0, _SILENCE_PING))
        if silence > self._limits.quiet + self._limits.patience:
            self._close(ErrorCode.NO_ERROR, "no answer to a PING")

    def _greet(self) -> None:
        values = {
            Setting.HEADER_TABLE_SIZE: self._limits.table,
            Setting.MAX_CONCURRENT_STREAMS: self._limits.streams,
            Setting.INITIAL_WINDOW_SIZE: self.streams.stream_window,
            Setting.MAX_HEADER_LIST_SIZE: self._limits.headers,
        }
        self._send_queue.add(frames.settings(values) + frames.window_update(0, WINDOW - DEFAULT_WINDOW))

    def _close(self, code: ErrorCode, reason: str) -> None:
        """End the connection and all its streams."""
        if not self.is_closed:
            self._send_queue.add(frames.goaway(self.streams.highest, code, reason))
            self.streams.cancel_all()
            self._block = None

    def _read(self, data: bytes) -> None:
        try:
            position = self._read_preface(data)
            if self._is_prefaced:
                position = self._read_frames(data, position)
            self._unparsed = data[position:]
        except ConnectionFault as fault:
            self._close(fault.code, str(fault))

    def _settle(self) -> None:
        """Send what the windows allow. Once for all frames of a read: a frame must not cost a look at each stream."""
        self._control.must_settle = False
        if not self.is_closed:
            self.streams.finish(self._send_queue.go_on())

    def _read_preface(self, data: bytes) -> int:
        if self._is_prefaced:
            return 0
        if data[: len(PREFACE)] != PREFACE[: len(data)]:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the client does not speak HTTP/2")
        self._is_prefaced = len(data) >= len(PREFACE)
        return len(PREFACE) if self._is_prefaced else 0

    def _read_frames(self, data: bytes, position: int) -> int:
        """Handle all complete frames; return where the rest begins."""
        end, unpack, header_size = len(data), HEADER.unpack_from, HEADER.size
        handlers, known, streams = self._handlers, len(self._handlers), self.streams
        while position + header_size <= end and not streams.is_over:
            high, low, kind, flags, stream = unpack(data, position)
            if kind == _HEADERS and self._block is None and self._blocks.is_stateless:
                after = self._requests.read_unary_requests(data, position)
                if after > position:
                    position, self._last_progress = after, self._seconds
                    continue
            size = high << 8 | low
            if size > DEFAULT_FRAME:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "the frame is too large")
            after = position + header_size + size
            if after > end:
                break
            # one check for the usual case: a CONTINUATION exactly while a header block is incomplete
            if (self._block is not None) is not (kind == _CONTINUATION) or not self._is_settled:
                self._check_order(kind, flags)
            stream &= LARGEST_WINDOW  # the highest bit is reserved
            try:
                if kind < known:
                    handlers[kind](flags, stream, data[position + header_size : after])
                else:
                    self._guard.count()  # a frame of an unknown type is ignored (RFC 9113, 5.5)
            except StreamFault as fault:
                self._guard.count(_STREAM_FAULT)
                streams.reset(stream, fault.code)
            position = after
            if self._block is None:
                self._last_progress = self._seconds
        return position

    def _check_order(self, kind: int, flags: int) -> None:
        if self._is_settled:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a header block is interrupted, or CONTINUATION has none")
        if kind != Type.SETTINGS or flags & ACK:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the first frame must be SETTINGS")
        self._is_settled = True

    def _data(self, flags: int, stream: int, payload: bytes) -> None:
        size = len(payload)
        if flags & PADDED:
            payload = frames.strip_padding(payload)
        self._requests.receive_data(flags, stream, payload, size - len(payload))

    def _headers(self, flags: int, stream: int, payload: bytes) -> None:
        if not stream % 2:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client's streams must have odd numbers")
        if flags & PADDED:
            payload = frames.strip_padding(payload)
        if flags & PRIORITIZED:
            payload = frames.strip_priority(stream, payload)
        if flags & END_HEADERS:
            self._requests.receive_headers(flags, stream, payload)
        else:
            self._guard.count()
            self._last_progress = self._seconds
            self._block = stream, flags, bytearray(payload)

    def _continuation(self, flags: int, stream: int, payload: bytes) -> None:
        expected, first_flags, block = self._block or (0, 0, bytearray())
        if stream != expected:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "CONTINUATION on another stream")
        block += payload
        self._guard.count(1 if payload else _EMPTY_CONTINUATION)
        if len(block) > self._limits.block:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "the headers are too large")
        if flags & END_HEADERS:
            self._block = None
            self._requests.receive_headers(first_flags, stream, bytes(block))
