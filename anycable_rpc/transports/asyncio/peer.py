"""One anycable-go's connection on the event loop: its bytes to requests, requests to calls, answers to bytes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

from ...protocol.messages import METHODS, SERVICE
from ..http2.budget import Budget
from ..http2.connection import Connection
from ..http2.grpc_framing import (
    HEADERS,
    NO_CALL,
    OK,
    Refused,
    Status,
    TooLarge,
    announced,
    framed,
    http_refusal,
    refusal,
    seconds,
    unframed,
)
from ..http2.limits import Limits
from ..http2.request_headers import Line
from ..http2.streams import Cancelled, Request
from .calls import Call, Calls
from .health import CHECK, WATCH, Health

__all__ = ["Peer", "Shared"]

logger = logging.getLogger("anycable_rpc")

_HEALTH = (CHECK, WATCH)
_METHODS = {f"/{SERVICE}/{method}": method for method in METHODS}
_TOO_LARGE = "the message or its headers are too large, or too many requests have not ended"
_LINGER = 10  # seconds for the last bytes to leave


@dataclass(slots=True)
class Shared:
    """What all connections of a server have in common."""

    calls: Calls
    health: Health
    limits: Limits
    budget: Budget
    peers: set[Peer]
    longest: Callable[[], float]


class Peer(asyncio.Protocol):
    """See the module. A second's tick comes from the server."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._connection = Connection(shared.limits, shared.budget, _is_served)
        self._loop = asyncio.get_running_loop()
        self._calls: dict[int, Call] = {}
        self._is_flushing = False
        self._stuck = 0  # seconds for which the peer has not read, or not gone
        self._is_paused = False
        self._age = 0
        self._longest = shared.longest()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        self._transport = cast(asyncio.Transport, transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self._transport.abort()
            return
        self._shared.peers.add(self)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._handle(self._connection.receive(data))

    def eof_received(self) -> bool:
        """The peer writes no more; what it has asked for is answered."""
        if not self._calls or self._transport.get_extra_info("ssl_object"):  # TLS has no half-closed connections
            self._flush()  # what is answered already
            return False
        self._connection.drain()
        self._connection.refuse_new()
        self._flush_soon()
        return True

    def pause_writing(self) -> None:
        """The peer does not read: then we read nothing either."""
        self._is_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        self._is_paused = False
        self._stuck = 0
        self._shared.budget.note(self, 0)
        self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._shared.peers.discard(self)
        for stream in list(self._connection.streams.open):
            self._cancel(stream)
        self._connection.abandon()
        self._shared.budget.note(self, 0)

    def give_up(self) -> None:
        """Drop what has been written and not read: of all connections this one keeps the most bytes."""
        self._shared.budget.note(self, 0)
        self._transport.abort()

    def drain(self) -> None:
        """Let the peer go elsewhere."""
        self._connection.drain()
        self._flush_soon()

    def close(self) -> None:
        """End now, once what has been said has left; whoever waits learns it from the end of the connection."""
        self._flush()
        self._transport.close()

    def a_second_passed(self) -> None:
        """End what takes too long."""
        self._age += 1
        if self._age > self._longest:
            self._connection.drain()
        self._stuck += self._is_paused or self._transport.is_closing()
        if self._stuck > (_LINGER if self._transport.is_closing() else self._shared.limits.patience):
            self._transport.abort()
        self._handle(self._connection.a_second_passed())

    def _handle(self, events: list[Request | Cancelled]) -> None:
        gone = {event.stream for event in events if isinstance(event, Cancelled)} if len(events) > 1 else ()
        for event in events:
            if isinstance(event, Request):
                if event.stream not in gone:  # a call that is reset in the same read takes no place
                    self._accept(event)
            else:
                self._cancel(event.stream)
        self._shared.calls.go()
        self._flush_soon()

    def _accept(self, request: Request) -> None:
        stream, (line, metadata, _, _), body, is_too_large = request
        try:
            if not line.is_grpc:
                self._connection.respond(stream, http_refusal(line.method), NO_CALL, b"")
                return
            method = _METHODS.get(line.path)
            if method is None and line.path not in _HEALTH:
                raise Refused(Status.UNIMPLEMENTED, "no such method")
            if is_too_large and announced(body) <= self._shared.limits.message:
                raise Refused(Status.RESOURCE_EXHAUSTED, _TOO_LARGE)
            data = unframed(body, metadata.get("grpc-encoding", ""), self._shared.limits.message)
            if method is None:
                self._tell_health(stream, line.path, data)
                return
            call = Call(stream, method, data, metadata, seconds(metadata.get("grpc-timeout")), self._answer)
            self._shared.calls.start(call)
            self._calls[stream] = call
        except Refused as refused:
            if isinstance(refused, TooLarge):
                logger.warning("%s: %s", line.path, refused.text)
            self._connection.refuse(stream, refusal(refused.status, refused.text))

    def _tell_health(self, stream: int, path: str, data: bytes) -> None:
        if path == CHECK:
            self._connection.respond(stream, HEADERS, framed(self._shared.health.check(data)), OK)
        else:
            self._shared.health.watch(data, (self, stream), partial(self._tell, stream))

    def _tell(self, stream: int, data: bytes) -> None:
        self._connection.respond(stream, HEADERS, framed(data), None)
        self._flush_soon()

    def _answer(self, stream: int, answer: bytes | Refused) -> None:
        self._calls.pop(stream, None)
        if isinstance(answer, Refused):
            self._connection.refuse(stream, refusal(answer.status, answer.text))
        else:
            self._connection.respond(stream, HEADERS, framed(answer), OK)
        if not self._is_flushing:
            self._flush_soon()

    def _cancel(self, stream: int) -> None:
        call = self._calls.pop(stream, None)
        if call is not None:
            self._shared.calls.cancel(call)
        else:
            self._shared.health.leave((self, stream))

    def _flush_soon(self) -> None:
        """Once for all that is answered in this turn of the loop."""
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flushing = False
        data = self._connection.take()
        if data and not self._transport.is_closing():
            self._transport.write(data)
            if self._is_paused:
                self._shared.budget.note(self, self._transport.get_write_buffer_size())
                self._shared.budget.settle()
        if self._connection.is_closed:
            self._transport.close()


def _is_served(line: Line) -> bool:
    """Whether a request is a call of a method that there is."""
    return line.is_grpc and (line.path in _METHODS or line.path in _HEALTH)
