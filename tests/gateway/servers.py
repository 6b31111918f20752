"""Servers under test: the gateway on uvicorn in a thread, and anycable-go, for the same cases."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from signal import SIGTERM
from time import monotonic, sleep
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import grpc
import uvicorn

from anycable_rpc.gateway import Gateway, GatewayOptions, uvicorn_options

from ..e2e.processes import Program, running
from ..e2e.servers import anycable_go_path, anycable_go_version
from .client import Client
from .scripted import PATIENCE, ScriptedApp

FLAGS = {
    "enforce_jwt": "--enforce_jwt",
    "noauth": "--noauth",
    "norpc": "--norpc",
    "public": "--public",
    "public_streams": "--public_streams",
    "turbo_streams": "--turbo_streams",
}
"""Options of the gateway that are switches of anycable-go."""
_VALUES = {
    "jwt_param": "jwt_param",
    "streams_secret": "streams_secret",
    "turbo_streams_secret": "turbo_streams_secret",
    "broadcast_key": "broadcast_key",
    "disconnect_mode": "disconnect_mode",
    "broker": "broker",
    "history_limit": "history_limit",
    "history_ttl": "history_ttl",
    "sessions_ttl": "sessions_ttl",
    "presence_ttl": "presence_ttl",
    "pong_timeout": "pong_timeout",
    "api_key": "api_secret",
}
"""Options that are values, and their names in anycable-go."""


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    text: str


@dataclass(kw_only=True)
class Endpoint:
    """A server under test."""

    address: str
    broadcast_address: str
    broadcast_key: str | None = None
    version: tuple[int, ...] = (1, 6)
    """The version of anycable-go that the server behaves like."""

    @property
    def url(self) -> str:
        return f"ws://{self.address}/cable"

    def client(self, query: str = "", **how: Any) -> Client:
        """Return a client that has received no frame yet."""
        return Client(self.url + (f"?{query}" if query else ""), server_version=self.version, **how)

    def welcomed(self, query: str = "", **how: Any) -> Client:
        """Return a client that has been welcomed."""
        client = self.client(query, **how)
        with ExitStack() as stack:
            stack.push(client)
            assert client.next()["type"] == "welcome"
            stack.pop_all()
        return client

    def publish(self, publication: object) -> None:
        """Publish over HTTP."""
        key = {"Authorization": f"Bearer {self.broadcast_key}"} if self.broadcast_key else {}
        answer = ask(f"http://{self.broadcast_address}/_broadcast", "POST", json.dumps(publication), key)
        assert answer.status == 201, answer

    def broadcast(self, stream: str, data: object, **meta: Any) -> None:
        """Publish to a stream; the data is written as JSON."""
        self.publish({"stream": stream, "data": json.dumps(data), **({"meta": meta} if meta else {})})


@dataclass(kw_only=True)
class Server(Endpoint):
    """A server under test, and the app behind it."""

    app: ScriptedApp


def ask(url: str, method: str = "GET", body: str | bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """Do an HTTP request."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)
    try:
        data = body.encode() if isinstance(body, str) else body
        connection.request(method, parts.path or "/", data, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.read().decode())
    finally:
        connection.close()


class Serve(Protocol):
    """Starts a server under test."""

    def __call__(self, app: ScriptedApp | None = None, **options: Any) -> Server: ...


class Running:
    """An ASGI app on uvicorn, in a thread with its own event loop."""

    def __init__(self, app: Any, options: GatewayOptions) -> None:
        # asyncio switches Nagle's algorithm off only if the protocol is named: else frames wait 40 ms
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app, **uvicorn_options(options)))
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._started.wait(PATIENCE)

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine on the event loop of the server."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.call_soon(self._started.set)
        await self._server.serve([self._socket])


@contextmanager
def running_gateway(app: ScriptedApp, web: Any = None, **given: Any) -> Generator[tuple[Server, Gateway, Running]]:
    """The gateway, before a scripted app."""
    with serving_gateway(app.rpc, web, **given) as (gateway, server, endpoint):
        try:
            yield Server(app=app, **vars(endpoint)), gateway, server
        finally:
            app.released.set()


