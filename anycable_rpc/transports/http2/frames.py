"""Frames of HTTP/2 (RFC 9113, sections 4 to 7): their numbers, how they are written, and the parts of a payload."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final

__all__ = [
    "ACK",
    "DEFAULT_FRAME",
    "DEFAULT_WINDOW",
    "END_HEADERS",
    "END_STREAM",
    "HEADER",
    "LARGEST_FRAME",
    "LARGEST_WINDOW",
    "PADDED",
    "PAIR",
    "PREFACE",
    "PRIORITIZED",
    "SHAPE",
    "ConnectionFault",
    "ErrorCode",
    "Setting",
    "StreamFault",
    "Type",
    "dependency",
    "frame",
    "goaway",
    "reset",
    "settings",
    "strip_padding",
    "strip_priority",
    "window_update",
]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER = Struct(">HBBBI")  # length (16 bits, then 8), type, flags, stream
PAIR = Struct(">HI")  # a setting and its value
SHAPE = Struct(">HBHI")  # a header again, with type and flags as one number: two checks become one
DEFAULT_FRAME, LARGEST_FRAME = 16_384, 2**24 - 1
DEFAULT_WINDOW, LARGEST_WINDOW = 65_535, 2**31 - 1
END_STREAM, END_HEADERS, PADDED, PRIORITIZED, ACK = 0x1, 0x4, 0x8, 0x20, 0x1


class Type:
    """The kinds of frames.

    Plain integers: each frame is compared with some of them, and looking up a member of an enum takes longer.
    """

    DATA: Final = 0
    HEADERS: Final = 1
    PRIORITY: Final = 2
    RST_STREAM: Final = 3
    SETTINGS: Final = 4
    PUSH_PROMISE: Final = 5
    PING: Final = 6
    GOAWAY: Final = 7
    WINDOW_UPDATE: Final = 8
    CONTINUATION: Final = 9


class Setting(IntEnum):
    """The settings that this package sends or obeys."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ErrorCode(IntEnum):
    """The reason why a stream or a connection ends (RFC 9113, section 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class ConnectionFault(Exception):
    """The peer broke a rule, and the connection ends with GOAWAY."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class StreamFault(Exception):
    """The peer broke a rule, and one stream ends with RST_STREAM."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code.name)
        self.code = code


def frame(kind: int, flags: int, stream: int, payload: bytes | memoryview = b"") -> bytes:
    """Return one frame."""
    size = len(payload)
    return HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def settings(values: dict[Setting, int]) -> bytes:
    """Return a SETTINGS frame."""
    return frame(
        Type.SETTINGS,
        0,
        0,
        b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in values.items()),
    )


def window_update(stream: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame: the peer may send `increment` bytes more."""
    return frame(Type.WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


def reset(stream: int, code: ErrorCode) -> bytes:
    """Return a RST_STREAM frame, which ends a stream."""
    return frame(Type.RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def goaway(last: int, code: ErrorCode, reason: str = "") -> bytes:
    """Return a GOAWAY frame: streams above `last` are not served."""
    return frame(Type.GOAWAY, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big") + reason.encode())


def strip_padding(payload: bytes) -> bytes:
    """Return the payload of a PADDED frame without its padding.

    Raises:
        ConnectionFault: the padding is longer than the frame.
    """
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the padding is longer than the frame")
    return payload[1 : len(payload) - payload[0]]


def strip_priority(stream: int, payload: bytes) -> bytes:
    """Return the payload of a HEADERS frame without its priority, which RFC 9113 tells servers to ignore.

    Raises:
        ConnectionFault: the frame is too short, or the stream depends on itself.
    """
    if len(payload) < 5:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "HEADERS with a priority has fewer than 5 bytes")
    if dependency(payload) == stream:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream depends on itself")
    return payload[5:]


def dependency(payload: bytes) -> int:
    """Return the number of the stream that a priority depends on."""
    return int.from_bytes(payload[:4], "big") & LARGEST_WINDOW
