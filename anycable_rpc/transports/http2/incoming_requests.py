"""Requests as they come in: header blocks and data are put together until a request is complete.

Frames of streams that have ended are ignored or refused here, by the rules of `closed_streams`.
"""

from __future__ import annotations

from collections.abc import Callable

from . import frames
from .events import CompleteRequest
from .frames import (
    DEFAULT_FRAME,
    END_HEADERS,
    END_STREAM,
    HEADER,
    SHAPE,
    ConnectionFault,
    ErrorCode,
    StreamFault,
    Type,
)
from .grpc_framing import PREFIX
from .limits import FloodGuard, Limits
from .open_stream import NO_HEAD, OpenStream
from .request_headers import RequestHeadReader, RequestLine, check_trailers
from .send_queue import SendQueue
from .streams import StreamTable

__all__ = ["WINDOW", "IncomingRequests"]

WINDOW = 16 * 2**20
"""The window of a connection: how many bytes of all streams' data may be on their way."""

_TINY = 256  # bytes: a DATA frame below that, and not the last, costs more than it brings
_WHOLE_HEADERS = Type.HEADERS << 8 | END_HEADERS  # type and flags as `SHAPE` reads them
_LAST_DATA = Type.DATA << 8 | END_STREAM
_LARGEST_HIGH = DEFAULT_FRAME - 1 >> 8  # of a frame below the largest: the upper 16 bits of its size
_new = tuple.__new__  # fast path: a NamedTuple's own constructor takes twice as long


