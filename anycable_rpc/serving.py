"""Running the RPC server as a process: start, signals, drain.

The first SIGTERM or SIGINT drains: health turns NOT_SERVING and calls under way end. The second ends at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from google.protobuf.internal import api_implementation

from .errors import ConfigurationError
from .service import Service

if TYPE_CHECKING:
    from .cable import Cable
    from .settings import Settings

__all__ = [
    "RPCServer",
    "Say",
    "drained",
    "leave",
    "listening",
    "rpc_server",
    "run_loop",
    "serve",
    "service_of",
    "stop_event",
    "stopping",
]

logger = logging.getLogger("anycable_rpc")

Say = Callable[[str], None]
"""Takes a line for the person who has started the server."""


class RPCServer(Protocol):
    """An engine that serves on the running event loop."""

    address: str

    async def start(self) -> None:
        """Accept calls."""

    async def stop(self, grace: float) -> bool:
        """Refuse new calls and wait up to `grace` seconds for those under way; False when some were cut."""
        ...


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(cable: Cable, settings: Settings, say: Say) -> None:
    """Serve the cable over gRPC until a signal comes.

    Raises:
        BindError: the system refused the address.
        ConfigurationError: the TLS settings are not usable.
    """
    service = service_of(cable, settings)
    if service.is_async or settings.rpc_engine != "grpcio":
        leave(run_loop(_serve_async(service, settings, say)))
    else:
        leave(_serve_threaded(service, settings, say))


_NO_LIMIT = 2**32  # bytes: no message of gRPC has more


def service_of(cable: Cable, settings: Settings) -> Service:
    """The cable as the settings want it served.

    Raises:
        ConfigurationError: protobuf is here without its compiled code.
    """
    if api_implementation.Type() == "python":
        raise ConfigurationError(
            "protobuf runs without its compiled code, which makes each call take twice as long and more: unset "
            "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION, or reinstall it with pip install --force-reinstall protobuf"
        )
    if settings.debug:
        cable.guard()
    return Service(
        cable,
        version_check=settings.version_check_enabled,
        sid_header=settings.sid_header_enabled,
        threads=settings.rpc_pool_size,
        largest_request=_largest_request(settings),
        largest_answer=settings.rpc_max_call_recv_size,
    )


def _largest_request(settings: Settings) -> int:
    """The setting, unless gRPC's own argument says something else: then gRPC checks it, and -1 is no limit."""
    arguments = {name.removeprefix("grpc."): value for name, value in settings.rpc_server_args.items()}
    own = arguments.get("max_receive_message_length", settings.rpc_max_call_send_size)
    return own if isinstance(own, int) and own >= 0 else _NO_LIMIT


def run_loop(main: Coroutine[Any, Any, bool]) -> bool:
    """`asyncio.run`, with uvloop when it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def on_signals(stop: Callable[[], object]) -> None:
    """Call `stop` on the first signal, end the process on the second, both in a thread of its own.

    The main thread cannot be relied on: Python runs handlers there alone, but the system may wake another thread,
    and user code may block it. An event loop must be running before this is called: loops set the wake-up
    descriptor too.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    for number in _SIGNALS:
        signal.signal(number, _nothing)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader, writer, stop), name="anycable_rpc signals", daemon=True).start()


def _nothing(number: int, frame: FrameType | None) -> None:
    """The system needs a handler in order to wake the watching thread."""


def _watch(reader: socket.socket, writer: socket.socket, stop: Callable[[], object]) -> None:
    for handle in (stop, _end_at_once):
        while reader.recv(1)[0] not in _SIGNALS:
            pass
        handle()


def stop_event() -> asyncio.Event:
    """An event of the running loop that the first signal sets."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    on_signals(lambda: loop.call_soon_threadsafe(event.set))
    return event


def leave(all_ended: bool) -> None:
    """Return, unless a callback that does not end would keep the interpreter from exiting."""
    if not all_ended:
        logger.warning("some calls were still running when the shutdown timeout was over: they are cut")
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


def _serve_threaded(service: Service, settings: Settings, say: Say) -> bool:
    stop = threading.Event()
    on_signals(stop.set)
    from .grpc_server import ThreadedServer  # not above: the other engine does without grpcio

    server = ThreadedServer(service, settings)
    server.start()
    for line in (listening(server.address, settings, service), *broadcasting(service.cable)):
        say(line)
    stop.wait()
    say(stopping(settings))
    return server.stop(settings.shutdown_timeout)


async def _serve_async(service: Service, settings: Settings, say: Say) -> bool:
    stop = stop_event()
    server = rpc_server(service, settings)
    await server.start()
    for line in (listening(server.address, settings, service), *broadcasting(service.cable)):
        say(line)
    await stop.wait()
    say(stopping(settings))
    return await drained(service, server.stop, settings.shutdown_timeout)


def rpc_server(service: Service, settings: Settings) -> RPCServer:
    """The engine that the settings name, for the running event loop."""
    if settings.rpc_engine == "asyncio":
        from .http2 import Server

        return Server(service, settings)
    from .grpc_server import AsyncServer, LoopServer

    return AsyncServer(service, settings) if service.is_async else LoopServer(service, settings)


async def drained(service: Service, stop: Callable[[float], Awaitable[bool]], grace: float) -> bool:
    """Stop a server, and wait for callbacks whose calls were cancelled; False when some still run after all."""
    deadline = monotonic() + grace
    answered = await stop(grace)
    ended = await asyncio.to_thread(service.threads.wait_idle, max(0, deadline - monotonic()))
    return answered and ended


def listening(address: str, settings: Settings, service: Service) -> str:
    """The line that says that calls are accepted."""
    place = "an event loop" if service.is_async else "threads"
    engine = "" if settings.rpc_engine == "grpcio" else f"; engine: {settings.rpc_engine}"
    return f"RPC server is listening on {address} ({settings.rpc_pool_size} calls at a time, on {place}{engine})"


def broadcasting(cable: Cable) -> Iterator[str]:
    """The line that says where publications go, if that is anywhere outside."""
    with suppress(ConfigurationError):  # an app that never broadcasts can be served nevertheless
        broadcaster = cable.broadcaster
        address, channel = (getattr(broadcaster, name, "") for name in ("address", "channel"))
        if address:
            where = f"{address}, channel {channel}" if channel else address
            yield f"Broadcasts go to {where} ({type(broadcaster).__name__})"


def stopping(settings: Settings) -> str:
    """The line that says that they no longer are."""
    return f"Stopping: calls under way have {settings.shutdown_timeout:g} s to end; a second signal ends them now"


def _end_at_once() -> None:
    """Without any lock: somebody may hold it."""
    os._exit(1)
