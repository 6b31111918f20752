"""Frames as a client writes them, and the frames of a server by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hpack import Encoder
from hyperframe.frame import Frame

from anycable_rpc.transports.http2 import frames
from anycable_rpc.transports.http2.connection import H2Connection
from anycable_rpc.transports.http2.events import Cancelled, CompleteRequest
from anycable_rpc.transports.http2.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    PREFACE,
    Setting,
    Type,
    frame,
    window_update,
)
from anycable_rpc.transports.http2.limits import Limits
from anycable_rpc.transports.http2.request_headers import RequestLine

CALL = {
    ":method": "POST",
    ":scheme": "http",
    ":path": "/anycable.RPC/Connect",
    ":authority": "localhost",
    "content-type": "application/grpc",
    "te": "trailers",
}
SETTINGS = frame(Type.SETTINGS, 0, 0)
HELLO = PREFACE + SETTINGS
ACKNOWLEDGED = frame(Type.SETTINGS, ACK, 0)


def block(headers: Iterable[tuple[str, str]] = tuple(CALL.items()), *, huffman: bool = True) -> bytes:
    """Return a header block of a peer without a table, which begins with saying so."""
    encoder = Encoder()
    encoder.header_table_size = 0
    return encoder.encode(headers, huffman=huffman)


def headers(stream: int, data: bytes | None = None, flags: int = END_HEADERS) -> bytes:
    """Return a HEADERS frame."""
    return frame(Type.HEADERS, flags, stream, block() if data is None else data)


def data(stream: int, payload: bytes, flags: int = END_STREAM) -> bytes:
    """Return a DATA frame."""
    return frame(Type.DATA, flags, stream, payload)


def call(stream: int, message: bytes = b"hi") -> bytes:
    """Return the frames of a whole call."""
    return headers(stream) + data(stream, framed(message))


def framed(message: bytes) -> bytes:
    """Return a message with gRPC's prefix."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def parsed(output: bytes) -> list[Frame]:
    """Parse a server's bytes with another library than ours."""
    read: list[Frame] = []
    while output:
        one, length = Frame.parse_frame_header(memoryview(output[:9]))
        one.parse_body(memoryview(output[9 : 9 + length]))
        assert len(output) >= 9 + length, "a frame is cut"
        read.append(one)
        output = output[9 + length :]
    return read


def describe(output: bytes) -> list[str]:
    """Return the frames by name: `RstStream 1 CANCEL`, `GoAway 0 PROTOCOL_ERROR`, …"""
    return [_word(one) for one in parsed(output)]


def _word(one: Frame) -> str:
    kind = type(one).__name__.removesuffix("Frame")
    code = getattr(one, "error_code", None)
    name = "" if code is None else f" {frames.ErrorCode(code).name}"
    flags = "".join(f" {flag}" for flag in sorted(one.flags))
    return f"{kind} {one.stream_id}{name}{flags}"


class Peer:
    """A connection after its greeting, with its events since then."""

    def __init__(
        self,
        limits: Limits | None = None,
        hello: bytes = HELLO + ACKNOWLEDGED,
        serves: Callable[[RequestLine], bool] = lambda line: True,
    ) -> None:
        self.connection = H2Connection(limits, serves=serves)
        self.greeting = self.connection.take()
        self.events: list[CompleteRequest | Cancelled] = list(self.connection.receive(hello))
        self.connection.take()

    def send(self, *pieces: bytes) -> list[str]:
        """Send frames, add the events to `events`, and return the answer's frames by name."""
        self.events += self.connection.receive(b"".join(pieces))
        return describe(self.connection.take())

    def seconds(self, count: int) -> list[str]:
        """Let seconds pass, and return the frames that are sent meanwhile."""
        for _ in range(count):
            self.events += self.connection.tick()
        return describe(self.connection.take())

    @property
    def is_clean(self) -> bool:
        """Return whether nothing is left of streams that have ended."""
        streams, out = self.connection.streams, self.connection._send_queue
        return not (streams.open or streams.buffered or out.waiting or out.held or out._credit)


def resized(size: int) -> bytes:
    """Return SETTINGS with another window for streams."""
    return frames.settings({Setting.INITIAL_WINDOW_SIZE: size})


__all__ = [
    "ACKNOWLEDGED",
    "CALL",
    "END_HEADERS",
    "END_STREAM",
    "HELLO",
    "SETTINGS",
    "Peer",
    "block",
    "call",
    "data",
    "describe",
    "framed",
    "headers",
    "parsed",
    "resized",
    "window_update",
]  # fmt: skip
