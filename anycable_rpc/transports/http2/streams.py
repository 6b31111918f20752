"""The streams of one connection, without I/O: header blocks and data in, whole requests out; answers in, frames out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from . import frames
from .frames import (
    DEFAULT_FRAME,
    END_HEADERS,
    END_STREAM,
    LARGEST_WINDOW,
    ConnectionFault,
    ErrorCode,
    StreamFault,
    Type,
)
from .grpc_framing import PREFIX, announced_length
from .limits import FloodGuard, Limits
from .request_headers import RequestHead, RequestHeadReader, RequestLine, check_trailers
from .send_queue import SendQueue

__all__ = ["WINDOW", "Cancelled", "CompleteRequest", "StreamTable"]

WINDOW = 16 * 2**20
"""Of a connection: how many bytes of all streams' data may be on their way."""

_TINY = 256  # bytes of a DATA frame that is not the last one
_HASTY = 10  # frames that the reset of a stream is worth which has just begun
_MOST_GONE = 128  # streams that are remembered after their end, and gaps between streams
_ONE_HEADERS, _ONE_DATA = Type.HEADERS << 8 | END_HEADERS, Type.DATA << 8 | END_STREAM
_LARGEST_HIGH = DEFAULT_FRAME - 1 >> 8


class CompleteRequest(NamedTuple):
    """A whole request. `is_too_large` is one whose headers or body (but for its first bytes) were not kept."""

    stream: int
    head: RequestHead
    body: bytes
    is_too_large: bool = False


_new = tuple.__new__  # a NamedTuple's own takes twice as long


class Cancelled(NamedTuple):
    """A request whose answer nobody waits for."""

    stream: int


# of a stream whose request is whole: its headers are with the call
_NO_HEAD = RequestHead(RequestLine("", "", is_grpc=False), {}, 0)


class _Stream:
    """What most streams have not is told by the class: one is made for each call."""

    body: bytes | bytearray = b""
    kept = 0  # bytes of its headers and body, while the request is not whole
    received = 0
    is_whole = False  # the peer has sent all of it
    is_answered = False  # at least in part
    is_refused = False  # for what its headers ask; the rest is checked, but not kept

    def __init__(self, head: RequestHead, since: int) -> None:
        self.head = head
        self.since = since


