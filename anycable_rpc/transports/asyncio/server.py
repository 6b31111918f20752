"""The server: listens, greets each peer, and ends with all of them."""

from __future__ import annotations

import asyncio
import random
import ssl
import tempfile
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ConfigurationError
from ..bytes_handler import bytes_handler
from ..http2.budget import Budget
from ..http2.limits import Limits
from ..sockets import key_pair, listeners
from ..watch import Watch
from .calls import Calls
from .health import Health
from .heap import trim
from .peer import Peer, Shared

if TYPE_CHECKING:
    from ...settings.model import Settings
    from ..service import Service

__all__ = ["Server", "limits"]

_FLUSH = 0.2  # seconds for the last answers to leave, and for peers to hear that we go
_MUCH = 8 * 2**20  # bytes that were kept and no longer are: worth the milliseconds to give them back
_HANDSHAKE = 10.0  # seconds for TLS
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # what HTTP/2 allows of TLS 1.2 (RFC 9113, 9.2.2)
_LIMITS = {
    "max_receive_message_length": "message",
    "max_metadata_size": "headers",
    "max_concurrent_streams": "streams",
    "http2.hpack_table_size.decoder": "table",
}
"""grpcio's names for limits that mean the same here."""


def limits(settings: Settings) -> Limits:
    """The limits, with those that `rpc_server_args` change.

    Raises:
        ConfigurationError: an argument means nothing to this engine, or is no positive number.
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


class Server:
    """Serves a `def` app on threads and an `async def` app on the running event loop; unary gRPC alone."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self._settings = settings
        self._tls = _tls(settings)
        chosen = limits(settings)
        calls, budget = Calls(bytes_handler(service, settings), settings.rpc_pool_size), Budget(chosen.budget)
        self._shared = Shared(calls, Health(), chosen, budget, set(), self._longest)
        self._watch = Watch(calls.admission, service, settings.rpc_stuck_timeout, self._turn)
        self._listeners = listeners(settings.rpc_host, settings.rpc_reuse_port)
        host, _, _ = settings.rpc_host.rpartition(":")
        self.address = f"{host}:{self._listeners[0].getsockname()[1]}"
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Accept calls."""
        self._loop = loop = asyncio.get_running_loop()
        self._watch.start()
        patience = _HANDSHAKE if self._tls else None
        for listener in self._listeners:
            server = await loop.create_server(
                lambda: Peer(self._shared),
                sock=listener,
                backlog=1024,
                ssl=self._tls,
                ssl_handshake_timeout=patience,
            )
            self._servers.append(server)
        self._ticking = loop.create_task(self._tick())

    async def stop(self, grace: float) -> bool:
        """Refuse new calls and wait up to `grace` seconds for those under way; False when some were cut.

        Then peers are told to go: first that the connection will end, then with which stream (GOAWAY twice).
        """
        self._shared.calls.close()
        self._watch.stop()
        self._shared.health.end()
        idle = await self._shared.calls.wait_idle(grace)
        for server in self._servers:
            server.close()
        for peer in list(self._shared.peers):
            peer.drain()
        await asyncio.sleep(_FLUSH if idle else 0)
        self._shared.calls.end()
        for peer in list(self._shared.peers):
            peer.close()
        await asyncio.sleep(0)
        self._ticking.cancel()
        return idle

    def _turn(self, is_serving: bool) -> None:
        """On the watch's thread."""
        with suppress(RuntimeError):  # the loop has been closed: nobody asks
            self._loop.call_soon_threadsafe(self._shared.health.turn, is_serving)

    def _longest(self) -> float:
        """How many seconds a connection lasts: a tenth more or less, so that not all end together."""
        return self._settings.rpc_max_connection_age * random.uniform(0.9, 1.1) or inf  # noqa: S311

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1)
            for peer in list(self._shared.peers):
                peer.a_second_passed()
            if self._shared.budget.has_fallen(_MUCH):
                trim()


def _tls(settings: Settings) -> ssl.SSLContext | None:
    pair = key_pair(settings)
    if pair is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["h2"])
    with tempfile.TemporaryDirectory() as folder:  # the only way in is by files
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
