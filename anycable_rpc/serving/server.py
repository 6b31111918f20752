"""Serving a cable over gRPC: start, wait for the order to stop, drain.

A drain turns health to NOT_SERVING and lets calls under way end. The order comes from signals (`signals.py`) or from
whatever else the owner of the process listens to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

from google.protobuf.internal import api_implementation

from ..errors import ConfigurationError
from ..transports.runner import is_interrupt
from ..transports.service import Service
from .declared_messages import check_messages
from .drain import drain
from .lines import broadcast_lines, listening_line, stopping_line
from .lost_attributes import forbid_lost_attributes
from .signals import keep_signals
from .stop_order import Stop

if TYPE_CHECKING:
    from ..cable import Cable

__all__ = ["RPCServer", "Say", "rpc_server", "run_loop", "serve", "service_of"]

logger = logging.getLogger("anycable_rpc")

Say = Callable[[str], None]
"""A function that takes a line for the person who has started the server."""

_left_open: list[ExitStack] = []
"""Event loops with tasks that do not end. They are kept so that Python does not warn about unfinished tasks."""


class RPCServer(Protocol):
    """An engine that serves on the running event loop."""

    address: str

    async def start(self) -> None: ...

    async def stop(self, grace: float) -> bool:
        """Refuse new calls and wait up to `grace` seconds for those under way; return False when some were cut."""
        ...


def serve(cable: Cable, say: Say, stop: Stop, on_health_change: Callable[[bool], object] | None = None) -> bool:
    """Serve the cable over gRPC until the order to stop comes. Signals are the business of the caller.

    Args:
        cable: the app, with its settings.
        say: takes the lines about the start and the end.
        stop: the order. Make a `Stop()` to give it yourself, or `stop_on_signals(timeout)` to let signals give it.
        on_health_change: called with True or False when the health turns, on any thread.

    Returns:
        False when some callbacks still run (`exit_if_stuck`).

    Raises:
        BindError: the system refused the address.
        ConfigurationError: the TLS settings are not usable.
    """
    service = service_of(cable)
    if on_health_change:
        service.on_health_change = on_health_change
    if service.is_async or cable.settings.rpc_engine != "grpcio":
        return run_loop(_serve_async(service, say, stop))
    return _serve_threaded(service, say, stop)


def service_of(cable: Cable) -> Service:
    """Return the service that answers for the cable, as its settings say.

    Raises:
        ConfigurationError: protobuf is installed without its compiled code.
    """
    if api_implementation.Type() == "python":
        raise ConfigurationError(
            "protobuf runs without its compiled code, which makes each call take twice as long and more: unset "
            "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION, or reinstall it with pip install --force-reinstall protobuf"
        )
    if cable.settings.debug:
        forbid_lost_attributes(cable)
        check_messages(cable)
    return Service.of(cable)


def run_loop(main: Coroutine[Any, Any, bool]) -> bool:
    """Run a server on an event loop (uvloop's if that is installed) and return its result: whether all has ended.

    A SystemExit or a KeyboardInterrupt stops an event loop. One that a task of the app raises ends only that task.
    """
    with ExitStack() as stack:
        loop = stack.enter_context(asyncio.Runner(loop_factory=_loop_factory())).get_loop()
        loop.call_soon(keep_signals)
        task = loop.create_task(main)
        while not task.done():
            try:
                loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt) as error:
                if task.done() or is_interrupt(error):
                    raise
                logger.error("a task raised %s", type(error).__name__, exc_info=error)
                loop.call_soon(keep_signals)
        if not task.result():  # to close the loop would wait for tasks that ignore their cancellation
            _left_open.append(stack.pop_all())
        return task.result()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _serve_threaded(service: Service, say: Say, stop: Stop) -> bool:
    from ..transports.grpcio.server import ThreadedServer  # not above: the other engine does without grpcio

    settings = service.cable.settings
    server = ThreadedServer(service)
    server.start()
    for line in (listening_line(server.address, service), *broadcast_lines(service.cable)):
        say(line)
    stop.wait()
    say(stopping_line(settings))
    return server.stop(settings.shutdown_timeout)


async def _serve_async(service: Service, say: Say, stop: Stop) -> bool:
    settings, stopped = service.cable.settings, stop.event()
    server = rpc_server(service)
    await server.start()
    for line in (listening_line(server.address, service), *broadcast_lines(service.cable)):
        say(line)
    await stopped.wait()
    say(stopping_line(settings))
    return await drain(service, server.stop, settings.shutdown_timeout)


def rpc_server(service: Service) -> RPCServer:
    """Return the engine that the settings name, for the running event loop."""
    if service.cable.settings.rpc_engine == "asyncio":
        from ..transports.asyncio import Server

        return Server(service)
    from ..transports.grpcio.server import AsyncServer, LoopServer

    return AsyncServer(service) if service.is_async else LoopServer(service)
