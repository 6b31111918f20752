"""A real app behind each server: the gateway calls its service, anycable-go its gRPC server or its web server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from anycable_rpc import Cable
from anycable_rpc.protocol.messages import METHOD_NAMES, Request
from anycable_rpc.settings.model import Settings
from anycable_rpc.transports.bytes_handler import BytesHandler
from anycable_rpc.transports.grpcio.server import ThreadedServer
from anycable_rpc.transports.http import ASGIApp, WSGIApp
from anycable_rpc.transports.service import Service

from ..contract.transports import LoopThread
from ..e2e.servers import anycable_go_path, over_http
from ..gateway.client import Client
from ..gateway.conftest import ANYCABLE_GO, GATEWAY
from ..gateway.servers import Endpoint, serving_anycable_go, serving_gateway
from ..support.http_servers import AsgiServer, WsgiServer
from .app import HEADERS, make_cable

EXTENDED = ("actioncable-v1-ext-json",)
SECRET = "a secret for the scenarios, of 32 bytes"


class NotedService(Service):
    """The app, which records its calls."""

    def __init__(self, cable: Cable) -> None:
        super().__init__(cable)
        self.calls: list[str] = []
        self._lock = threading.Lock()

    def answer(self, request: Request, *arguments: Any, **named: Any) -> Any:
        self._note(request)
        return super().answer(request, *arguments, **named)

    async def aanswer(self, request: Request, *arguments: Any, **named: Any) -> Any:
        self._note(request)
        return await super().aanswer(request, *arguments, **named)

    def _note(self, request: Request) -> None:
        with self._lock:
            self.calls.append(METHOD_NAMES[type(request)])


@dataclass(kw_only=True)
class Served(Endpoint):
    """A server under test, and the cable and the service behind it; `shut_down` stops it while clients are there."""

    cable: Cable
    service: NotedService
    shut_down: Callable[[], Any]


class Serve(Protocol):
    """Starts a server under test."""

    def __call__(self, **options: Any) -> Served: ...


@contextmanager
def serving(kind: str, **options: Any) -> Generator[Served]:
    """The app behind a server of this kind."""
    cable = make_cable()
    service = NotedService(cable)
    with _START[kind](service, {"headers": HEADERS, **options}) as (endpoint, shut_down):
        cable.settings = Settings(
            jwt_secret=SECRET,
            streams_secret=SECRET,
            http_broadcast_url=f"http://{endpoint.broadcast_address}/_broadcast",
        )
        yield Served(cable=cable, service=service, shut_down=shut_down, **vars(endpoint))


@contextmanager
def _gateway(service: Service, options: Mapping[str, Any]) -> Generator[tuple[Endpoint, Callable[[], Any]]]:
    with serving_gateway(BytesHandler(service).ahandle, **options) as (gateway, server, endpoint):
        yield endpoint, lambda: server.run(gateway.shutdown())


@contextmanager
def _anycable_go(
    service: Service, options: Mapping[str, Any], *, serve: Callable[[ExitStack, Service], str]
) -> Generator[tuple[Endpoint, Callable[[], Any]]]:
    service.cable.settings = Settings(rpc_host="127.0.0.1:0")
    with ExitStack() as stack:
        rpc_host = serve(stack, service)
        program, endpoint = stack.enter_context(serving_anycable_go(rpc_host, **options))
        yield endpoint, program.stop


def _over_grpc(stack: ExitStack, service: Service) -> str:
    rpc = ThreadedServer(service)
    rpc.start()
    stack.callback(rpc.stop, 5)
    return rpc.address


def _over_asgi(stack: ExitStack, service: Service) -> str:
    loop = LoopThread()
    stack.callback(loop.close)
    web = AsgiServer(ASGIApp(service.cable, insecure=True, service_of=lambda _: service))
    loop(web.start())
    stack.callback(lambda: loop(web.stop(5)))
    return over_http(web.address)


def _over_wsgi(stack: ExitStack, service: Service) -> str:
    web = WsgiServer(WSGIApp(service.cable, insecure=True, service_of=lambda _: service), threads=30)
    web.start()
    stack.callback(web.stop, 5)
    return over_http(web.address)


_START: Mapping[str, Callable[..., AbstractContextManager[tuple[Endpoint, Callable[[], Any]]]]] = {
    GATEWAY: _gateway,
    ANYCABLE_GO: partial(_anycable_go, serve=_over_grpc),
    "anycable-go over ASGI": partial(_anycable_go, serve=_over_asgi),
    "anycable-go over WSGI": partial(_anycable_go, serve=_over_wsgi),
}
KINDS = [*_START] if anycable_go_path() else [GATEWAY]


def subscribed(client: Client, channel: str, **params: Any) -> str:
    """Subscribe, expect the confirmation, and return the identifier."""
    identifier = json.dumps({"channel": channel, **params})
    client.send("subscribe", identifier)
    assert client.next() == confirmation(identifier)
    return identifier


def perform(client: Client, identifier: str, action: str, **payload: Any) -> None:
    """Perform an action."""
    client.send("message", identifier, data=json.dumps({"action": action, **payload}))


def confirmation(identifier: str) -> dict[str, Any]:
    """The frame that confirms a subscription."""
    return {"identifier": identifier, "type": "confirm_subscription"}


def message(identifier: str, data: Any) -> dict[str, Any]:
    """The frame with a message."""
    return {"identifier": identifier, "message": data}


def unsubscribe(client: Client, identifier: str) -> None:
    """Unsubscribe, and wait until that is done."""
    client.send("unsubscribe", identifier)
    assert client.pending() == []
