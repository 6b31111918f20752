"""gRPC on HTTP/2: the message in its frame, the deadline, and the header blocks of answers.

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
"""Bytes before a message: a flag and its length."""

_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_GZIP = 16 + zlib.MAX_WBITS
_TEXT = literal("content-type", "text/plain")
_HTTP_OK = b"\x88"  # `:status: 200` is in the static table


class GrpcStatus(IntEnum):
    """The statuses that we send."""

    OK = 0
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


class GrpcError(Exception):
    """The call is answered with a status alone."""

    def __init__(self, status: GrpcStatus, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class MessageTooLarge(GrpcError):
    """The message is larger than it may be. The usual RESOURCE_EXHAUSTED would make anycable-go send it again."""

    def __init__(self, largest: int) -> None:
        super().__init__(
            GrpcStatus.INVALID_ARGUMENT, f"the request has more than the {largest} bytes of rpc_max_call_send_size"
        )


HEADERS = _HTTP_OK + literal("content-type", "application/grpc") + literal("grpc-accept-encoding", "identity,gzip")
"""What an answer begins with."""

OK = literal("grpc-status", "0")
"""What an answer ends with."""


def trailers(status: GrpcStatus, text: str = "") -> bytes:
    """What ends an answer: a status, with a text for people."""
    said = literal("grpc-message", _escaped(text)) if text else b""
    return literal("grpc-status", str(int(status))) + said


def refusal(status: GrpcStatus, text: str) -> bytes:
    """The header block that is the whole answer."""
    return HEADERS + trailers(status, text)


NO_CALL = b"Only gRPC calls are answered here.\n"
"""What a browser or curl is told."""


def http_refusal(method: str) -> bytes:
    """The header block before `NO_CALL`, for a request that is no gRPC call."""
    if method != "POST":
        return literal(":status", "405") + literal("allow", "POST") + _TEXT
    return literal(":status", "415") + _TEXT


def _escaped(text: str) -> str:
    """Printable ASCII as it is, other bytes and `%` as `%XX`."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 37 else f"%{byte:02X}" for byte in text.encode())


@lru_cache(1024)
def parse_timeout(timeout: str | None) -> float:
    """What `grpc-timeout` allows; without one there is no end.

    Raises:
        GrpcError: it is none.
    """
    if timeout is None:
        return inf
    number, unit = timeout[:-1], _UNITS.get(timeout[-1:])
    if unit is None or len(number) > 8 or not (number.isascii() and number.isdigit()):
        raise GrpcError(GrpcStatus.INTERNAL, "grpc-timeout is not a number of up to 8 digits and a unit")
    return int(number) * unit


def frame_message(data: bytes) -> bytes:
    """The message as it is sent."""
    return b"\0" + len(data).to_bytes(4, "big") + data


def announced_length(body: bytes | bytearray) -> int:
    """How long a message says it is."""
    return int.from_bytes(body[1:PREFIX], "big")


def unframe_message(body: bytes, encoding: str, largest: int) -> bytes:
    """The one message of a unary call.

    Raises:
        GrpcError: there is another number of them, it is larger than `largest` bytes, or cannot be decompressed.
    """
    size = announced_length(body)
    if len(body) == PREFIX + size and not body[0] and size <= largest:
        return body[PREFIX:]
    if size > largest:
        raise MessageTooLarge(largest)
    if len(body) != PREFIX + size:
        raise _not_one(body, size)
    if body[0] != 1:
        raise GrpcError(GrpcStatus.INTERNAL, "the message's flag is neither 0 nor 1")
    if encoding in ("", "identity"):
        raise GrpcError(GrpcStatus.INTERNAL, "the message is compressed, and grpc-encoding does not say how")
    if encoding != "gzip":
        raise GrpcError(GrpcStatus.UNIMPLEMENTED, "grpc-encoding must be identity or gzip")
    return _decompressed(body[PREFIX:], largest)


def _not_one(body: bytes, size: int) -> GrpcError:
    if body and len(body) < PREFIX + size:
        return GrpcError(GrpcStatus.INTERNAL, "the message is cut")
    return GrpcError(GrpcStatus.UNIMPLEMENTED, "a unary call has exactly one message")


def _decompressed(data: bytes, largest: int) -> bytes:
    """Never more of it than is wanted, however much there would be."""
    decompressor = zlib.decompressobj(_GZIP)
    try:
        message = decompressor.decompress(data, largest + 1)
    except zlib.error:
        raise GrpcError(GrpcStatus.INTERNAL, "the message is not gzip") from None
    if len(message) > largest:
        raise MessageTooLarge(largest)
    if not decompressor.eof or decompressor.unused_data:
        raise GrpcError(GrpcStatus.INTERNAL, "the message is not gzip, or is cut")
    return message
