"""Publishing through NATS (anycable-go `broadcast/nats.go`).

The library needs an event loop. A program may have no event loop, or several, so one thread with its own event loop
publishes for all threads of the process. A forked child starts its own thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from nats import errors
from nats.aio.client import Client

from ..errors import BroadcastFailed, ConfigurationError, shorten
from . import tls_errors, urls
from .retries import DEADLINE, retry_until

__all__ = ["CHANNEL", "NATSBroadcaster"]

_logger = logging.getLogger("anycable_rpc")

CHANNEL = "__anycable__"
"""The subject that anycable-go subscribes to by default."""

_SCHEMES = ("nats", "tls", "ws", "wss")
_PORT = 4222
_USAGE = (
    "the servers of NATS are not nats://HOST:PORT or tls://…, with commas between, or the channel has spaces: set "
    "ANYCABLE_NATS_SERVERS, for example to nats://localhost:4222, and ANYCABLE_NATS_CHANNEL"
)
_CHECK_USER = "check user and password in ANYCABLE_NATS_SERVERS"
_AUTHENTICATION = f"authentication failed: {_CHECK_USER}"
_NO_CONNECTION = "no connection: is NATS running, and is ANYCABLE_NATS_SERVERS right?"
_ERRORS: tuple[tuple[type[BaseException], str, bool], ...] = (
    (errors.MaxPayloadError, "the payload is larger than NATS accepts (its max_payload, 1 MB by default)", False),
    (errors.AuthorizationError, _AUTHENTICATION, False),
    (errors.NoServersError, _NO_CONNECTION, True),
    (errors.ConnectionClosedError, _NO_CONNECTION, True),
    (errors.StaleConnectionError, _NO_CONNECTION, True),
    (TimeoutError, "no answer in time: it may or may not have arrived", False),
    (OSError, _NO_CONNECTION, True),
)
"""Beside each error: what went wrong, and whether the same may work later. The first that matches counts."""

_REASONS = (
    ("authorization", _AUTHENTICATION),
    ("permissions violation", f"this user may not publish there: {_CHECK_USER}, and its permissions ({{reason}})"),
    ("expecting info", "its greeting is not that of NATS: is this the port of NATS?"),
    ("", "it answered {reason}"),
)
"""Beside a part of the server's error (in lower case): what to do. The first that matches counts."""


class _UnusableConnection(errors.Error):
    """The connection must not be used. The message says why."""


_NO_TLS = (
    "the server offers no TLS, so neither password nor payload was sent: turn TLS on there, or set "
    "ANYCABLE_NATS_SERVERS to nats:// if both may be sent unencrypted"
)
_NO_GREETING = (
    "no greeting in time: is this the port of NATS? (one where TLS comes first, by `handshake_first`, is not supported)"
)


class NATSBroadcaster:
    """A broadcaster for a NATS subject. It waits until the server has the payload.

    After a failure that looks like a restart it tries again until the deadline, so a payload may arrive twice.

    Args:
        servers: URLs like `nats://[user:password@]host:4222`, separated by commas. `tls://` is verified TLS.
        channel: anycable-go's `--nats_channel`.
        deadline: seconds that `publish` may take in all.

    Raises:
        ConfigurationError: a URL cannot be used.
    """

    def __init__(self, servers: str, channel: str = CHANNEL, *, deadline: float = DEADLINE) -> None:
        self._servers = [server.strip() for server in servers.split(",") if server.strip()]
        self.address = ",".join(map(_address, self._servers))
        if not self.address or not channel or not channel.isprintable() or " " in channel:
            raise ConfigurationError(_USAGE)
        self.channel = channel
        self.deadline = deadline
        self._lock = threading.Lock()
        self._loop_thread: _LoopThread | None = None

    def publish(self, payload: str) -> None:
        """Send the payload to NATS.

        Raises:
            BroadcastFailed: NATS did not accept it before the deadline. The message says what to check.
        """
        body = payload.encode()
        retry_until(self.deadline, lambda seconds: self._attempt(body, seconds))
        _logger.debug("published to %s, %s: %s", self.address, self.channel, payload)

    async def apublish(self, payload: str) -> None:
        """Run `publish` in a thread."""
        await asyncio.to_thread(self.publish, payload)

    def close(self) -> None:
        """Close the connection and end its thread. The next publication starts new ones."""
        with self._lock:
            thread, self._loop_thread = self._loop_thread, None
        if thread and thread.is_of_this_process:
            thread.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r}, {self.channel!r})"

    def _attempt(self, body: bytes, seconds: float) -> None:
        try:
            self._thread_of_this_process().publish(self.channel, body, max(seconds, 0.001))
        except Exception as error:
            reason, transient = _describe(error)
            raise BroadcastFailed(f"cannot publish to {self.address}: {reason}", self.address, transient) from None

    def _thread_of_this_process(self) -> _LoopThread:
        with self._lock:
            if self._loop_thread is None or not self._loop_thread.is_of_this_process:
                self._loop_thread = _LoopThread(self._servers)
            return self._loop_thread