class StreamTable:
    """`open` are those under way, by number; `is_over` once no more are served and the last has ended.

    Methods raise ConnectionFault and StreamFault for what a peer must not do.
    """

    def __init__(
        self,
        limits: Limits,
        out: SendQueue,
        heads: RequestHeadReader,
        noise: FloodGuard,
        serves: Callable[[RequestLine], bool],
    ) -> None:
        self.open: dict[int, _Stream] = {}
        self.highest = 0
        self.is_over = False
        self.stream_window = limits.message + PREFIX  # what a peer may send of one request
        self._limits = limits
        self._send_queue = out
        self._head_reader = heads
        self._guard = noise
        self._serves = serves
        self._events: list[CompleteRequest | Cancelled] = []
        self._last = LARGEST_WINDOW  # the highest stream that is served
        self._skipped: deque[range] = deque(maxlen=_MOST_GONE)  # numbers that no stream has had
        self._cut: dict[int, None] = {}  # those whose end the peer may not have heard of: what still comes is let pass
        self._refused: dict[int, _Stream] = {}  # answered, but the peer has not sent all: what still comes is checked
        self._window = WINDOW
        self.buffered = 0  # bytes of requests that are not whole
        self._seconds = 0

    def take(self) -> list[CompleteRequest | Cancelled]:
        """What has been asked for, and what is not wanted any more."""
        events, self._events = self._events, []
        return events

    def read_unary_requests(self, data: bytes, position: int) -> int:
        """Take requests in the shape that nearly all have: HEADERS, and at once the one DATA frame.

        Where the first begins that has another; it is read frame by frame, and so is whatever is wrong.
        """
        end, unpack, streams, add = len(data), frames.SHAPE.unpack_from, self.open, self._events.append
        read, stream, left, most = self._head_reader.read, self.highest + 2, self._window, self._limits.streams
        largest, began = min(self.stream_window, DEFAULT_FRAME), position
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
            streams[stream] = found = _Stream(_NO_HEAD, self._seconds)
            found.is_whole = True
            add(_new(CompleteRequest, (stream, head, data[middle + 9 : after], weight > self._limits.headers)))
            left -= size
            stream += 2
            position = after
        if position > began:
            self.highest, self._window = stream - 2, left
        if left < WINDOW // 2:
            self._open_window()
        return position

    def head(self, flags: int, stream: int, block: bytes) -> None:
        """A whole header block: a request's first, or its trailers."""
        if stream <= self.highest:
            self._trailers(flags, stream, block)
            return
        if stream > self.highest + 2:
            self._skipped.append(range(self.highest + 1, stream))
        self.highest = stream
        if stream > self._last or stream in self._cut:
            self._head_reader.block_reader.read(block)
            self._guard.count()
            return
        found = _Stream(self._head_reader.read(block), self._seconds)
        if len(self.open) >= self._limits.streams:
            raise StreamFault(ErrorCode.REFUSED_STREAM)
        self.open[stream] = found
        if flags & END_STREAM:
            self._end(stream, found)
        elif not self._serves(found.head.line):
            self._refuse_early(stream, found)
        else:
            self._keep(stream, found, found.head.size)

    def data(self, flags: int, stream: int, payload: bytes, padding: int) -> None:
        """A DATA frame, without its padding; `padding` bytes came with it."""
        self._window -= len(payload) + padding
        if self._window < WINDOW // 2:
            self._open_window()
        found = self._open_to_peer(stream)
        if found is None:
            self._check_ended_by_us(stream)
            return
        if found.is_whole:
            raise StreamFault(ErrorCode.STREAM_CLOSED)
        if found.received + len(payload) > self.stream_window:
            raise StreamFault(ErrorCode.FLOW_CONTROL_ERROR)
        if padding:
            self._guard.count()
            self._send_queue.add(frames.window_update(stream, padding))
        if flags & END_STREAM:
            self._end(stream, found, payload)
        elif found.is_refused:
            self._let_pass(stream, found, payload)
        else:
            self._collect(stream, found, payload)

    def cancelled(self, stream: int) -> None:
        """It has ended before its answer."""
        self._cut.pop(stream, None)
        found = self.open.get(stream)
        if found is not None:
            self._forget(stream, found)
            self._events.append(Cancelled(stream))
        elif stream in self._refused:
            self._forget_refused(stream)

    def open_window(self, stream: int, increment: int) -> None:
        """The peer takes more of one answer."""
        if stream in self.open or stream in self._refused:
            self.answered(self._send_queue.open_window(stream, increment))

    def haste(self, stream: int) -> int:
        """How many frames that ask for nothing a reset is worth: most for a call that has just begun.

        A client ends calls whose deadline has passed. One that ends them at once wants us to work for nothing.
        """
        found = self.open.get(stream)
        return _HASTY if found is not None and self._seconds - found.since <= 1 else 1

    def reset(self, stream: int, code: ErrorCode) -> None:
        """End a stream before its end."""
        self.cancelled(stream)
        _remember(self._cut, stream)
        self._send_queue.add(frames.reset(stream, code))

    def check_opened(self, stream: int) -> None:
        """Nothing, if there is or was such a stream.

        Raises:
            ConnectionFault: there was none.
        """
        if not stream % 2 or stream > self.highest:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the stream was never opened")

    def respond(self, stream: int, headers: bytes, data: bytes, trailers: bytes | None) -> None:
        """See `H2Connection.respond`."""
        found = self.open.get(stream)
        if found is None:
            return
        if trailers and not found.is_answered and self._send_queue.answer(stream, headers, data, trailers):
            self._finish(stream, found)
            return
        if not found.is_answered:
            found.is_answered = True
            found.since = self._seconds
            self._send_queue.headers(stream, headers)
        if self._send_queue.send(stream, data, trailers):
            self._finish(stream, found)

    def refuse(self, stream: int, headers: bytes) -> None:
        """See `H2Connection.refuse`."""
        found = self.open.get(stream)
        if found is not None:
            self._send_queue.headers(stream, headers, END_STREAM)
            self._finish(stream, found)

    def answered(self, streams: list[int]) -> None:
        """The last of their answers has left."""
        for stream in streams:
            self._finish(stream, self.open[stream])

    def refuse_new(self) -> None:
        """Serve none above those seen."""
        if self._last == LARGEST_WINDOW and not self.is_over:
            self._last = self.highest
            self._send_queue.add(frames.goaway(self._last, ErrorCode.NO_ERROR))
        self.is_over = self.is_over or not self.open

    def end(self) -> None:
        """Cancel all; no more are served."""
        for stream in list(self.open):
            self.cancelled(stream)
        self.is_over = True

    def end_slow(self, seconds: int) -> None:
        """End those that wait for the peer for too long; `seconds` are those since the connection began."""
        self._seconds = seconds
        for stream, found in list(self.open.items()):
            waits_for_peer = not found.is_whole or stream in self._send_queue.waiting
            if waits_for_peer and self._seconds - found.since > self._limits.patience:
                self.reset(stream, ErrorCode.CANCEL)

    def _open_window(self) -> None:
        if self._window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more data than the connection's window")
        self._send_queue.add(frames.window_update(0, WINDOW - self._window))
        self._window = WINDOW

    def _open_to_peer(self, stream: int) -> _Stream | None:
        """The stream, if what the peer sends on it matters."""
        return None if stream in self._cut else self.open.get(stream) or self._refused.get(stream)

    def _check_ended_by_us(self, stream: int) -> None:
        """What still comes for such a stream is let pass.

        Raises:
            ConnectionFault: there was no such stream, or the peer itself has ended it.
        """
        self._guard.count()
        if stream > self._last or stream in self._cut:
            return
        self.check_opened(stream)
        raise ConnectionFault(ErrorCode.STREAM_CLOSED, "the stream has ended")

    def _trailers(self, flags: int, stream: int, block: bytes) -> None:
        fields = self._head_reader.block_reader.read(block)
        found = self._open_to_peer(stream)
        if found is None:
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

    def _collect(self, stream: int, found: _Stream, payload: bytes) -> None:
        if len(payload) < _TINY:
            self._guard.count()
        found.received += len(payload)
        if not found.body:
            found.body = bytearray()
        found.body += payload
        self._keep(stream, found, len(payload))

    def _keep(self, stream: int, found: _Stream, size: int) -> None:
        found.kept += size
        self.buffered += size
        if self.buffered > self._limits.buffered or _announced(found) > self._limits.message:
            self._give_up(stream, found)

    def _refuse_early(self, stream: int, found: _Stream) -> None:
        """Let it be answered at once: the peer may never end its request."""
        found.is_refused = True
        self._events.append(CompleteRequest(stream, found.head, b"", is_too_large=True))
        found.head = _NO_HEAD._replace(length=found.head.length)

    def _let_pass(self, stream: int, found: _Stream, payload: bytes) -> None:
        """Take data that nobody wants; when half of the window is gone, end the stream: no window follows."""
        if len(payload) < _TINY:
            self._guard.count()
        found.received += len(payload)
        if found.received > self.stream_window // 2:
            if stream in self._refused:
                self._forget_refused(stream)
                self._send_queue.add(frames.reset(stream, ErrorCode.NO_ERROR))
            _remember(self._cut, stream)

    def _forget_refused(self, stream: int) -> None:
        del self._refused[stream]
        self._send_queue.forget(stream)

    def shed_largest(self) -> bool:
        """Refuse the request, or cut the answer, that keeps most bytes; False when none keeps any."""
        sizes = ((found.kept + self._send_queue.waits(stream), stream) for stream, found in self.open.items())
        size, stream = max(sizes, default=(0, 0))
        if size:
            found = self.open[stream]
            if found.kept:
                self._give_up(stream, found)
            else:
                self.reset(stream, ErrorCode.ENHANCE_YOUR_CALM)
        return bool(size)

    def _give_up(self, stream: int, found: _Stream) -> None:
        """Let it be answered at once; the rest of the request is not wanted."""
        beginning = bytes(found.body[:PREFIX])
        self._release(found)
        found.is_whole = True
        _remember(self._cut, stream)
        self._events.append(CompleteRequest(stream, found.head, beginning, is_too_large=True))
        found.head = _NO_HEAD

    def _release(self, found: _Stream) -> None:
        self.buffered -= found.kept
        found.kept = 0
        found.body = b""

    def _end(self, stream: int, found: _Stream, payload: bytes = b"") -> None:
        body = bytes(found.body + payload) if found.body else payload
        self._release(found)
        head = found.head
        if head.length is not None and head.length != found.received + len(payload):
            raise StreamFault(ErrorCode.PROTOCOL_ERROR)
        found.is_whole = True
        if found.is_refused:
            if stream in self._refused:
                self._forget_refused(stream)
            return
        self._events.append(CompleteRequest(stream, head, body, head.size > self._limits.headers))
        found.head = _NO_HEAD

    def _finish(self, stream: int, found: _Stream) -> None:
        """The answer has left; what the peer still sends of the request is not wanted."""
        self._guard.call_answered()
        if found.is_refused and not found.is_whole and stream not in self._cut and len(self._refused) < _MOST_GONE:
            self._refused[stream] = found
        elif not found.is_whole or stream in self._cut:
            self._send_queue.add(frames.reset(stream, ErrorCode.NO_ERROR))
            _remember(self._cut, stream)
        self._forget(stream, found)

    def _forget(self, stream: int, found: _Stream) -> None:
        del self.open[stream]
        if stream not in self._refused:
            self._send_queue.forget(stream)
        if found.kept:
            self._release(found)
        if self._last != LARGEST_WINDOW and not self.open:
            self.is_over = True


def _remember(streams: dict[int, None], stream: int) -> None:
    if len(streams) >= _MOST_GONE:
        del streams[next(iter(streams))]
    streams[stream] = None


def _announced(found: _Stream) -> int:
    """How long the message says it is."""
    return announced_length(found.body) if found.head.line.is_grpc else 0
