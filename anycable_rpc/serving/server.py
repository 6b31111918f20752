"""Running the RPC server as a process: start, signals, drain.

The first SIGTERM or SIGINT drains: health turns NOT_SERVING and calls under way end. The second ends at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from google.protobuf.internal import api_implementation

from ..errors import ConfigurationError
from ..transports.runner import is_interrupt
from ..transports.service import Service
from .lines import broadcasting, listening, stopping
from .lost_attributes import forbid
from .signals import claim_wakeup_fd, on_signals, stop_event, warn_of_cut

if TYPE_CHECKING:
    from ..cable import Cable
    from ..settings.model import Settings

__all__ = ["RPCServer", "Say", "drained", "leave", "rpc_server", "run_loop", "serve", "service_of"]

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


def serve(cable: Cable, settings: Settings, say: Say, turned: Callable[[bool], object] = bool) -> None:
    """Serve the cable over gRPC until a signal comes; `turned` is told when the health turns, on any thread.

    Raises:
        BindError: the system refused the address.
        ConfigurationError: the TLS settings are not usable.
    """
    service = service_of(cable, settings)
    service.turned = turned
    if service.is_async or settings.rpc_engine != "grpcio":
        run_loop(_serve_async(service, settings, say))
    else:
        leave(_serve_threaded(service, settings, say))


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
        forbid(cable)
    return Service(
        cable,
        version_check=settings.version_check_enabled,
        sid_header=settings.sid_header_enabled,
        threads=settings.rpc_pool_size,
    )


def run_loop(main: Coroutine[Any, Any, bool]) -> None:
    """Run it on an event loop, uvloop's when that is installed, and `leave` with what it returns.

    A SystemExit or a KeyboardInterrupt stops a loop. One that a task of the user's raises stops only that task.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        loop = runner.get_loop()
        task = loop.create_task(main)
        while not task.done():
            try:
                loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt) as error:
                if task.done() or is_interrupt(error):
                    raise
                logger.error("a task raised %s", type(error).__name__, exc_info=error)
                loop.call_soon(claim_wakeup_fd)  # uvloop has its own descriptor again when it goes on
        leave(task.result())  # before the loop is closed: that would wait for tasks that ignore their cancellation


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def leave(all_ended: bool) -> None:
    """Return, unless a callback that does not end would keep the interpreter from exiting."""
    if not all_ended:
        warn_of_cut()
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


def _serve_threaded(service: Service, settings: Settings, say: Say) -> bool:
    stop = threading.Event()
    on_signals(stop.set, settings.shutdown_timeout)
    from ..transports.grpcio.server import ThreadedServer  # not above: the other engine does without grpcio

    server = ThreadedServer(service, settings)
    server.start()
    for line in (listening(server.address, settings, service), *broadcasting(service.cable)):
        say(line)
    stop.wait()
    say(stopping(settings))
    return server.stop(settings.shutdown_timeout)


async def _serve_async(service: Service, settings: Settings, say: Say) -> bool:
    stop = stop_event(settings.shutdown_timeout)
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
        from ..transports.asyncio import Server

        return Server(service, settings)
    from ..transports.grpcio.server import AsyncServer, LoopServer

    return AsyncServer(service, settings) if service.is_async else LoopServer(service, settings)


async def drained(service: Service, stop: Callable[[float], Awaitable[bool]], grace: float) -> bool:
    """Stop a server, and wait for callbacks whose calls were cancelled; False when some still run after all."""
    deadline = monotonic() + grace
    answered = await stop(grace)
    return await service.threads.wait_idle(deadline - monotonic()) and answered