@contextmanager
def serving_gateway(rpc: Any, web: Any = None, **given: Any) -> Generator[tuple[Gateway, Running, Endpoint]]:
    """The gateway, before an app that answers calls."""
    options = GatewayOptions(**{"ping_interval": 0, **given})
    gateway = Gateway(rpc, options, web)
    server = Running(gateway, options)
    key = options.required_broadcast_key
    try:
        yield gateway, server, Endpoint(address=server.address, broadcast_address=server.address, broadcast_key=key)
    finally:
        server.run(gateway.shutdown())
        server.stop()


@contextmanager
def running_anycable_go(app: ScriptedApp, **given: Any) -> Generator[Server]:
    """anycable-go, before a scripted app as a gRPC server."""
    with running_grpc(app) as rpc_host, serving_anycable_go(rpc_host, **given) as (_, endpoint):
        try:
            yield Server(app=app, **vars(endpoint))
        finally:
            app.released.set()


@contextmanager
def serving_anycable_go(rpc_host: str, **given: Any) -> Generator[tuple[Program, Endpoint]]:
    """anycable-go, before a gRPC server."""
    port, broadcast_port = free_ports(2)  # only now: the app takes a free port too
    command = [
        anycable_go_path(),
        "--host=127.0.0.1",
        f"--port={port}",
        f"--rpc_host={rpc_host}",
        "--broadcast_adapter=http",
        f"--http_broadcast_port={broadcast_port}",
        *_flags(given),
    ]
    own = {"ANYCABLE_DISABLE_TELEMETRY": "true"}
    with running(command, own, ends_with=(0, 1, -SIGTERM)) as program:  # early on it does not catch signals yet
        program.wait_for("Handle WebSocket connections at")
        _wait_for_port(port)
        _wait_for_port(broadcast_port)
        yield (
            program,
            Endpoint(
                address=f"127.0.0.1:{port}",
                broadcast_address=f"127.0.0.1:{broadcast_port}",
                broadcast_key=None if given.get("public") else given.get("broadcast_key"),
                version=anycable_go_version(),
            ),
        )


@contextmanager
def running_grpc(app: ScriptedApp) -> Generator[str]:
    """The app as a gRPC server."""
    handlers: dict[str, Any] = {
        method: grpc.unary_unary_rpc_method_handler(_handler(app, method))
        for method in ("Connect", "Command", "Disconnect")
    }
    server = grpc.server(ThreadPoolExecutor(30))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("anycable.RPC", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        app.released.set()
        server.stop(None).wait(PATIENCE)


def _handler(app: ScriptedApp, method: str) -> Any:
    def handle(data: bytes, context: Any) -> bytes:
        metadata = {key: str(value) for key, value in context.invocation_metadata()}
        return app.answer(method, data, {key: metadata[key] for key in ("sid", "protov")})

    return handle


def _flags(given: Mapping[str, Any]) -> list[str]:
    flags = [f"--ping_interval={int(given.get('ping_interval', 0))}"]
    flags += [flag for name, flag in FLAGS.items() if given.get(name)]
    flags += [f"--jwt_secret={given['jwt_secrets'][0]}"] if given.get("jwt_secrets") else []
    flags += [f"--headers={','.join(given['headers'])}"] if "headers" in given else []
    flags += [f"--allowed_origins={','.join(given['allowed_origins'])}"] if "allowed_origins" in given else []
    for name in _VALUES:
        flags += [f"--{_VALUES[name]}={given[name]}"] if given.get(name) else []
    return flags


def free_ports(number: int) -> list[int]:
    """Return different ports that were free a moment ago; anycable-go takes no port 0."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [server.getsockname()[1] for server in taken]


def _wait_for_port(port: int) -> None:
    """Wait until anycable-go listens: it prints its address before."""
    deadline = monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert monotonic() < deadline, "anycable-go does not listen"
            sleep(0.01)
        else:
            return
