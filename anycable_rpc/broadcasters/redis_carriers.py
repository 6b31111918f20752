"""Publications as commands of Redis: a lone one by itself, several in one pipeline (without MULTI).

The nodes of a cluster get them one by one, since redis-py has no pipeline for pub/sub there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.exceptions import RedisClusterException, RedisError, ResponseError
from redis.exceptions import TimeoutError as TimedOut

from ..errors import BroadcastFailed
from . import redis_clients
from .redis_commands import Commands
from .redis_errors import describe
from .redis_listeners import Listeners
from .steps import adrive, drive
from .trips import CROWDED, Failed, Outcomes, with_context

__all__ = ["AsyncRedisCarrier", "RedisCarrier", "Route"]

_logger = logging.getLogger("anycable_rpc")

_ERRORS = (RedisError, RedisClusterException)

_Clients = Callable[[], Any]
"""Returns the client. That of a cluster connects then, so it is asked for where its errors are caught."""
_Command = Callable[[], Any]
"""A command to Redis. Sync code calls it, async code awaits what it returns."""


@dataclass(frozen=True, slots=True)
class Route:
    """A Redis, what to do there, and how to report failures. `seconds` limits each step of an attempt.

    The commands of a trip are steps (`steps.py`), the same for sync and async code.
    """

    url: str
    sentinels: str
    seconds: float
    is_cluster: bool
    commands: Commands
    listeners: Listeners
    failed: Failed

    def of_one(self, clients: _Clients, payload: str) -> Generator[_Command, Any, None]:
        """Yield the commands that publish a payload.

        Raises:
            BroadcastFailed: it was not accepted.
        """
        try:
            reply = yield partial(self._publish, clients, payload)
        except _ERRORS as error:
            raise self._failure(error) from None
        yield from self._look_for_listeners(clients, reply)

    def of_many(self, clients: _Clients, payloads: Sequence[str]) -> Generator[_Command, Any, Outcomes]:
        """Yield the commands that publish payloads in their order. Return the outcomes."""
        if self.is_cluster:
            return (yield from self._one_by_one(clients, payloads))
        client = clients()  # a client that nobody holds would close the connection of its pipeline
        pipeline = client.pipeline(transaction=False)
        for payload in payloads:
            self.commands.publish(pipeline, payload)
        try:
            replies = yield lambda: pipeline.execute(raise_on_error=False)
        except _ERRORS as error:
            return [self._failure(error) for _ in payloads]
        yield from self._look_for_listeners(clients, replies[-1])
        return [self._failure(reply) if isinstance(reply, Exception) else None for reply in replies]

    def _one_by_one(self, clients: _Clients, payloads: Sequence[str]) -> Generator[_Command, Any, Outcomes]:
        outcomes: Outcomes = []
        for payload in payloads:
            try:
                yield partial(self._publish, clients, payload)
            except ResponseError as error:
                outcomes.append(self._failure(error))
            except _ERRORS as error:
                return self._cut_short(outcomes, error, len(payloads))
            else:
                outcomes.append(None)
        return outcomes

    def _look_for_listeners(self, clients: _Clients, reply: Any) -> Generator[_Command, Any, None]:
        """Note who listens, by a reply. Ask the server where the reply does not say so, and it is time to ask."""
        is_heard = self.commands.is_heard(reply)
        if is_heard is not None:
            self.listeners.note(is_heard)
        elif self.listeners.is_time_to_check():
            try:
                answer = yield lambda: self.commands.ask(clients())
            except _ERRORS as error:  # for example a user that may only write: the payloads have arrived all the same
                _logger.debug("cannot see who listens to %s: %s", self.commands.channel, type(error).__name__)
            else:
                self.listeners.note(self.commands.is_answer_of_listeners(answer))

    def _publish(self, clients: _Clients, payload: str) -> Any:
        return self.commands.publish(clients(), payload)

    def _failure(self, error: Exception) -> BroadcastFailed:
        return with_context(self.failed(*describe(error)), error)

    def _cut_short(self, outcomes: Outcomes, error: Exception, count: int) -> Outcomes:
        """Return the outcomes of a trip of `count` publications that ended with an error of the connection."""
        reason, is_transient = describe(error)
        unsent = reason if is_transient else CROWDED
        rest = [self.failed(unsent, True) for _ in range(count - len(outcomes) - 1)]
        return [*outcomes, self._failure(error), *rest]


class RedisCarrier:
    """A `Carrier` for Redis."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._made: Any = None
        self._lock = threading.Lock()

    def send_one(self, payload: str, seconds: float) -> None:
        drive(self._route.of_one(self._client, payload), _call)

    def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
        return drive(self._route.of_many(self._client, payloads), _call)

    def close(self) -> None:
        client, self._made = self._made, None
        if client is not None:
            redis_clients.close(client)

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = redis_clients.client(self._route.url, self._route.sentinels, self._route.seconds)
            return self._made


class AsyncRedisCarrier:
    """An `AsyncCarrier` for Redis."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._made = redis_clients.async_client(route.url, route.sentinels, route.seconds)

    async def send_one(self, payload: str, seconds: float) -> None:
        await adrive(self._route.of_one(self._client, payload), self._perform)

    async def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
        return await adrive(self._route.of_many(self._client, payloads), self._perform)

    async def close(self) -> None:
        await redis_clients.aclose(self._made)

    def _client(self) -> Any:
        return self._made

    async def _perform(self, command: _Command) -> Any:
        """Execute a command. Say of an error that it may be about TLS: redis-py does not tell what it waited for."""
        try:
            return await command()
        except TimedOut as error:
            if self._route.url.startswith("rediss:") and "connecting" in str(error):
                error.__cause__ = TimeoutError("no TLS handshake in time")
            raise


def _call(command: _Command) -> Any:
    return command()
