"""Frames that carry no request: settings, windows, pings, resets, and what a server ignores (RFC 9113, section 6)."""

from __future__ import annotations

from . import frames
from .frames import (
    ACK,
    DEFAULT_FRAME,
    LARGEST_FRAME,
    LARGEST_WINDOW,
    ConnectionFault,
    ErrorCode,
    Setting,
    StreamFault,
    Type,
)
from .header_blocks import BlockReader
from .limits import FloodGuard
from .send_queue import SendQueue
from .streams import StreamTable

__all__ = ["ControlFrames"]

_DRAIN_PING = b"draining"
_USUAL_SETTINGS = 60  # bytes of ten settings: an honest client has no more to say at once
_WAITING_PER_FRAME = 16  # waiting streams that count as one unproductive frame: a new window makes work for each


class ControlFrames:
    """Check and apply control frames. Methods raise ConnectionFault and StreamFault for what a peer must not do.

    Each frame is counted by the guard, because a client that only sends such frames makes work without asking for
    anything. `is_draining` is True once the peer was told that the connection ends. `must_settle` is True while a
    window has opened for streams that may wait.
    """

    def __init__(
        self, streams: StreamTable, send_queue: SendQueue, block_reader: BlockReader, guard: FloodGuard
    ) -> None:
        self.is_draining = False
        self.must_settle = False
        self._streams = streams
        self._send_queue = send_queue
        self._block_reader = block_reader
        self._guard = guard

    def announce_drain(self) -> None:
        """Tell the peer that the connection will end, and ask for a sign that it has read that (RFC 9113, 6.8)."""
        self.is_draining = True
        self._send_queue.add(frames.goaway(LARGEST_WINDOW, ErrorCode.NO_ERROR))
        self._send_queue.add(frames.frame(Type.PING, 0, 0, _DRAIN_PING))

    def priority(self, flags: int, stream: int, payload: bytes) -> None:
        """Check a PRIORITY frame, and ignore it."""
        self._guard.count()
        if not stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY on stream 0")
        if len(payload) != 5:
            raise StreamFault(ErrorCode.FRAME_SIZE_ERROR)
        if frames.dependency(payload) == stream:
            raise StreamFault(ErrorCode.PROTOCOL_ERROR)

    def rst_stream(self, flags: int, stream: int, payload: bytes) -> None:
        """Cancel a stream."""
        if len(payload) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM must have 4 bytes")
        self._streams.check_opened(stream)
        self._guard.count(self._streams.reset_weight(stream))
        self._streams.cancel(stream)

    def settings(self, flags: int, stream: int, payload: bytes) -> None:
        """Apply the peer's settings and acknowledge them, or note that it has ours."""
        if stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream")
        if len(payload) % frames.PAIR.size or (flags & ACK and payload):
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS must have 6 bytes each, and an ACK none")
        self._guard.count(4 + len(payload) // _USUAL_SETTINGS)
        if flags & ACK:
            self._block_reader.acknowledge()
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

    def push_promise(self, flags: int, stream: int, payload: bytes) -> None:
        """Refuse a PUSH_PROMISE: only servers may send it."""
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE from a client")

    def ping(self, flags: int, stream: int, payload: bytes) -> None:
        """Answer a PING. The answer to our own during a drain says that the peer knows of the end."""
        if stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PING on a stream")
        if len(payload) != 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "PING must have 8 bytes")
        self._guard.count()
        if not flags & ACK:
            self._send_queue.add(frames.frame(Type.PING, ACK, 0, payload))
        elif payload == _DRAIN_PING and self.is_draining:
            self._streams.refuse_new()

    def goaway(self, flags: int, stream: int, payload: bytes) -> None:
        """Check a GOAWAY frame: the peer opens no more streams, and those under way are served to their end."""
        if stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream")
        if len(payload) < 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY must have at least 8 bytes")
        self._guard.count()

    def window_update(self, flags: int, stream: int, payload: bytes) -> None:
        """Let more of an answer, or of all answers, be sent."""
        if len(payload) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE must have 4 bytes")
        self._guard.count()
        if stream:
            self._streams.check_opened(stream)
        increment = int.from_bytes(payload, "big") & LARGEST_WINDOW
        if not increment:
            if not stream:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE increment is 0")
            raise StreamFault(ErrorCode.PROTOCOL_ERROR)
        if not stream:
            self._send_queue.grow(increment)
            self.must_settle = True
        else:
            self._streams.open_window(stream, increment)

    def _resize(self, windows: list[int]) -> None:
        """Take the windows of one SETTINGS frame: each is checked, the last one counts.

        Data is sent after the ACK, so that the peer knows which window it was counted against.
        """
        largest = max(windows)
        if largest > LARGEST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE is above 2^31 - 1")
        self._guard.count(len(self._send_queue.waiting) // _WAITING_PER_FRAME)
        self._send_queue.resize(windows[-1], largest)
        self.must_settle = True

    def _set(self, key: int, value: int) -> None:
        if key == Setting.ENABLE_PUSH and value > 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS_ENABLE_PUSH must be 0 or 1")
        if key == Setting.MAX_FRAME_SIZE:
            if not DEFAULT_FRAME <= value <= LARGEST_FRAME:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE is out of range")
            self._send_queue.frame_size = value
