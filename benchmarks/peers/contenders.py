"""The contenders of the chat: which processes each needs, where clients dial, and what they speak there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from ..calls import COOKIE
from ..servers import SECRET, Server, anycable_go, free_port, go_program, installed, nats_server, ours, redis_server
from ..servers import serving as started

__all__ = [
    "CONTENDERS",
    "HUB",
    "OURS",
    "OWN",
    "OWN_GRPCIO",
    "RPC",
    "SOCKETIO",
    "SOCKETIO_REDIS",
    "Contender",
    "Running",
    "anycable",
    "nats",
    "redis",
]

RPC = "RPC server"
INSTALL = "make bench ARGS='--only chat' installs it"


@dataclass(frozen=True, slots=True)
class Running:
    """A contender that runs. `urls` are dialled in turns; `servers` are all its processes by what they are."""

    urls: list[str]
    speaks: str
    servers: dict[str, Server] = field(default_factory=dict[str, Server])

    def command(self, clients: int, size: int) -> list[str]:
        """Return the command of the load generator for so many clients, `size` in a room."""
        command = [go_program(), "chat", "--url", ",".join(self.urls), "--speaks", self.speaks, "--cookie", COOKIE]
        return [*command, "--clients", str(clients), "--room", str(size)]

    def cpu(self) -> float:
        """Return the CPU seconds so far of all processes."""
        return sum(server.cpu() for server in self.servers.values())

    def megabytes(self) -> float:
        """Return the resident memory of all processes, in MiB."""
        return sum(server.megabytes() for server in self.servers.values())


Contender = Callable[[], AbstractContextManager[Running]]


@contextmanager
def redis() -> Generator[Server]:
    """Start a Redis that keeps nothing on disk."""
    port = free_port()
    command = [redis_server(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with started(command, port=port) as server:
        yield server


@contextmanager
def nats() -> Generator[Server]:
    """Start a NATS server."""
    port = free_port()
    with started([nats_server(), "--addr", "127.0.0.1", "--port", str(port)], port=port) as server:
        yield server


@contextmanager
def anycable(port: int, *options: str) -> Generator[Server]:
    """Start anycable-go with the secret of the benchmarks."""
    command = [anycable_go(), f"--port={port}", "--host=127.0.0.1", "--log_level=error", *options]
    settings = {"ANYCABLE_DISABLE_TELEMETRY": "true", "ANYCABLE_SECRET": SECRET}
    with started(command, settings, port=port) as server:
        yield server


@contextmanager
def go_hub() -> Generator[Running]:
    """Start the hub that shows the limit of the load generator."""
    with started([go_program(), "hub"]) as server:
        yield Running([f"ws://{server.address}/ws/{{room}}"], "json", {"hub": server})


@contextmanager
def peer(
    module: str, packages: tuple[str, ...], speaks: str, path: str, processes: int = 1, layer: str = ""
) -> Generator[Running]:
    """Start an ASGI app of this folder under uvicorn, in one process or more, with Redis if it takes a layer."""
    installed(*packages, "uvicorn", "uvloop", "websockets", advice=INSTALL)
    with ExitStack() as stack:
        servers, settings = dict[str, Server](), dict[str, str]()
        if layer:
            servers["redis-server"] = stack.enter_context(redis())
            settings = {"CHAT_REDIS_URL": f"redis://{servers['redis-server'].address}/0", "CHAT_LAYER": layer}
        urls: list[str] = []
        for place in range(processes):
            port = free_port()
            command = [sys.executable, "-m", "uvicorn", f"benchmarks.peers.{module}:app", f"--port={port}"]
            command += ["--log-level=warning"]
            servers[f"process {place + 1}"] = stack.enter_context(started(command, settings, port=port))
            urls.append(f"ws://127.0.0.1:{port}{path}")
        yield Running(urls, speaks, servers)


@contextmanager
def own(app: str, engine: str, adapter: str) -> Generator[Running]:
    """Start an RPC server of ours, and a real anycable-go that broadcasts by this adapter."""
    with ExitStack() as stack:
        servers, port, options = dict[str, Server](), free_port(), [f"--broadcast_adapter={adapter}"]
        settings = {"ANYCABLE_SECRET": SECRET, "ANYCABLE_BROADCAST_ADAPTER": adapter}
        settings["ANYCABLE_HTTP_BROADCAST_URL"] = f"http://127.0.0.1:{port}/_broadcast"
        if adapter == "redisx":
            installed("redis", advice=INSTALL)
            servers["redis-server"] = stack.enter_context(redis())
            settings["ANYCABLE_REDIS_URL"] = f"redis://{servers['redis-server'].address}/0"
            options.append(f"--redis_url={settings['ANYCABLE_REDIS_URL']}")
        servers[RPC] = stack.enter_context(started(ours(app, engine), settings))
        options.append(f"--rpc_host={servers[RPC].address}")
        servers["anycable-go"] = stack.enter_context(anycable(port, *options))
        yield Running([f"ws://127.0.0.1:{port}/cable"], "actioncable", servers)


_socketio = partial(peer, "socketio_chat", ("socketio",), "socketio", "/socket.io/?EIO=4&transport=websocket")
_channels = partial(peer, "channels_chat", ("channels", "channels_redis"), "json", "/ws/{room}")
_LAYER = "channels_redis.core.RedisChannelLayer"
_PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"

OWN = "asyncio engine, async def, HTTP"
OWN_GRPCIO = "grpcio, def, HTTP"
OWN_STREAMS = "asyncio engine, async def, Redis Streams"
SOCKETIO = "python-socketio, one process"
SOCKETIO_REDIS = "python-socketio with Redis, two processes"
HUB = "a bare hub in Go"

CONTENDERS: Mapping[str, Contender] = {
    OWN: partial(own, "asynchronous_chat", "asyncio", "http"),
    OWN_GRPCIO: partial(own, "chat", "grpcio", "http"),
    OWN_STREAMS: partial(own, "asynchronous_chat", "asyncio", "redisx"),
    SOCKETIO: _socketio,
    SOCKETIO_REDIS: partial(_socketio, processes=2, layer="redis"),
    "FastAPI, a dict of sockets, one process": partial(peer, "fastapi_chat", ("fastapi",), "json", "/ws/{room}"),
    "Django Channels with Redis, one process": partial(_channels, layer=_LAYER),
    "Django Channels with Redis, two processes": partial(_channels, processes=2, layer=_LAYER),
    "Django Channels with Redis pub/sub, two processes": partial(_channels, processes=2, layer=_PUBSUB),
    HUB: go_hub,
}
"""Ours, the peers, and the limit of the load generator."""

OURS = (OWN, OWN_GRPCIO, OWN_STREAMS)
