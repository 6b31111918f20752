"""Frames of HTTP/2 (RFC 9113, 4 to 7): their numbers, and how they are written."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

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
    "frame",
    "goaway",
    "reset",
    "settings",
    "window_update",
]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER = Struct(">HBBBI")  # length (16 bits, then 8), type, flags, stream
PAIR = Struct(">HI")  # a setting and its value
SHAPE = Struct(">HBHI")  # the same, type and flags as one number
DEFAULT_FRAME, LARGEST_FRAME = 16_384, 2**24 - 1
DEFAULT_WINDOW, LARGEST_WINDOW = 65_535, 2**31 - 1
END_STREAM, END_HEADERS, PADDED, PRIORITIZED, ACK = 0x1, 0x4, 0x8, 0x20, 0x1


class Type(IntEnum):
    """The kinds of frames."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Setting(IntEnum):
    """The settings that mean something to us."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ErrorCode(IntEnum):
    """Why a stream or a connection ends."""

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
    """The peer broke a rule that ends the connection."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class StreamFault(Exception):
    """The peer broke a rule that ends one stream."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code.name)
        self.code = code


def frame(kind: int, flags: int, stream: int, payload: bytes | memoryview = b"") -> bytes:
    """One frame."""
    size = len(payload)
    return HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream) + payload


def settings(values: dict[Setting, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(
        Type.SETTINGS,
        0,
        0,
        b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in values.items()),
    )


def window_update(stream: int, increment: int) -> bytes:
    """Lets the peer send that many bytes more."""
    return frame(Type.WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


def reset(stream: int, code: ErrorCode) -> bytes:
    """Ends a stream."""
    return frame(Type.RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def goaway(last: int, code: ErrorCode, text: str = "") -> bytes:
    """Says that no stream above `last` is served."""
    return frame(Type.GOAWAY, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big") + text.encode())
