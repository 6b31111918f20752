"""Broadcasters as sync and async code use them, so that the same test cases run both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from anycable_rpc.broadcasters.grouped import GroupedBroadcaster

__all__ = ["WAYS", "Awaited", "Make", "Published", "making"]

WAYS = ("sync", "async")

Published = Any
"""A broadcaster, or an `Awaited`."""
Make = Callable[..., Published]
"""A function that makes one: a class of broadcasters, with its arguments."""


class Awaited:
    """A broadcaster whose `publish` is `apublish`, in an event loop that stays."""

    def __init__(self, broadcaster: GroupedBroadcaster, runner: asyncio.Runner) -> None:
        self._broadcaster = broadcaster
        self._runner = runner
        self.address = broadcaster.address

    def publish(self, payload: str) -> None:
        self._runner.run(self._broadcaster.apublish(payload))

    async def apublish(self, payload: str) -> None:
        await self._broadcaster.apublish(payload)

    def close(self) -> None:
        self._broadcaster.close()
        self._runner.run(asyncio.sleep(0.01))  # the event loop closes its own connections, as soon as it runs

    def __repr__(self) -> str:
        return repr(self._broadcaster)


@contextmanager
def making(way: str) -> Generator[Callable[..., Make]]:
    """Give a function that takes a class of broadcasters, and returns one that makes them for this way."""
    with asyncio.Runner() as runner:

        def of(kind: type[GroupedBroadcaster]) -> Make:
            if way == "sync":
                return kind
            return lambda *args, **options: Awaited(kind(*args, **options), runner)

        yield of
