"""A connection to NATS, for the tasks of one event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from nats import errors
from nats.aio.client import Client

from . import tls_errors
from .nats_errors import NO_GREETING, NO_TLS, UnusableConnection

__all__ = ["LAST_TRIP", "Connection"]

_logger = logging.getLogger("anycable_rpc")

LAST_TRIP = 0.5
"""Seconds that what is under way may take before a connection is closed."""


class _Client(Client):
    """A connection that insists on TLS where the URL asks for it, and gives the server's errors to publications."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[list[Exception]] = []
        """For each trip under way, a list of the errors that the server has sent meanwhile."""
        self.idle = asyncio.Event()
        """Set while no trip is under way."""
        self.idle.set()

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """Turn TLS on, or raise an error, before the library sends CONNECT with the password."""
        server = self._current_server
        if initial_connection and server is not None and server.uri.scheme == "tls":
            info["tls_required"] = bool(info.get("tls_required") or info.get("tls_available"))
            if not info["tls_required"]:
                raise UnusableConnection(NO_TLS)
        await super()._process_info(info, initial_connection)

    async def _process_pong(self) -> None:
        """Let a pong answer a ping that nobody waits for any more. The library would end its reading task."""
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    async def _process_op_err(self, e: Exception) -> None:
        """Tell those who wait for a pong that none will come. The library lets them wait until their deadline."""
        for pong in self._pongs:
            if not pong.done():
                pong.set_exception(errors.ConnectionClosedError())
                pong.exception()  # now asyncio does not complain where nobody waits
        await super()._process_op_err(e)

    async def on_error(self, error: Exception) -> None:
        """Give the error to all that is under way. The library itself would print it with a traceback."""
        _logger.debug("NATS: %s", type(error).__name__)
        for received in self.waiting:
            received.append(error)

    async def deliver(self, subject: str, bodies: Sequence[bytes], seconds: int) -> list[Exception | None]:
        """Publish, and wait until the server has it all. Return the error of each body that is too large.

        Raises:
            Exception: the server refused the publications, or did not answer in time.
        """
        received: list[Exception] = []
        self.waiting.append(received)
        self.idle.clear()
        try:
            outcomes = [await self._publish(subject, body) for body in bodies]
            for _ in range(2):  # the library's first ping may overtake the publications; the second cannot
                await self.flush(seconds)
            if not self.is_connected:  # then `flush` returns without an answer
                raise errors.ConnectionClosedError
            return outcomes
        finally:
            self.waiting.remove(received)
            if not self.waiting:
                self.idle.set()
            if self.is_closed and type(self.last_error) is errors.Error:  # the server's reason for closing
                received.append(self.last_error)
            if received:
                raise received[0]

    async def _publish(self, subject: str, body: bytes) -> Exception | None:
        try:
            await self.publish(subject, body)
        except errors.MaxPayloadError as error:
            return error
        return None


class Connection:
    """A connection that opens when it is needed.

    Args:
        servers: URLs, of which one is used.
    """

    def __init__(self, servers: list[str]) -> None:
        self._servers = servers
        self._client: _Client | None = None
        self._connecting = asyncio.Lock()

    async def deliver(self, subject: str, bodies: Sequence[bytes], seconds: float) -> list[Exception | None]:
        """Publish, and wait until the server has answered a ping that was sent after the last body.

        Return the error of each body, or None.
        """
        try:
            async with asyncio.timeout(seconds):
                client = await self._connect(seconds)
                return await client.deliver(subject, bodies, max(1, round(seconds)))
        except Exception as error:
            if isinstance(error, TimeoutError):
                await self.close()
            return [error] * len(bodies)

    async def _connect(self, seconds: float) -> _Client:
        async with self._connecting:
            if self._client is None or not self._client.is_connected:
                await self.close()
                self._client = client = _Client()
                await self._open(client, seconds)
            return self._client

    async def _open(self, client: _Client, seconds: float) -> None:
        try:
            async with asyncio.timeout(0.9 * seconds):
                await client.connect(
                    self._servers,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=max(1, round(seconds)),
                    error_cb=client.on_error,
                    name="anycable_rpc",
                )
        except TimeoutError as error:
            raise UnusableConnection(tls_errors.explain(error) or NO_GREETING) from error

    async def close(self) -> None:
        """Close the connection, if possible after what is under way."""
        client, self._client = self._client, None
        if client is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_TRIP):
                await client.idle.wait()
        with suppress(Exception):
            async with asyncio.timeout(0.9):  # a server that has stopped reading must not block this event loop
                await client.close()
