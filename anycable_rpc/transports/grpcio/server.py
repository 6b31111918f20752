"""The gRPC servers on grpcio, with health, TLS, overload and drain.

A `def` app runs on threads, an `async def` app on an event loop: two servers of one shape. Both admit `rpc_pool_size`
calls at a time. Beyond that they answer RESOURCE_EXHAUSTED, and anycable-go tries again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import sleep
from typing import TYPE_CHECKING, Any, cast

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as aio_health

from ...errors import BindError
from ...protocol.messages import METHODS, SERVICE
from ..admission import Admission, Refusal
from ..bytes_handler import bytes_handler
from ..runner import until
from ..sockets import check_free, key_pair
from ..watch import Watch
from .close_port import close_port
from .executor import Executor, GrpcioCall, refuse_with

if TYPE_CHECKING:
    from ...settings.model import Settings
    from ..service import Service

__all__ = ["AsyncServer", "LoopServer", "ThreadedServer", "options"]

_READ_FACTOR = 4
"""A request of up to so many times the allowed size is read, so that the service can say what is wrong with it.

gRPC itself would answer RESOURCE_EXHAUSTED, which anycable-go tries again. Each response is bounded, so a state
grows by no more than that before it is noticed.
"""

_FLUSH = 0.2  # seconds for the last answers to leave, and for those who watch the health
_HEALTH_NAMES = (health.OVERALL_HEALTH, SERVICE)
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def options(settings: Settings) -> list[tuple[str, Any]]:
    """Return grpcio's channel arguments. Those of the setting `rpc_server_args` come last and win.

    anycable-go pings every 10 s, also without calls; grpcio's own defaults take that for abuse (GOAWAY,
    too_many_pings).
    """
    age = int(settings.rpc_max_connection_age * 1000)
    largest = settings.rpc_max_call_send_size * _READ_FACTOR
    arguments: dict[str, Any] = {
        "grpc.so_reuseport": int(settings.rpc_reuse_port),
        "grpc.keepalive_permit_without_calls": 1,
        "grpc.http2.min_recv_ping_interval_without_data_ms": 5000,
        "grpc.http2.min_ping_interval_without_data_ms": 5000,
        "grpc.http2.max_ping_strikes": 0,
        "grpc.max_receive_message_length": min(largest, 2**31 - 1),
    }
    if age > 0:
        arguments["grpc.max_connection_age_ms"] = age
    for name, value in settings.rpc_server_args.items():
        arguments[name if name.startswith("grpc.") else f"grpc.{name}"] = value
    return list(arguments.items())


class _Health(health.HealthServicer):
    """Answers health checks on a thread of its own, so that they do not wait behind calls."""

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - grpcio's name
        return super().Check(request, context)

    # grpcio runs a method on the pool that it finds under this name in the function's dictionary. It has no public way.
    Check.__dict__["experimental_thread_pool"] = ThreadPoolExecutor(1, "anycable_rpc health")


class ThreadedServer:
    """Serves a `def` app on threads."""

    def __init__(self, service: Service) -> None:
        settings = service.cable.settings
        self._handler = bytes_handler(service)
        self._admission = Admission[GrpcioCall](settings.rpc_pool_size, service.threads, service.refusal_observers)
        self._executor = Executor(settings.rpc_pool_size, self._admission)
        self._server = grpc.server(cast("ThreadPoolExecutor", self._executor), options=options(settings))
        self._health = _Health(experimental_non_blocking=True)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._server.add_generic_rpc_handlers((_handlers(self._method_handler),))
        self.address = _bind(self._server, settings)
        self._port = int(self.address.rpartition(":")[2])
        self._watch = Watch(self._admission, service, settings.rpc_stuck_timeout, self._turn)

    def start(self) -> None:
        """Accept calls."""
        self._server.start()
        self._turn(True)
        self._watch.start()

    def stop(self, grace: float) -> bool:
        """Refuse new calls and wait up to `grace` seconds for those under way; return False when some were cut.

        gRPC's own drain answers some calls with CANCELLED, which anycable-go does not try again. It does try again when
        a call is refused, and when its connection is closed. So both happen here before gRPC's own stop.
        """
        self._admission.close()
        self._watch.stop()
        self._health.enter_graceful_shutdown()
        idle = self._admission.wait_idle(grace)
        sleep(_FLUSH if idle else 0)
        close_port(self._port)
        self._server.stop(None).wait()
        return idle

    def _turn(self, is_serving: bool) -> None:
        for name in _HEALTH_NAMES:
            self._health.set(name, _SERVING if is_serving else _NOT_SERVING)

    def _method_handler(self, method: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def handle(data: bytes, context: grpc.ServicerContext) -> bytes:
            call = self._executor.admitted
            if isinstance(call, Refusal):
                context.abort(*refuse_with(call))
            call.context, call.thread = context, threading.get_ident()
            return self._handler.handle(method, data, _metadata(context))

        return handle


class LoopServer:
    """A `ThreadedServer` with the methods of `AsyncServer`, for a program on an event loop."""

    def __init__(self, service: Service) -> None:
        self._server = ThreadedServer(service)
        self.address = self._server.address

    async def start(self) -> None:
        """Accept calls."""
        self._server.start()

    async def stop(self, grace: float) -> bool:
        """Do the same as `ThreadedServer.stop`."""
        return await asyncio.to_thread(self._server.stop, grace)


class AsyncServer:
    """Serves an `async def` app on the running event loop."""

    def __init__(self, service: Service) -> None:
        settings = service.cable.settings
        self._handler = bytes_handler(service)
        self._admission = Admission[GrpcioCall](settings.rpc_pool_size, service.threads, service.refusal_observers)
        self._server = grpc.aio.server(options=options(settings))
        self._health = aio_health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._server.add_generic_rpc_handlers((_handlers(self._method_handler),))
        self.address = _bind(self._server, settings)
        self._port = int(self.address.rpartition(":")[2])
        self._watch = Watch(self._admission, service, settings.rpc_stuck_timeout, self._turn_soon)

    async def start(self) -> None:
        """Accept calls."""
        self._loop = asyncio.get_running_loop()
        await self._server.start()
        await self._turn(True)
        self._watch.start()

    async def stop(self, grace: float) -> bool:
        """Do the same as `ThreadedServer.stop`."""
        self._admission.close()
        self._watch.stop()
        await self._health.enter_graceful_shutdown()
        idle = await until(self._admission.is_idle, grace)
        await asyncio.sleep(_FLUSH if idle else 0)
        close_port(self._port)
        await self._server.stop(None)
        return idle

    def _turn_soon(self, is_serving: bool) -> None:
        """Turn the health from the thread of the watch."""
        with suppress(RuntimeError):  # the loop has been closed: nobody asks
            self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._turn(is_serving)))

    async def _turn(self, is_serving: bool) -> None:
        for name in _HEALTH_NAMES:
            await self._health.set(name, _SERVING if is_serving else _NOT_SERVING)

    def _method_handler(self, method: str) -> Any:
        async def handle(data: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            call = GrpcioCall()
            refusal = self._admission.enter(call)
            if refusal:
                await context.abort(*refuse_with(refusal))
            call.context = context
            call.coroutine = self._handler.ahandle(method, data, _metadata(context))
            try:
                return await call.coroutine
            finally:
                self._admission.leave(call)

        return handle


def _handlers(handler: Callable[[str], Any]) -> grpc.GenericRpcHandler:
    """Return handlers without serialisers: bytes come in and go out."""
    return grpc.method_handlers_generic_handler(
        SERVICE, {method: grpc.unary_unary_rpc_method_handler(handler(method)) for method in METHODS}
    )


def _metadata(context: Any) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


def _bind(server: Any, settings: Settings) -> str:
    """Listen, and return HOST:PORT with the real port."""
    pair = key_pair(settings)
    # Ask the system first: gRPC does not say why it cannot listen, and writes to stderr by itself.
    check_free(settings.rpc_host, settings.rpc_reuse_port)
    try:
        if pair is None:
            port = server.add_insecure_port(settings.rpc_host)
        else:
            port = server.add_secure_port(settings.rpc_host, grpc.ssl_server_credentials([pair]))
    except RuntimeError:
        port = 0
    if not port:
        raise BindError(f"cannot listen on {settings.rpc_host}: gRPC refused it; check the TLS certificate and key")
    host, _, _ = settings.rpc_host.rpartition(":")
    return f"{host}:{port}"
