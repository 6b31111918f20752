"""The apps behind the engine under test: the same callbacks as `def` and as `async def`."""

from __future__ import annotations

import asyncio
import time

from anycable_rpc import Cable, Channel, Connection, action


class Told(Connection):
    """A connection that transmits the request's headers to the client."""

    def connect(self) -> None:
        self.transmit(dict(self.headers))


class Echo(Channel):
    """A channel that transmits what it receives, at once or later."""

    @action
    def say(self, text: str) -> None:
        self.transmit(text)

    @action
    def wait(self, seconds: float) -> None:
        time.sleep(seconds)
        self.transmit("waited")


class AsyncEcho(Channel):
    """`Echo` with `async def` actions."""

    name = "Echo"

    @action
    async def say(self, text: str) -> None:
        self.transmit(text)

    @action
    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.transmit("waited")


on_threads = Cable(Told, channels=[Echo])
on_a_loop = Cable(Told, channels=[AsyncEcho])
