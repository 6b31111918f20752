"""The four ways to use a test client: `def` and `async def` apps, each with the sync verbs and with those to await."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextvars import copy_context
from typing import Any

from anycable_rpc import Cable, Channel, Connection
from anycable_rpc.testing import Subscription, TestClient, TestServer

from ..support.both_ways import App, settings

WAYS = ["def", "async", "def awaited", "async awaited"]
SECRET = "s" * 32


class Way:
    """Makes cables of one kind, and uses one kind of verbs."""

    def __init__(self, name: str) -> None:
        self.mode, _, awaited = name.partition(" ")
        self._runner = asyncio.Runner() if awaited else None
        self._servers: list[TestServer] = []

    def cable(
        self, connection: type[Connection] = Connection, channels: Iterable[type[Channel]] = (), **options: Any
    ) -> Cable:
        """Return a cable; its test server is closed at the end of the test."""
        options.setdefault("settings", settings(secret=SECRET))
        cable = App(self.mode, connection, channels, **options).cable
        self._servers.append(TestServer(cable))
        return cable

    def connect(self, cable: Cable, **request: Any) -> TestClient:
        """Connect a client."""
        if self._runner:
            return self._runner.run(TestClient.aconnect(cable, **request), context=copy_context())
        return TestClient(cable, **request)

    def subscribe(self, client: TestClient, channel: Any, **params: Any) -> Subscription:
        """Subscribe a client."""
        subscription: Subscription = self.do(client, "subscribe", channel, **params)
        return subscription

    def do(self, subject: Any, verb: str, *args: Any, **options: Any) -> Any:
        """Use a verb of a client, a subscription or a cable."""
        if self._runner:
            return self._runner.run(getattr(subject, f"a{verb}")(*args, **options), context=copy_context())
        return getattr(subject, verb)(*args, **options)

    def close(self) -> None:
        """Close what was opened."""
        for server in self._servers:
            server.close()
        if self._runner:
            self._runner.close()