class _Client(Client):
    """A connection that insists on TLS where the URL asks for it, and gives the server's errors to publications."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[list[Exception]] = []
        """For each publication under way, a list of the errors that the server has sent meanwhile."""

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """Turn TLS on, or raise an error, before the library sends CONNECT with the password."""
        server = self._current_server
        if initial_connection and server is not None and server.uri.scheme == "tls":
            info["tls_required"] = bool(info.get("tls_required") or info.get("tls_available"))
            if not info["tls_required"]:
                raise _UnusableConnection(_NO_TLS)
        await super()._process_info(info, initial_connection)

    async def on_error(self, error: Exception) -> None:
        """Give the error to all publications under way. The library itself would print it with a traceback."""
        _logger.debug("NATS: %s", type(error).__name__)
        for received in self.waiting:
            received.append(error)

    async def deliver(self, subject: str, body: bytes, seconds: int) -> None:
        """Publish, and wait until the server has it.

        Raises:
            Exception: the server refused the payload, or did not answer in time.
        """
        received: list[Exception] = []
        self.waiting.append(received)
        try:
            await self.publish(subject, body)
            for _ in range(2):  # the library's first ping may overtake the publication; the second cannot
                await self.flush(seconds)
        finally:
            self.waiting.remove(received)
            if self.is_closed and type(self.last_error) is errors.Error:  # the server's reason for closing
                received.append(self.last_error)
            if received:
                raise received[0]


class _LoopThread:
    """A thread with an event loop and a connection."""

    def __init__(self, servers: list[str]) -> None:
        self._pid = os.getpid()
        self._servers = servers
        self._loop = asyncio.new_event_loop()
        self._client: _Client | None = None
        self._connecting = asyncio.Lock()
        self._thread = threading.Thread(target=self._loop.run_forever, name="anycable_rpc nats", daemon=True)
        self._thread.start()

    @property
    def is_of_this_process(self) -> bool:
        """True when the thread runs in this process: a fork copies no threads."""
        return self._pid == os.getpid()

    def publish(self, subject: str, body: bytes, seconds: float) -> None:
        """Publish, and wait until the server has answered a ping that was sent after the payload."""
        self._run(self._publish(subject, body, seconds), seconds)

    def close(self) -> None:
        """Close the connection and end the thread."""
        with suppress(Exception):
            self._run(self._disconnect(), 1)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(1)
        if not self._loop.is_running():
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None], seconds: float) -> None:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            future.result(seconds + 0.5)
        except TimeoutError:
            future.cancel()
            raise

    async def _publish(self, subject: str, body: bytes, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            client = await self._connect(seconds)
            await client.deliver(subject, body, max(1, round(seconds)))

    async def _connect(self, seconds: float) -> _Client:
        async with self._connecting:
            if self._client is None or not self._client.is_connected:
                await self._disconnect()
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
            raise _UnusableConnection(tls_errors.explain(error) or _NO_GREETING) from error

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                async with asyncio.timeout(0.9):  # a server that has stopped reading must not block this thread
                    await client.close()


def _describe(error: Exception) -> tuple[str, bool]:
    about_tls = tls_errors.explain(error)
    if about_tls or isinstance(error, _UnusableConnection):
        return about_tls or str(error), False
    known = next((row[1:] for row in _ERRORS if isinstance(error, row[0])), None)
    if known is None and isinstance(error, errors.Error):
        reason = str(error).removeprefix("nats: ")
        sentence = next(sentence for part, sentence in _REASONS if part in reason.lower())
        return sentence.format(reason=shorten(reason, 200)), False
    return known or (f"it answered {type(error).__name__}", False)


def _address(url: str) -> str:
    parts = urls.parse(url, _SCHEMES, _PORT, _USAGE)
    return f"{parts.scheme}://{parts.netloc}"
