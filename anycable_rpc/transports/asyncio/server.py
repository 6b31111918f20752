"""The server: it listens, keeps its connections, and drains them when it stops."""

from __future__ import annotations

import asyncio
import random
import ssl
import tempfile
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import ConfigurationError
from ..bytes_handler import bytes_handler
from ..http2.budget import Budget
from ..http2.limits import Limits
from ..sockets import key_pair, listeners
from ..watch import Watch
from .calls import CallQueue
from .health import Health
from .heap import trim
from .peer import Peer, ServerContext

if TYPE_CHECKING:
    from ...settings.model import Settings
    from ..service import Service

__all__ = ["Server", "ServerStatistics", "limits"]

_FLUSH = 0.2  # seconds for the last answers to be sent, and for peers to read GOAWAY
_WORTH_TRIMMING = 8 * 2**20  # freed bytes that are worth the milliseconds of giving them back to the system
_HANDSHAKE = 10.0  # seconds for TLS
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # the ciphers of TLS 1.2 that HTTP/2 allows (RFC 9113, 9.2.2)
_LIMITS = {
    "max_receive_message_length": "message",
    "max_metadata_size": "headers",
    "max_concurrent_streams": "streams",
    "http2.hpack_table_size.decoder": "table",
}
"""The names of grpcio's channel arguments for limits that mean the same here."""


def limits(settings: Settings) -> Limits:
    """Return the limits, changed by `rpc_server_args`.

    Raises:
        ConfigurationError: an argument is unknown to this engine, or is no positive number.
    """
    changed = {"message": settings.rpc_max_call_send_size}
    for name, value in settings.rpc_server_args.items():
        limit = _LIMITS.get(name.removeprefix("grpc."))
        if limit is None:
            known = ", ".join(_LIMITS)
            raise ConfigurationError(f"--rpc-server-args: --rpc-engine=asyncio knows {known}; leave out others")
        if not isinstance(value, int) or not 0 < value < 2**30:
            raise ConfigurationError(f"--rpc-server-args: {name} must be a number from 1 to {2**30 - 1}")
        changed[limit] = value
    return Limits(**changed)


class ServerStatistics(NamedTuple):
    """The numbers of open connections, of calls under way, and of bytes kept for requests and answers."""

    connections: int
    calls: int
    buffered: int


class Server:
    """Serve a `def` app on threads, and an `async def` app on the running event loop."""

    def __init__(self, service: Service) -> None:
        self._settings = settings = service.cable.settings
        self._tls = _tls(settings)
        chosen = limits(settings)
        calls, budget = CallQueue(bytes_handler(service), settings.rpc_pool_size), Budget(chosen.budget)
        self._context = ServerContext(
            calls=calls, health=Health(), limits=chosen, budget=budget, peers=set(), max_age=self._max_age
        )
        self._watch = Watch(calls.admission, service, settings.rpc_stuck_timeout, self._turn)
        self._listeners = listeners(settings.rpc_host, settings.rpc_reuse_port)
        host, _, _ = settings.rpc_host.rpartition(":")
        self.address = f"{host}:{self._listeners[0].getsockname()[1]}"
        self._servers: list[asyncio.Server] = []

    def statistics(self) -> ServerStatistics:
        """Return the numbers of this moment."""
        context = self._context
        return ServerStatistics(len(context.peers), len(context.calls.admission.under_way), context.budget.held)

    async def start(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._watch.start()
        patience = _HANDSHAKE if self._tls else None
        for listener in self._listeners:
            server = await loop.create_server(
                lambda: Peer(self._context),
                sock=listener,
                backlog=1024,
                ssl=self._tls,
                ssl_handshake_timeout=patience,
            )
            self._servers.append(server)
        self._ticking = loop.create_task(self._tick())

    async def stop(self, grace: float) -> bool:
        """Refuse new calls and wait up to `grace` seconds for those under way; return False if some were cut.

        Then each peer is sent GOAWAY twice: first that the connection will end, then which stream is the last. Calls
        that are cut get no answer: the connection is closed, and anycable-go tries them again.
        """
        self._context.calls.close()
        self._watch.stop()
        self._context.health.end()
        idle = await self._context.calls.wait_idle(grace)
        for server in self._servers:
            server.close()
        for peer in list(self._context.peers):
            peer.drain()
        await asyncio.sleep(_FLUSH if idle else 0)
        self._context.calls.cancel_all()
        for peer in list(self._context.peers):
            peer.close()
        await asyncio.sleep(0)  # the transports close in the next turn of the event loop
        self._ticking.cancel()
        return idle

    def _turn(self, is_serving: bool) -> None:
        """Change the health; called on the watch's thread."""
        with suppress(RuntimeError):  # the event loop is closed: nobody asks any more
            self._loop.call_soon_threadsafe(self._context.health.turn, is_serving)

    def _max_age(self) -> float:
        """Return the seconds that a connection lasts: a tenth more or less, so that not all end together."""
        return self._settings.rpc_max_connection_age * random.uniform(0.9, 1.1) or inf  # noqa: S311

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1)
            for peer in list(self._context.peers):
                peer.tick()
            if self._context.budget.has_fallen(_WORTH_TRIMMING):
                trim()


def _tls(settings: Settings) -> ssl.SSLContext | None:
    pair = key_pair(settings)
    if pair is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["h2"])
    with tempfile.TemporaryDirectory() as folder:  # the ssl module takes certificates from files only
        key, certificate = Path(folder, "key.pem"), Path(folder, "certificate.pem")
        for file, content in zip((key, certificate), pair, strict=True):
            file.touch(mode=0o600)
            file.write_bytes(content)
        try:
            context.load_cert_chain(certificate, key, password="")
        except ssl.SSLError:
            raise ConfigurationError(
                "--rpc-tls-cert and --rpc-tls-key: they are not a certificate and its key, or the key has a password"
            ) from None
    return context