class IncomingRequests:
    """Fill a `StreamTable` with requests. Methods raise ConnectionFault and StreamFault for what a peer must not do.

    Args:
        serves: whether a request will be served, known from its first line. One that is not is answered at once.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        streams: StreamTable,
        send_queue: SendQueue,
        heads: RequestHeadReader,
        guard: FloodGuard,
        serves: Callable[[RequestLine], bool],
    ) -> None:
        self._limits = limits
        self._streams = streams
        self._open = streams.open
        self._closed = streams.closed
        self._cut = streams.closed.cut
        self._send_queue = send_queue
        self._heads = heads
        self._guard = guard
        self._serves = serves
        self._window = WINDOW

    def read_unary_requests(self, data: bytes, position: int) -> int:
        """Read requests of the usual shape, and return where the first frame of another shape begins.

        This is the fast path. A unary call is one HEADERS frame with the whole header block, directly followed by one
        DATA frame that ends the stream. Nearly all requests of gRPC clients are that, and many come in one read. Taken
        together, two frames need no dispatch, no reassembly and no accounting of partial requests: 1.9 instead of 3.5
        microseconds a call.
        """
        # Locals instead of attributes: each is read once for each call. The two headers are unpacked in place, because
        # a function for that would add 6 % to the time.
        end, header_size, unpack = len(data), HEADER.size, SHAPE.unpack_from
        streams, open_streams, cut, read = self._streams, self._open, self._cut, self._heads.read
        add, most, room = streams.events.append, self._limits.streams, end - 2 * header_size
        stream, left, largest = streams.highest + 2, self._window, min(streams.stream_window, DEFAULT_FRAME)
        # It may stop at any request and for any doubt (another shape, a limit, an error): nothing has been changed for
        # that request yet. The slow path reads it again, frame by frame, and finds out what is wrong. Even the header
        # block can be read twice, because the caller has checked that there is no table that it could change.
        while position <= room and stream <= streams.last_served and left > largest and len(open_streams) < most:
            high, low, shape, number = unpack(data, position)
            middle = position + header_size + (high << 8 | low)
            if shape != _WHOLE_HEADERS or number != stream or high > _LARGEST_HIGH or middle + header_size > end:
                break
            high, low, shape, number = unpack(data, middle)
            size = high << 8 | low
            after = middle + header_size + size
            if shape != _LAST_DATA or number != stream or size > largest or after > end or stream in cut:
                break
            try:
                head = read(data[position + header_size : middle])
            except (ConnectionFault, StreamFault):
                break
            _, _, weight, length = head
            if length is not None:  # a content-length must be checked
                break
            open_streams[stream] = found = OpenStream(NO_HEAD, streams.seconds)
            found.is_complete = True
            body = data[middle + header_size : after]
            add(_new(CompleteRequest, (stream, head, body, weight > self._limits.headers)))
            left -= size
            stream += 2
            position = after
        # These two are written back once, for all requests: nothing reads them in between.
        streams.highest, self._window = stream - 2, left
        if left < WINDOW // 2:
            self._open_window()
        return position

    def receive_headers(self, flags: int, stream: int, block: bytes) -> None:
        """Take a whole header block: the headers of a new request, or the trailers of an open one."""
        streams = self._streams
        if stream <= streams.highest:
            self._receive_trailers(flags, stream, block)
            return
        if stream > streams.highest + 2:
            self._closed.skipped.append(range(streams.highest + 1, stream))
        streams.highest = stream
        if stream > streams.last_served or stream in self._cut:
            self._heads.block_reader.read(block)  # the block may change the table that later ones refer to
            self._guard.count()
            return
        found = OpenStream(self._heads.read(block), streams.seconds)
        if len(self._open) >= self._limits.streams:
            raise StreamFault(ErrorCode.REFUSED_STREAM)
        self._open[stream] = found
        if flags & END_STREAM:
            self._complete(stream, found)
        elif not self._serves(found.head.line):
            self._refuse_early(stream, found)
        else:
            self._keep(stream, found, found.head.size)

    def receive_data(self, flags: int, stream: int, payload: bytes, padding: int) -> None:
        """Take the payload of a DATA frame, without its padding; `padding` is the number of bytes that it took."""
        self._window -= len(payload) + padding
        if self._window < WINDOW // 2:
            self._open_window()
        found = self._find(stream)
        if found is None:
            self._check_late(stream)
            return
        if found.is_complete:
            raise StreamFault(ErrorCode.STREAM_CLOSED)
        if found.received + len(payload) > self._streams.stream_window:
            raise StreamFault(ErrorCode.FLOW_CONTROL_ERROR)
        if padding:  # the window is as large as the largest message: bytes that are not of it are given back
            self._guard.count()
            self._send_queue.add(frames.window_update(stream, padding))
        if flags & END_STREAM:
            self._complete(stream, found, payload)
        elif found.is_refused:
            self._discard(stream, found, payload)
        else:
            self._collect(stream, found, payload)

    def shed_largest(self) -> bool:
        """Refuse the request or cut the answer that keeps the most bytes; return False if none keeps any."""
        sizes = ((found.kept + self._send_queue.waits(stream), stream) for stream, found in self._open.items())
        size, stream = max(sizes, default=(0, 0))
        if size:
            found = self._open[stream]
            if found.kept:
                self._refuse_too_large(stream, found)
            else:
                self._streams.reset(stream, ErrorCode.ENHANCE_YOUR_CALM)
        return bool(size)

    def _open_window(self) -> None:
        if self._window < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more data than the connection's window")
        self._send_queue.add(frames.window_update(0, WINDOW - self._window))
        self._window = WINDOW

    def _find(self, stream: int) -> OpenStream | None:
        """Return the stream if its frames are still read."""
        return None if stream in self._cut else self._open.get(stream) or self._closed.refused.get(stream)

    def _check_late(self, stream: int) -> None:
        """Ignore a frame of a stream that ended on our side.

        Raises:
            ConnectionFault: the stream was never opened, or ended on the peer's side.
        """
        self._guard.count()
        if stream > self._streams.last_served or stream in self._cut:
            return
        self._streams.check_opened(stream)
        raise ConnectionFault(ErrorCode.STREAM_CLOSED, "the stream has ended")

    def _receive_trailers(self, flags: int, stream: int, block: bytes) -> None:
        fields = self._heads.block_reader.read(block)
        found = self._find(stream)
        if found is None:
            self._closed.check_not_skipped(stream)
            self._check_late(stream)
            return
        if found.is_complete:
            raise StreamFault(ErrorCode.STREAM_CLOSED)
        check_trailers(fields)
        if not flags & END_STREAM:
            raise StreamFault(ErrorCode.PROTOCOL_ERROR)
        self._complete(stream, found)

    def _collect(self, stream: int, found: OpenStream, payload: bytes) -> None:
        if len(payload) < _TINY:
            self._guard.count()
        found.received += len(payload)
        if not found.body:
            found.body = bytearray()
        found.body += payload
        self._keep(stream, found, len(payload))

    def _keep(self, stream: int, found: OpenStream, size: int) -> None:
        found.kept += size
        self._streams.buffered = buffered = self._streams.buffered + size
        # the message's own prefix says early how long it will be: no need to collect one that is too large
        if buffered > self._limits.buffered or found.announced > self._limits.message:
            self._refuse_too_large(stream, found)

    def _refuse_early(self, stream: int, found: OpenStream) -> None:
        """Hand over a request that nobody serves before its end: a streaming call may never end its request."""
        found.is_refused = True
        self._streams.events.append(CompleteRequest(stream, found.head, b"", is_too_large=True))
        found.head = NO_HEAD._replace(length=found.head.length)

    def _refuse_too_large(self, stream: int, found: OpenStream) -> None:
        """Hand over a request before its end, marked as too large, and ignore the rest of it."""
        beginning = bytes(found.body[:PREFIX])
        self._streams.release(found)
        found.is_complete = True
        self._closed.add_cut(stream)
        self._streams.events.append(CompleteRequest(stream, found.head, beginning, is_too_large=True))
        found.head = NO_HEAD

    def _discard(self, stream: int, found: OpenStream, payload: bytes) -> None:
        """Count data of a refused request. It gets no new window, so after half of it the stream is cut."""
        if len(payload) < _TINY:
            self._guard.count()
        found.received += len(payload)
        if found.received > self._streams.stream_window // 2:
            if stream in self._closed.refused:
                self._streams.forget_refused(stream)
                self._send_queue.add(frames.reset(stream, ErrorCode.NO_ERROR))
            self._closed.add_cut(stream)

    def _complete(self, stream: int, found: OpenStream, payload: bytes = b"") -> None:
        body = bytes(found.body + payload) if found.body else payload
        self._streams.release(found)
        head = found.head
        if head.length is not None and head.length != found.received + len(payload):
            raise StreamFault(ErrorCode.PROTOCOL_ERROR)
        found.is_complete = True
        if found.is_refused:
            if stream in self._closed.refused:
                self._streams.forget_refused(stream)
            return
        self._streams.events.append(CompleteRequest(stream, head, body, head.size > self._limits.headers))
        found.head = NO_HEAD
