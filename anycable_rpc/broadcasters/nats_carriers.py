"""Publications as messages of NATS: they leave one after the other, and one answer of the server is awaited for all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from .nats_connection import LAST_TRIP, Connection
from .nats_errors import describe
from .trips import Failed, Outcomes, with_context

__all__ = ["AsyncNATSCarrier", "NATSCarrier", "Route"]

T = TypeVar("T")
_SHORTEST = 0.001


@dataclass(frozen=True, slots=True)
class Route:
    """Servers, the subject, and a function that makes the errors."""

    servers: list[str]
    subject: str
    failed: Failed

    def outcomes(self, results: Sequence[Exception | None]) -> Outcomes:
        """Return the error of each publication, or None."""
        return [with_context(self.failed(*describe(result)), result) if result else None for result in results]


class AsyncNATSCarrier:
    """An `AsyncCarrier` for NATS."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._connection = Connection(route.servers)

    async def send_one(self, payload: str, seconds: float) -> None:
        (failure,) = await self.send_many([payload], seconds)
        if failure:
            raise failure

    async def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
        bodies = [payload.encode() for payload in payloads]
        results = await self._connection.deliver(self._route.subject, bodies, max(seconds, _SHORTEST))
        return self._route.outcomes(results)

    async def close(self) -> None:
        await self._connection.close()


class NATSCarrier:
    """A `Carrier` for NATS, with a thread that starts when it is needed."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._made: _LoopThread | None = None
        self._changed = threading.Condition()

    def send_one(self, payload: str, seconds: float) -> None:
        (failure,) = self.send_many([payload], seconds)
        if failure:
            raise failure

    def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
        bodies = [payload.encode() for payload in payloads]
        with self._used_thread() as thread:
            return self._route.outcomes(thread.deliver(self._route.subject, bodies, max(seconds, _SHORTEST)))

    def close(self) -> None:
        """Close the connection and end the thread, if possible after what is under way."""
        with self._changed:
            thread, self._made = self._made, None
            if thread is None:
                return
            self._changed.wait_for(lambda: not thread.users, LAST_TRIP)
        thread.close()

    @contextmanager
    def _used_thread(self) -> Generator[_LoopThread]:
        with self._changed:
            self._made = thread = self._made or _LoopThread(self._route.servers)
            thread.users += 1
        try:
            yield thread
        finally:
            with self._changed:
                thread.users -= 1
                self._changed.notify_all()


class _LoopThread:
    """A thread with an event loop and a connection. `users` is the number of trips that use it."""

    def __init__(self, servers: list[str]) -> None:
        self.users = 0
        self._loop = asyncio.new_event_loop()
        self._connection = Connection(servers)
        self._thread = threading.Thread(target=self._loop.run_forever, name="anycable_rpc nats", daemon=True)
        self._thread.start()

    def deliver(self, subject: str, bodies: Sequence[bytes], seconds: float) -> Sequence[Exception | None]:
        """Publish. Return the error of each body, or None."""
        try:
            return self._run(self._connection.deliver(subject, bodies, seconds), seconds)
        except TimeoutError as error:
            return [error] * len(bodies)

    def close(self) -> None:
        """Close the connection and end the thread."""
        with suppress(Exception):
            self._run(self._connection.close(), 1)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(1)
        if not self._loop.is_running():
            self._loop.close()

    def _run(self, work: Coroutine[None, None, T], seconds: float) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(seconds + 0.5)
        except TimeoutError:
            future.cancel()
            raise
