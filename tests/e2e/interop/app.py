"""The apps behind the engine under test: the same in `def` and in `async def`."""

from __future__ import annotations

import asyncio
import time

from anycable_rpc import Cable, Channel, Connection, action


class Told(Connection):
    """Who connects is told its headers."""

    def connect(self) -> None:
        self.transmit(dict(self.headers))


class Echo(Channel):
    """Says again what it is told, at once or later."""

    @action
    def say(self, text: str) -> None:
        self.transmit(text)

    @action
    def wait(self, seconds: float) -> None:
        time.sleep(seconds)
        self.transmit("waited")


class AsyncEcho(Channel):
    """The same on the event loop."""

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
