"""Running the RPC server as a process: start, signals, drain.

The first SIGTERM or SIGINT drains: health turns NOT_SERVING and calls under way end. The second ends at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import TYPE_CHECKING, Any

from .grpc_server import AsyncServer, ThreadedServer
from .service import Service

if TYPE_CHECKING:
    from .cable import Cable
    from .settings import Settings

__all__ = ["Say", "leave", "listening", "on_signals", "run_loop", "serve", "service_of", "stopping"]

logger = logging.getLogger("anycable_rpc")

Say = Callable[[str], None]
"""Takes a line for the person who has started the server."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(cable: Cable, settings: Settings, say: Say) -> None:
    """Serve the cable over gRPC until a signal comes.

    Raises:
        BindError: the system refused the address.
        ConfigurationError: the TLS settings are not usable.
    """
    service = service_of(cable, settings)
    if service.is_async:
        drained = run_loop(_serve_async(service, settings, say))
    else:
        drained = _serve_threaded(service, settings, say)
    leave(drained)


def service_of(cable: Cable, settings: Settings) -> Service:
    """The cable as the settings want it served."""
    return Service(
        cable,
        version_check=settings.version_check_enabled,
        sid_header=settings.sid_header_enabled,
        pool=ThreadPoolExecutor(settings.rpc_pool_size, "anycable_rpc callback"),
    )


def run_loop(main: Coroutine[Any, Any, bool]) -> bool:
    """`asyncio.run`, with uvloop when it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def on_signals(stop: Callable[[], None], loop: asyncio.AbstractEventLoop | None = None) -> None:
    """Call `stop` on the first signal, end the process on the second."""
    received = iter((stop, _end_at_once))

    def handle(number: int, frame: FrameType | None = None) -> None:
        next(received, _end_at_once)()

    for number in _SIGNALS:
        if loop is None:
            signal.signal(number, handle)
        else:
            loop.add_signal_handler(number, handle, number)


def leave(drained: bool) -> None:
    """Return, unless a callback that does not end would keep the interpreter from exiting."""
    if not drained:
        logger.warning("some calls were still running when the shutdown timeout was over: they are cut")
        _exit(0)


def _serve_threaded(service: Service, settings: Settings, say: Say) -> bool:
    stop = threading.Event()
    on_signals(stop.set)
    server = ThreadedServer(service, settings)
    server.start()
    say(listening(server.address, settings, service))
    stop.wait()
    say(stopping(settings))
    return server.stop(settings.shutdown_timeout)


async def _serve_async(service: Service, settings: Settings, say: Say) -> bool:
    stop = asyncio.Event()
    on_signals(stop.set, asyncio.get_running_loop())
    server = AsyncServer(service, settings)
    await server.start()
    say(listening(server.address, settings, service))
    await stop.wait()
    say(stopping(settings))
    return await server.stop(settings.shutdown_timeout)


def listening(address: str, settings: Settings, service: Service) -> str:
    """The line that says that calls are accepted."""
    engine = "an event loop" if service.is_async else "threads"
    return f"RPC server is listening on {address} ({settings.rpc_pool_size} calls at a time, on {engine})"


def stopping(settings: Settings) -> str:
    """The line that says that they no longer are."""
    return f"Stopping: calls under way have {settings.shutdown_timeout:g} s to end; a second signal ends them now"


def _end_at_once() -> None:
    _exit(1)


def _exit(code: int) -> None:
    """Threads that run user code cannot be ended: leave without waiting for them."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
