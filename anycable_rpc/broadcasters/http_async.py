"""Kept connections to an HTTP server, for the tasks of one event loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import cast

from .http_messages import Answer, NotHTTP, read_answer
from .http_problems import about_exchange, about_opening
from .http_url import Target

__all__ = ["AsyncConnections"]

_SHORTEST = 0.001
_LONG = 0.05
"""Seconds after which it is worth looking whether the server has closed an idle connection."""


class AsyncConnections:
    """The open connections of an event loop, busy or idle."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._open: set[_Connection] = set()
        self._idle: list[_Connection] = []
        self._last_use = 0.0

    async def exchange(self, request: bytes, seconds: float) -> Answer:
        """Send a request and return its answer.

        Raises:
            NoResponse: there was none in time.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        connection = await self._take() or await self._connect(seconds)
        try:
            answer = await connection.exchange(request, max(end, loop.time() + _SHORTEST))
        except (OSError, NotHTTP) as error:
            problem = about_exchange(error, connection.is_sent)
            connection.abort()
            raise problem from error
        except BaseException:
            connection.abort()
            raise
        if answer.is_reusable and connection.is_sent:
            self._idle.append(connection)
            self._last_use = loop.time()
        else:
            connection.abort()
        return answer

    async def close(self) -> None:
        """Close the idle connections, and wait until their sockets are closed. The others finish what they do."""
        for connection in self._idle:
            connection.abort()
        self._idle.clear()
        closing = [connection for connection in self._open if not connection.is_open]
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                for connection in closing:
                    await connection.closed

    async def _take(self) -> _Connection | None:
        if self._idle and asyncio.get_running_loop().time() - self._last_use > _LONG:
            for _ in range(2):  # an event loop that has just begun to run again notices here that a server has hung up
                await asyncio.sleep(0)
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _connect(self, seconds: float) -> _Connection:
        target = self._target
        try:
            async with asyncio.timeout(max(_SHORTEST, seconds)):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self._open),
                    target.host,
                    target.port,
                    ssl=target.tls,
                    server_hostname=target.name_in_certificate if target.tls else None,
                    ssl_handshake_timeout=max(_SHORTEST, 0.9 * seconds) if target.tls else None,
                )
        except (OSError, UnicodeError) as error:
            raise about_opening(error) from error
        return connection


class _Connection(asyncio.Protocol):
    """A connection that takes one request at a time.

    Args:
        register: holds the connection while it is open.
    """

    def __init__(self, register: set[_Connection]) -> None:
        self._register = register
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._answer: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None
        self.closed: asyncio.Future[None] = self._loop.create_future()

    @property
    def is_open(self) -> bool:
        """True while another request may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_sent(self) -> bool:
        """True when the request has left completely."""
        return self._transport is not None and not self._transport.get_write_buffer_size()

    async def exchange(self, request: bytes, end: float) -> Answer:
        """Send a request and return its answer, before the event loop's clock shows `end`.

        Raises:
            OSError: there was none in time, or the connection broke.
            NotHTTP: something else came.
        """
        if self._transport is None:
            raise ConnectionError("not connected")
        self._received = b""
        self._answer = self._loop.create_future()
        expiry = self._loop.call_at(end, self._fail, TimeoutError())
        try:
            self._transport.write(request)
            return await self._answer
        finally:
            expiry.cancel()

    def abort(self) -> None:
        """Close the connection without waiting for anything."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._register.add(self)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():  # nobody has asked
            self.abort()
            return
        self._received += data
        try:
            answer = read_answer(self._received)
        except NotHTTP as error:
            self._fail(error)
        else:
            if answer:
                self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._register.discard(self)
        self._fail(exc or ConnectionError("closed"))
        if not self.closed.done():
            self.closed.set_result(None)

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
