"""The streams of one connection, without I/O: from the first header to the end of the answer.

`incoming_requests` reads requests into this table; the answers leave through the `SendQueue`.
"""

from __future__ import annotations

from . import frames
from .closed_streams import ClosedStreams
from .events import Cancelled, Event
from .frames import END_STREAM, LARGEST_WINDOW, ConnectionFault, ErrorCode
from .grpc_framing import PREFIX
from .limits import FloodGuard, Limits
from .open_stream import OpenStream
from .send_queue import SendQueue

__all__ = ["StreamTable"]

_EARLY_RESET = 10  # unproductive frames that the reset of a stream counts as, when the stream has just begun


class StreamTable:
    """The table of a connection's streams.

    `open` has those under way, by number. `last_served` is the highest stream that is served: all of them, until the
    connection drains. `is_over` is True once no more are served and the last has ended. `buffered` counts the bytes of
    incomplete requests. `events` has what happened since the last `take_events`.
    """

    def __init__(self, limits: Limits, send_queue: SendQueue, guard: FloodGuard) -> None:
        self.open: dict[int, OpenStream] = {}
        self.closed = ClosedStreams()
        self.highest = 0
        self.last_served = LARGEST_WINDOW
        self.is_over = False
        self.stream_window = limits.message + PREFIX  # what a peer may send of one request
        self.buffered = 0
        self.seconds = 0
        self.events: list[Event] = []
        self._limits = limits
        self._send_queue = send_queue
        self._guard = guard

    def take_events(self) -> list[Event]:
        """Return the requests that are complete and the streams that were cancelled, in order."""
        events, self.events = self.events, []
        return events

    def check_opened(self, stream: int) -> None:
        """Pass if the peer has opened this stream, whether it has ended or not.

        Raises:
            ConnectionFault: there was never such a stream.
        """
        if not stream % 2 or stream > self.highest:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the stream was never opened")

    def cancel(self, stream: int) -> None:
        """End a stream before its answer is complete, without a frame."""
        # after the peer's own reset, further frames are an error again; our `reset` adds the stream once more
        self.closed.cut.pop(stream, None)
        found = self.open.get(stream)
        if found is not None:
            self._forget(stream, found)
            self.events.append(Cancelled(stream))
        elif stream in self.closed.refused:
            self.forget_refused(stream)

    def reset(self, stream: int, code: ErrorCode) -> None:
        """End a stream before its answer is complete, and tell the peer."""
        self.cancel(stream)
        self.closed.add_cut(stream)
        self._send_queue.add(frames.reset(stream, code))

    def reset_weight(self, stream: int) -> int:
        """Return how many unproductive frames the peer's reset of this stream counts as.

        Honest clients reset calls whose deadline has passed. A client that resets calls as soon as it has made them
        wants the server to work for nothing (rapid reset, CVE-2023-44487), so an early reset counts more.
        """
        found = self.open.get(stream)
        return _EARLY_RESET if found is not None and self.seconds - found.since <= 1 else 1

    def open_window(self, stream: int, increment: int) -> None:
        """Send more of one answer: the peer takes `increment` bytes more."""
        if stream in self.open or stream in self.closed.refused:
            self.finish(self._send_queue.open_window(stream, increment))

    def respond(self, stream: int, headers: bytes, data: bytes, trailers: bytes | None) -> None:
        """Send an answer or a part of one: see `H2Connection.respond`."""
        found = self.open.get(stream)
        if found is None:
            return
        # fast path: nearly all answers are sent whole, in three frames written at once
        if trailers and not found.is_answered and self._send_queue.answer(stream, headers, data, trailers):
            self._finish(stream, found)
            return
        if not found.is_answered:
            found.is_answered = True
            found.since = self.seconds
            self._send_queue.headers(stream, headers)
        if self._send_queue.send(stream, data, trailers):
            self._finish(stream, found)

    def refuse(self, stream: int, headers: bytes) -> None:
        """Answer with headers alone: see `H2Connection.refuse`."""
        found = self.open.get(stream)
        if found is not None:
            self._send_queue.headers(stream, headers, END_STREAM)
            self._finish(stream, found)

    def finish(self, streams: list[int]) -> None:
        """End streams whose answers have been sent completely."""
        for stream in streams:
            self._finish(stream, self.open[stream])

    def refuse_new(self) -> None:
        """Serve no stream above those seen so far."""
        if self.last_served == LARGEST_WINDOW and not self.is_over:
            self.last_served = self.highest
            self._send_queue.add(frames.goaway(self.last_served, ErrorCode.NO_ERROR))
        self.is_over = self.is_over or not self.open

    def cancel_all(self) -> None:
        """End all streams, and serve no more."""
        for stream in list(self.open):
            self.cancel(stream)
        self.is_over = True

    def reset_slow(self, seconds: int) -> None:
        """Reset streams that have waited for the peer for too long; `seconds` is the age of the connection."""
        self.seconds = seconds
        for stream, found in list(self.open.items()):
            # a stream that waits for the app is left alone: calls have deadlines, and a Watch may last for days
            waits_for_peer = not found.is_complete or stream in self._send_queue.waiting
            if waits_for_peer and self.seconds - found.since > self._limits.patience:
                self.reset(stream, ErrorCode.CANCEL)

    def release(self, found: OpenStream) -> None:
        """Drop what is kept of an incomplete request."""
        self.buffered -= found.kept
        found.kept = 0
        found.body = b""

    def forget_refused(self, stream: int) -> None:
        """Stop checking the frames of a refused stream."""
        del self.closed.refused[stream]
        self._send_queue.forget(stream)

    def _finish(self, stream: int, found: OpenStream) -> None:
        """End a stream whose answer has been sent; the peer may still be sending its request."""
        self._guard.call_answered()
        if not found.is_complete or stream in self.closed.cut:
            self._stop_reading(stream, found)
        self._forget(stream, found)

    def _stop_reading(self, stream: int, found: OpenStream) -> None:
        # NO_ERROR says that the answer is complete, and that the rest of the request is not needed (RFC 9113, 8.1)
        if not self.closed.add_refused(stream, found):
            self._send_queue.add(frames.reset(stream, ErrorCode.NO_ERROR))
            self.closed.add_cut(stream)

    def _forget(self, stream: int, found: OpenStream) -> None:
        del self.open[stream]
        if stream not in self.closed.refused:  # its windows are still checked
            self._send_queue.forget(stream)
        if found.kept:
            self.release(found)
        if self.last_served != LARGEST_WINDOW and not self.open:
            self.is_over = True
