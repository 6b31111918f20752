"""A connection of anycable-go on the event loop: bytes become requests, requests calls, and answers bytes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

from ...protocol.messages import METHODS, SERVICE
from ..http2.budget import Budget
from ..http2.connection import H2Connection
from ..http2.events import Cancelled, CompleteRequest, Event
from ..http2.grpc_framing import (
    HEADERS,
    NO_CALL,
    OK,
    GrpcError,
    GrpcStatus,
    MessageTooLarge,
    announced_length,
    frame_message,
    http_refusal,
    parse_timeout,
    refusal,
    unframe_message,
)
from ..http2.limits import Limits
from ..http2.request_headers import RequestLine
from .calls import CallQueue, PendingCall
from .health import CHECK, WATCH, Health

__all__ = ["Peer", "ServerContext"]

logger = logging.getLogger("anycable_rpc")

_HEALTH = (CHECK, WATCH)
_METHODS = {f"/{SERVICE}/{method}": method for method in METHODS}
_TOO_LARGE = "the message or its headers are too large, or too many requests are incomplete"
_LINGER = 10  # seconds for the last bytes to be sent


@dataclass(slots=True)
class ServerContext:
    """The parts of a server that all its connections share. `max_age` returns the seconds that a connection lasts."""

    calls: CallQueue
    health: Health
    limits: Limits
    budget: Budget
    peers: set[Peer]
    max_age: Callable[[], float]


class Peer(asyncio.Protocol):
    """A connection. The server calls `tick` each second."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._connection = H2Connection(context.limits, context.budget, _is_served)
        self._loop = asyncio.get_running_loop()
        self._calls: dict[int, PendingCall] = {}
        self._is_flushing = False
        self._stuck = 0  # seconds for which the peer has not read, or has not closed its side
        self._is_paused = False
        self._age = 0
        self._max_age = context.max_age()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            self._transport.abort()
            return
        self._context.peers.add(self)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._handle(self._connection.receive(data))

    def eof_received(self) -> bool:
        """Answer the calls under way, and then close: the peer sends no more requests."""
        if not self._calls or self._transport.get_extra_info("ssl_object"):  # asyncio has no half-closed TLS
            self._flush()  # answers that are ready
            return False
        self._connection.drain()
        self._connection.refuse_new()
        self._flush_soon()
        return True

    def pause_writing(self) -> None:
        # a peer that does not read its answers must not make new ones
        self._is_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_paused = False
        self._stuck = 0
        self._context.budget.note(self, 0)
        self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._context.peers.discard(self)
        for stream in list(self._connection.streams.open):
            self._cancel(stream)
        self._connection.abandon()
        self._context.budget.note(self, 0)

    def shed(self) -> None:
        """Drop the connection with all answers that the peer has not read: they are the largest part of the budget."""
        self._context.budget.note(self, 0)
        self._transport.abort()

    def drain(self) -> None:
        """Tell the peer that this connection is to end, and answer the calls under way."""
        self._connection.drain()
        self._flush_soon()

    def close(self) -> None:
        """Close after the bytes already written. Calls under way get no answer, so anycable-go tries them again."""
        self._flush()
        self._transport.close()

    def tick(self) -> None:
        """Apply the time limits; the server calls this each second."""
        self._age += 1
        if self._age > self._max_age:
            self._connection.drain()
        self._stuck += self._is_paused or self._transport.is_closing()
        if self._stuck > (_LINGER if self._transport.is_closing() else self._context.limits.patience):
            self._transport.abort()
        self._handle(self._connection.tick())

    def _handle(self, events: list[Event]) -> None:
        # a call that is reset in the same read is never admitted: its place is left to others
        gone = {event.stream for event in events if isinstance(event, Cancelled)} if len(events) > 1 else ()
        for event in events:
            if isinstance(event, CompleteRequest):
                if event.stream not in gone:
                    self._accept(event)
            else:
                self._cancel(event.stream)
        self._context.calls.start_admitted()
        self._flush_soon()

    def _accept(self, request: CompleteRequest) -> None:
        stream, (line, metadata, _, _), body, is_too_large = request
        try:
            if not line.is_grpc:
                self._connection.respond(stream, http_refusal(line.method), NO_CALL, b"")
                return
            method = _METHODS.get(line.path)
            if method is None and line.path not in _HEALTH:
                raise GrpcError(GrpcStatus.UNIMPLEMENTED, "no such method")
            # a message above the limit has a better answer, in unframe_message
            if is_too_large and announced_length(body) <= self._context.limits.message:
                raise GrpcError(GrpcStatus.RESOURCE_EXHAUSTED, _TOO_LARGE)
            data = unframe_message(body, metadata.get("grpc-encoding", ""), self._context.limits.message)
            if method is None:
                self._answer_health(stream, line.path, data)
                return
            timeout = parse_timeout(metadata.get("grpc-timeout"))
            call = PendingCall(stream, method, data, metadata, timeout, self._answer)
            self._context.calls.admit(call)
            self._calls[stream] = call
        except GrpcError as error:
            if isinstance(error, MessageTooLarge):
                logger.warning("%s: %s", line.path, error.reason)
            self._connection.refuse(stream, refusal(error.status, error.reason))

    def _answer_health(self, stream: int, path: str, data: bytes) -> None:
        if path == CHECK:
            self._connection.respond(stream, HEADERS, frame_message(self._context.health.check(data)), OK)
        else:
            self._context.health.watch(data, (self, stream), partial(self._send_health, stream))

    def _send_health(self, stream: int, data: bytes) -> None:
        self._connection.respond(stream, HEADERS, frame_message(data), None)
        self._flush_soon()

    def _answer(self, stream: int, answer: bytes | GrpcError) -> None:
        self._calls.pop(stream, None)
        if isinstance(answer, GrpcError):
            self._connection.refuse(stream, refusal(answer.status, answer.reason))
        else:
            self._connection.respond(stream, HEADERS, frame_message(answer), OK)
        if not self._is_flushing:
            self._flush_soon()

    def _cancel(self, stream: int) -> None:
        call = self._calls.pop(stream, None)
        if call is not None:
            self._context.calls.cancel(call)
        else:
            self._context.health.unwatch((self, stream))

    def _flush_soon(self) -> None:
        """Flush at the end of this turn of the event loop: one write for all answers of the turn."""
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flushing = False
        data = self._connection.take()
        if data and not self._transport.is_closing():
            self._transport.write(data)
            if self._is_paused:
                self._context.budget.note(self, self._transport.get_write_buffer_size())
                self._context.budget.settle()
        if self._connection.is_closed:
            self._transport.close()


def _is_served(line: RequestLine) -> bool:
    """Return whether a request is a gRPC call of a method that exists."""
    return line.is_grpc and (line.path in _METHODS or line.path in _HEALTH)
