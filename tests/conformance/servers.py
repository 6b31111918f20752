"""A real app behind each server: the gateway calls its service, anycable-go its gRPC server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from anycable_rpc import Cable
from anycable_rpc.protocol.messages import METHOD_NAMES, Request
from anycable_rpc.settings.model import Settings
from anycable_rpc.transports.bytes_handler import BytesHandler
from anycable_rpc.transports.grpcio.server import ThreadedServer
from anycable_rpc.transports.service import Service

from ..gateway.client import Client
from ..gateway.conftest import GATEWAY
from ..gateway.servers import Endpoint, serving_anycable_go, serving_gateway
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
    start = _gateway if kind == GATEWAY else _anycable_go
    with start(service, {"headers": HEADERS, **options}) as (endpoint, shut_down):
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
def _anycable_go(service: Service, options: Mapping[str, Any]) -> Generator[tuple[Endpoint, Callable[[], Any]]]:
    service.cable.settings = Settings(rpc_host="127.0.0.1:0")
    rpc = ThreadedServer(service)
    rpc.start()
    with ExitStack() as stack:
        stack.callback(rpc.stop, 5)
        program, endpoint = stack.enter_context(serving_anycable_go(rpc.address, **options))
        yield endpoint, program.stop


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
