"""gRPC on HTTP/2: the framing of messages, the timeout, and the header blocks of answers.

The rules are those of gRPC's `PROTOCOL-HTTP2.md`, `compression.md` and `statuscodes.md`.
"""

from __future__ import annotations

import zlib
from enum import IntEnum
from functools import lru_cache
from math import inf

from .header_blocks import literal

__all__ = [
    "HEADERS",
    "NO_CALL",
    "OK",
    "PREFIX",
    "GrpcError",
    "GrpcStatus",
    "MessageTooLarge",
    "announced_length",
    "frame_message",
    "http_refusal",
    "parse_timeout",
    "refusal",
    "trailers",
    "unframe_message",
]

PREFIX = 5
"""The bytes before a message: a flag and the message's length."""

_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_GZIP = 16 + zlib.MAX_WBITS
_PLAIN_TEXT = literal("content-type", "text/plain")
_HTTP_OK = b"\x88"  # `:status: 200` is in the static table


class GrpcStatus(IntEnum):
    """The gRPC statuses that this package sends."""

    OK = 0
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


class GrpcError(Exception):
    """A call that is answered with a status instead of a message."""

    def __init__(self, status: GrpcStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class MessageTooLarge(GrpcError):
    """A message above the limit. It is INVALID_ARGUMENT, because anycable-go retries the usual RESOURCE_EXHAUSTED."""

    def __init__(self, largest: int) -> None:
        super().__init__(
            GrpcStatus.INVALID_ARGUMENT, f"the request has more than the {largest} bytes of rpc_max_call_send_size"
        )


HEADERS = _HTTP_OK + literal("content-type", "application/grpc") + literal("grpc-accept-encoding", "identity,gzip")
"""The header block at the start of an answer."""

OK = literal("grpc-status", "0")
"""The trailers of a successful answer."""


def trailers(status: GrpcStatus, reason: str = "") -> bytes:
    """Return the trailers of an answer: a status, and a reason for people to read."""
    message = literal("grpc-message", _escape(reason)) if reason else b""
    return literal("grpc-status", str(int(status))) + message


def refusal(status: GrpcStatus, reason: str) -> bytes:
    """Return a header block that is a whole answer: a status without a message."""
    return HEADERS + trailers(status, reason)


NO_CALL = b"Only gRPC calls are answered here.\n"
"""The body of the answer to a browser or curl."""


def http_refusal(method: str) -> bytes:
    """Return the header block before `NO_CALL`, for a request that is no gRPC call."""
    if method != "POST":
        return literal(":status", "405") + literal("allow", "POST") + _PLAIN_TEXT
    return literal(":status", "415") + _PLAIN_TEXT


def _escape(reason: str) -> str:
    """Keep printable ASCII, and write other bytes and `%` as `%XX`."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 37 else f"%{byte:02X}" for byte in reason.encode())


@lru_cache(1024)
def parse_timeout(timeout: str | None) -> float:
    """Return the seconds of a `grpc-timeout` header; infinite without one.

    Raises:
        GrpcError: the header is malformed.
    """
    if timeout is None:
        return inf
    number, unit = timeout[:-1], _UNITS.get(timeout[-1:])
    if unit is None or len(number) > 8 or not (number.isascii() and number.isdigit()):
        raise GrpcError(GrpcStatus.INTERNAL, "grpc-timeout must be a number of up to 8 digits and a unit")
    return int(number) * unit


def frame_message(data: bytes) -> bytes:
    """Return the message with its prefix, as it is sent."""
    return b"\0" + len(data).to_bytes(4, "big") + data


def announced_length(body: bytes | bytearray) -> int:
    """Return the length of a message, as its prefix says."""
    return int.from_bytes(body[1:PREFIX], "big")


def unframe_message(body: bytes, encoding: str, largest: int) -> bytes:
    """Return the one message in the body of a unary call.

    Raises:
        GrpcError: there is no message or more than one, it is above `largest` bytes, or cannot be decompressed.
    """
    size = announced_length(body)
    # fast path: one whole message, not compressed
    if len(body) == PREFIX + size and not body[0] and size <= largest:
        return body[PREFIX:]
    if size > largest:
        raise MessageTooLarge(largest)
    if len(body) != PREFIX + size:
        raise _wrong_length(body, size)
    if body[0] != 1:
        raise GrpcError(GrpcStatus.INTERNAL, "the message's compression flag must be 0 or 1")
    if encoding in ("", "identity"):
        raise GrpcError(GrpcStatus.INTERNAL, "the message is compressed, but grpc-encoding does not say how")
    if encoding != "gzip":
        raise GrpcError(GrpcStatus.UNIMPLEMENTED, "grpc-encoding must be identity or gzip")
    return _decompress(body[PREFIX:], largest)


def _wrong_length(body: bytes, size: int) -> GrpcError:
    if body and len(body) < PREFIX + size:
        return GrpcError(GrpcStatus.INTERNAL, "the message is shorter than its prefix says")
    return GrpcError(GrpcStatus.UNIMPLEMENTED, "a unary call must have exactly one message")


def _decompress(data: bytes, largest: int) -> bytes:
    """Decompress up to the limit and no further, so that a small body cannot become a huge one."""
    decompressor = zlib.decompressobj(_GZIP)
    try:
        message = decompressor.decompress(data, largest + 1)
    except zlib.error:
        raise GrpcError(GrpcStatus.INTERNAL, "the message is not valid gzip") from None
    if len(message) > largest:
        raise MessageTooLarge(largest)
    if not decompressor.eof or decompressor.unused_data:
        raise GrpcError(GrpcStatus.INTERNAL, "the message is not complete gzip, or has more after it")
    return message
