"""Publishes through NATS (anycable-go `broadcast/nats.go`).

The library is made for event loops, and a program may have none, or several. So one thread with a loop of its own
does the talking, for all threads of the process; a forked child starts its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as NotDone
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from nats import errors
from nats.aio.client import Client

from ..errors import BroadcastFailed, ConfigurationError, shorten
from . import tls_errors
from .retries import DEADLINE, insist

__all__ = ["CHANNEL", "NATSBroadcaster"]

_logger = logging.getLogger("anycable_rpc")

CHANNEL = "__anycable__"
"""The subject that anycable-go subscribes to unless it is told another."""

_SCHEMES = ("nats", "tls", "ws", "wss")
_NO_CONNECTION = "no connection: is NATS running, and is ANYCABLE_NATS_SERVERS right?"
_ERRORS: tuple[tuple[type[BaseException], str, bool], ...] = (
    (errors.MaxPayloadError, "the payload is larger than NATS takes (its max_payload, by default 1 MB)", False),
    (
        errors.AuthorizationError,
        "it wants to know who this is: check ANYCABLE_NATS_SERVERS for it",
        False,
    ),
    (errors.NoServersError, _NO_CONNECTION, True),
    (errors.ConnectionClosedError, _NO_CONNECTION, True),
    (errors.StaleConnectionError, _NO_CONNECTION, True),
    (TimeoutError, "no answer in time: it may or may not have arrived", False),
    (OSError, _NO_CONNECTION, True),
)
"""What went wrong, in words, and whether the same may work later; the first that fits counts."""

_CHECK_USER = "check user and password in ANYCABLE_NATS_SERVERS"
_SAID = (
    ("authorization", f"it wants to know who this is: {_CHECK_USER}"),
    ("permissions violation", f"this user may not publish there: {_CHECK_USER}, and its permissions ({{reason}})"),
    ("expecting info", "it does not greet as NATS does: is this the port of NATS?"),
    ("", "it answered {reason}"),
)
"""What the server says, in lower case, and what to do about it; the first that fits counts."""


class _Refused(errors.Error):
    """The connection is not used, for the reason in the text."""


_NO_TLS = (
    "the server offers no TLS, so neither password nor payload was sent: let it serve TLS, or set "
    "ANYCABLE_NATS_SERVERS to nats:// if they may cross this network in the clear"
)
_NO_GREETING = (
    "no greeting in time: is this the port of NATS? (one where TLS comes first, by `handshake_first`, is not supported)"
)


class NATSBroadcaster:
    """Publishes to a subject, and waits until the server has it.

    What looks like a restart is tried again until the deadline, so a payload may arrive twice.

    Args:
        servers: URLs like `nats://[user:password@]host:4222`, with commas between; `tls://` for verified TLS.
        channel: anycable-go's `--nats_channel`.
        deadline: seconds that `publish` may take in all.

    Raises:
        ConfigurationError: a URL cannot be used.
    """

    def __init__(self, servers: str, channel: str = CHANNEL, *, deadline: float = DEADLINE) -> None:
        self._servers = [server.strip() for server in servers.split(",") if server.strip()]
        self.address = ",".join(map(_address, self._servers))
        if not self.address or not channel or not channel.isprintable() or " " in channel:
            raise _unusable()
        self.channel = channel
        self.deadline = deadline
        self._lock = threading.Lock()
        self._talker: _Talker | None = None

    def publish(self, payload: str) -> None:
        """Hand the payload over.

        Raises:
            BroadcastFailed: NATS did not take it before the deadline; the text says what to check.
        """
        body = payload.encode()
        insist(lambda seconds: self._attempt(body, seconds), self.deadline)
        _logger.debug("published to %s, %s: %s", self.address, self.channel, payload)

    async def apublish(self, payload: str) -> None:
        """`publish` in a thread."""
        await asyncio.to_thread(self.publish, payload)

    def close(self) -> None:
        """End the connection and its thread; publishing again starts new ones."""
        with self._lock:
            talker, self._talker = self._talker, None
        if talker and talker.is_here:
            talker.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r}, {self.channel!r})"

    def _attempt(self, body: bytes, seconds: float) -> None:
        try:
            self._here().publish(self.channel, body, max(seconds, 0.001))
        except Exception as error:
            said, transient = _explained(error)
            raise BroadcastFailed(f"cannot publish to {self.address}: {said}", self.address, transient) from None

    def _here(self) -> _Talker:
        """The talker of this process."""
        with self._lock:
            if self._talker is None or not self._talker.is_here:
                self._talker = _Talker(self._servers)
            return self._talker


class _Client(Client):
    """A connection that keeps to TLS where the URL asks for it, and tells publications what the server says of them."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[list[Exception]] = []
        """A list for each publication that is under way, for what the server says meanwhile."""

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """Ask for TLS, or refuse, before the library sends CONNECT with the password."""
        server = self._current_server
        if initial_connection and server is not None and server.uri.scheme == "tls":
            info["tls_required"] = bool(info.get("tls_required") or info.get("tls_available"))
            if not info["tls_required"]:
                raise _Refused(_NO_TLS)
        await super()._process_info(info, initial_connection)

    async def heard(self, error: Exception) -> None:
        """Give the error to whoever waits; the library itself would print it with a traceback."""
        _logger.debug("NATS: %s", type(error).__name__)
        for errors_heard in self.waiting:
            errors_heard.append(error)

    async def deliver(self, subject: str, body: bytes, seconds: int) -> None:
        """Publish, and wait until the server has it.

        Raises:
            Exception: the server has refused it, or has not answered in time.
        """
        errors_heard: list[Exception] = []
        self.waiting.append(errors_heard)
        try:
            await self.publish(subject, body)
            for _ in range(2):  # the library's first ping may overtake the publication; the second cannot
                await self.flush(seconds)
        finally:
            self.waiting.remove(errors_heard)
            if self.is_closed and type(self.last_error) is errors.Error:  # the server has said why, and hung up
                errors_heard.append(self.last_error)
            if errors_heard:
                raise errors_heard[0]


