"""The bare client libraries, as careful users would publish with them: on one kept connection, each answer awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import urllib3

from anycable_rpc.settings.model import Settings

__all__ = ["BARE", "Publish"]

Publish = Callable[[Sequence[str]], None]
CHANNEL = "__anycable__"


class Servers(Protocol):
    """Servers whose addresses stand in the settings of a program."""

    def settings(self, adapter: str) -> Settings: ...


@contextmanager
def _urllib3(servers: Servers, _: asyncio.Runner) -> Generator[Publish]:
    settings = servers.settings("http")
    headers = {"Authorization": f"Bearer {settings.keys.broadcast}", "Content-Type": "application/json"}

    def publish(payloads: Sequence[str]) -> None:
        for payload in payloads:
            answer = pool.request("POST", settings.broadcast_address, body=payload.encode(), headers=headers)
            if answer.status not in (200, 201):
                raise RuntimeError(f"anycable-go answered {answer.status}")

    with urllib3.PoolManager() as pool:
        yield publish


@contextmanager
def _redis_publish(servers: Servers, _: asyncio.Runner) -> Generator[Publish]:
    import redis

    def publish(payloads: Sequence[str]) -> None:
        for payload in payloads:
            client.publish(CHANNEL, payload)

    with redis.Redis.from_url(servers.settings("redis").redis_url) as client:
        yield publish


@contextmanager
def _redis_xadd(servers: Servers, _: asyncio.Runner) -> Generator[Publish]:
    import redis

    def publish(payloads: Sequence[str]) -> None:
        for payload in payloads:
            client.xadd(CHANNEL, {"payload": payload}, maxlen=10_000, approximate=True)

    with redis.Redis.from_url(servers.settings("redisx").redis_url) as client:
        yield publish


@contextmanager
def _nats(servers: Servers, runner: asyncio.Runner) -> Generator[Publish]:
    import nats

    async def flushed(payloads: Sequence[str]) -> None:
        for payload in payloads:
            await client.publish(CHANNEL, payload.encode())
            await client.flush()

    client = runner.run(nats.connect(servers.settings("nats").nats_servers))
    try:
        yield lambda payloads: runner.run(flushed(payloads))
    finally:
        runner.run(client.close())


BARE: Mapping[str, Callable[[Servers, asyncio.Runner], AbstractContextManager[Publish]]] = {
    "http": _urllib3,
    "redis": _redis_publish,
    "redisx": _redis_xadd,
    "nats": _nats,
}
"""For the name of an adapter, a function that opens a connection and yields what publishes payloads one by one."""
