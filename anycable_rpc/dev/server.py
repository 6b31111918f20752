"""Everything in one process, for development: the RPC server, the gateway, and a web application beside it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EADDRINUSE
from math import inf
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import uvicorn

from ..broadcasters.rest_api import RestAPI
from ..errors import AnyCableError, BindError
from ..gateway import ASGI, Gateway, GatewayOptions, uvicorn_options
from ..gateway.http_endpoints import BROADCAST_PATH
from ..serving.declared_messages import check_messages
from ..serving.drain import drain
from ..serving.lines import listening_line, stopping_line
from ..serving.lost_attributes import forbid_lost_attributes
from ..serving.server import Say, rpc_server, run_loop, service_of
from ..serving.stop_order import Stop
from ..transports.bytes_handler import bytes_handler
from ..transports.sockets import bind

if TYPE_CHECKING:
    from ..cable import Cable
    from ..settings.model import Settings

__all__ = ["run"]

logger = logging.getLogger("anycable_rpc")

_GOODBYE = 2.0  # seconds for clients to be told that the server is going


def run(cable: Cable, web: ASGI | None, say: Say, stop: Stop) -> bool:
    """Serve the cable to browsers, and over gRPC too, until the order to stop comes.

    Returns:
        False when some callbacks still run.

    Raises:
        BindError: the system refused an address.
        ConfigurationError: the TLS settings are not usable.
    """
    return run_loop(_run(cable, web, say, stop))


async def _run(cable: Cable, web: ASGI | None, say: Say, stop: Stop) -> bool:
    settings, stopped = cable.settings, stop.event()
    forbid_lost_attributes(cable)
    check_messages(cable)
    service = service_of(cable)
    gateway = Gateway(bytes_handler(service).ahandle, GatewayOptions.of(settings), web)
    cable.broadcaster = gateway
    with _listener(settings.host, settings.port) as listener:
        if not settings.api_url:
            cable.rest_api = RestAPI(f"http://{_reachable(listener)}/api", settings.keys.api)
        rpc = rpc_server(service)
        await rpc.start()
        deadline = inf
        try:
            say(listening_line(rpc.address, service))
            server = _Server(gateway, listener)
            await server.start()
            _warn_of_ignored(settings, listener)
            for line in _address_lines(listener, settings, web):
                say(line)
            await server.wait(stopped)
            say(stopping_line(settings))
            deadline = monotonic() + settings.shutdown_timeout
            await gateway.shutdown(_GOODBYE)
            await server.stop()
        finally:
            ended = await drain(service, rpc.stop, min(settings.shutdown_timeout, max(0, deadline - monotonic())))
        return ended


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone, on a socket that already listens."""

    def __init__(self, gateway: Gateway, listener: socket.socket) -> None:
        options = uvicorn_options(gateway.options)
        super().__init__(uvicorn.Config(gateway, timeout_graceful_shutdown=int(_GOODBYE), **options))
        self._listener = listener
        self._up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no handlers: signals are the business of the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and let `start` go on."""
        try:
            await super().startup(sockets)
        except SystemExit:  # how uvicorn ends when the application's lifespan fails
            self.should_exit = True
        finally:
            self._up.set()

    async def start(self) -> None:
        """Serve from now on.

        Raises:
            AnyCableError: the lifespan of the web application failed.
        """
        self._serving = asyncio.ensure_future(self.serve(sockets=[self._listener]))
        await self.wait(self._up)
        if not self.started:
            raise AnyCableError("the web application did not start; its log says why")

    async def wait(self, event: asyncio.Event) -> None:
        """Wait until the event is set or the server has ended by itself."""
        waiting = asyncio.ensure_future(event.wait())
        await asyncio.wait([waiting, self._serving], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def stop(self) -> None:
        self.should_exit = True
        await self._serving


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = bind(family, socket.SOCK_STREAM, (host, port))
    except (OSError, UnicodeError) as error:
        raise _bind_error(host, port, error) from None
    listener.listen(2048)
    return listener


def _bind_error(host: str, port: int, error: OSError | UnicodeError) -> BindError:
    """Return the error with the option to change: another port, or a host that is on this machine."""
    reason = error.strerror if isinstance(error, OSError) else "not a host name"
    is_port = isinstance(error, OSError) and error.errno in (EADDRINUSE, EACCES)
    advice = "choose another --port" if is_port else "name an address of this machine with --host"
    return BindError(f"cannot listen on {host}, port {port}: {reason}; {advice}")


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reachable(listener: socket.socket) -> str:
    """Return an address at which programs on this machine can connect to the listener."""
    return _address(listener).replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")


def _broadcast_hint(listener: socket.socket, settings: Settings) -> str:
    """Return the line that says what another process on this machine exports so that its broadcasts come here."""
    words = [f"ANYCABLE_HTTP_BROADCAST_URL=http://{_reachable(listener)}{BROADCAST_PATH}"]
    if settings.broadcast_adapter != "http":
        words.append("ANYCABLE_BROADCAST_ADAPTER=http")
    key, hint = GatewayOptions.of(settings).required_broadcast_key, ""
    if key:
        words.append(f"ANYCABLE_BROADCAST_KEY={key if settings.show_secret else '…'}")
        hint = "" if settings.show_secret else " (with the key in place of …: --show-secret prints it)"
    return f"To broadcast from other processes: export {' '.join(words)}{hint}"


def _warn_of_ignored(settings: Settings, listener: socket.socket) -> None:
    """Warn of settings for other commands, which may be in an environment that is shared."""
    port = urlsplit(settings.http_broadcast_url or "").port or 80
    is_here = settings.http_broadcast_url is None or port == listener.getsockname()[1]
    ignored = {
        "broadcast_adapter": settings.broadcast_adapter not in ("http", "memory"),
        "http_broadcast_url": not is_here,
    }
    for name in (name for name, is_ignored in ignored.items() if is_ignored):
        logger.warning("dev ignores ANYCABLE_%s (%s): what this process broadcasts goes to its own gateway, and others "
                       "broadcast to it over HTTP; with anycable-go use serve", name.upper(), name)  # fmt: skip
    for name in ("workers", "worker_cpu_affinity", "http_health_port"):
        if getattr(settings, name) != type(settings).model_fields[name].default:
            logger.warning("dev ignores ANYCABLE_%s (%s): it is one process; use serve", name.upper(), name)


def _address_lines(listener: socket.socket, settings: Settings, web: ASGI | None) -> Iterator[str]:
    address = _address(listener)
    sockets = ", ".join(f"ws://{address}{path}" for path in settings.paths)
    yield f"Gateway is listening on {sockets} (for development: in production run anycable-go)"
    yield _broadcast_hint(listener, settings)
    if web is not None:
        yield f"Open http://{address}/"
