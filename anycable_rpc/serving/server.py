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
from math import inf
from time import monotonic, sleep
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from google.protobuf.internal import api_implementation

from ..errors import ConfigurationError
from ..transports.runner import is_interrupt
from ..transports.service import Service

if TYPE_CHECKING:
    from ..cable import Cable
    from ..settings.model import Settings

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


class _Wake:
    """The descriptor that the system writes signals to."""

    descriptor = -1

    def set(self) -> int:
        """Let Python know it; return the one that it replaces."""
        return signal.set_wakeup_fd(self.descriptor, warn_on_full_buffer=False)


_wake = _Wake()
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_MARGIN = 0.5  # seconds beyond the shutdown timeout for the end itself, and then for the log to say so


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
                loop.call_soon(_wake.set)  # uvloop has its own descriptor again when it goes on
        leave(task.result())  # before the loop is closed: that would wait for tasks that ignore their cancellation


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def on_signals(stop: Callable[[], object], timeout: float) -> None:
    """Call `stop` on the first signal. End the process on the second, or when `timeout` seconds are over.

    A thread of its own does that. The main thread cannot be relied on: Python runs handlers there alone, but the
    system may wake another thread, and user code may block it. An event loop must be running before this is called:
    loops set the wake-up descriptor too.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    _wake.descriptor = writer.fileno()
    for number in _SIGNALS:
        signal.signal(number, _forward)
    _wake.set()
    threading.Thread(
        target=_watch, args=(reader, writer, stop, timeout), name="anycable_rpc signals", daemon=True
    ).start()


def _forward(number: int, frame: FrameType | None) -> None:
    """Tell the watching thread, if the system has told another descriptor: uvloop's, just after it went on."""
    if _wake.set() != _wake.descriptor:
        os.write(_wake.descriptor, bytes([number]))


def _watch(reader: socket.socket, writer: socket.socket, stop: Callable[[], object], timeout: float) -> None:
    _await_signal(reader)
    deadline = monotonic() + timeout + _MARGIN
    stop()
    if _await_signal(reader, deadline):
        _end_at_once()
    threading.Thread(target=_warn_of_cut, daemon=True).start()
    sleep(_MARGIN)
    os._exit(0)


def _await_signal(reader: socket.socket, deadline: float = inf) -> bool:
    """Wait for a signal; False when the deadline has passed."""
    while (rest := deadline - monotonic()) > 0:
        reader.settimeout(None if rest == inf else rest)
        with suppress(TimeoutError):
            if reader.recv(1)[0] in _SIGNALS:
                return True
    return False


def stop_event(timeout: float) -> asyncio.Event:
    """An event of the running loop that the first signal sets; `timeout` seconds later the process ends."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    on_signals(lambda: loop.call_soon_threadsafe(event.set), timeout)
    return event


def leave(all_ended: bool) -> None:
    """Return, unless a callback that does not end would keep the interpreter from exiting."""
    if not all_ended:
        _warn_of_cut()
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


def _warn_of_cut() -> None:
    logger.warning("some calls were still running when the shutdown timeout was over: they are cut")


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