class _Talker:
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
    def is_here(self) -> bool:
        """Whether it is in this process: a fork takes no threads along."""
        return self._pid == os.getpid()

    def publish(self, subject: str, body: bytes, seconds: float) -> None:
        """Publish, and wait for the server's answer to a ping behind it."""
        self._run(self._publish(subject, body, seconds), seconds)

    def close(self) -> None:
        """End the connection and the thread."""
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
        except NotDone:
            future.cancel()
            raise

    async def _publish(self, subject: str, body: bytes, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            client = await self._connected(seconds)
            await client.deliver(subject, body, max(1, round(seconds)))

    async def _connected(self, seconds: float) -> _Client:
        async with self._connecting:
            if self._client is None or not self._client.is_connected:
                await self._disconnect()
                self._client = client = _Client()
                await self._greet(client, seconds)
            return self._client

    async def _greet(self, client: _Client, seconds: float) -> None:
        try:
            async with asyncio.timeout(0.9 * seconds):
                await client.connect(
                    self._servers,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=max(1, round(seconds)),
                    error_cb=client.heard,
                    name="anycable_rpc",
                )
        except TimeoutError as error:
            raise _Refused(tls_errors.explain(error) or _NO_GREETING) from error

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                async with asyncio.timeout(0.9):  # a server that does not read any more holds nobody up
                    await client.close()


def _explained(error: Exception) -> tuple[str, bool]:
    about_tls = tls_errors.explain(error)
    if about_tls or isinstance(error, _Refused):
        return about_tls or str(error), False
    known = next((row[1:] for row in _ERRORS if isinstance(error, row[0])), None)
    if known is None and isinstance(error, errors.Error):
        reason = str(error).removeprefix("nats: ")
        said = next(said for part, said in _SAID if part in reason.lower())
        return said.format(reason=shorten(reason, 200)), False
    return known or (f"it answered {type(error).__name__}", False)


def _address(url: str) -> str:
    """A URL as it may be shown: without user and password."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 4222
    except ValueError:
        raise _unusable() from None
    if parts.scheme not in _SCHEMES or not host or not url.isprintable() or " " in url:
        raise _unusable()
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _unusable() -> ConfigurationError:
    return ConfigurationError(
        "the servers of NATS are not nats://HOST:PORT or tls://…, with commas between, or the channel has spaces: set "
        "ANYCABLE_NATS_SERVERS, for example to nats://localhost:4222, and ANYCABLE_NATS_CHANNEL"
    )
