"""Publications as commands of Redis: a lone one by itself, several in one pipeline (without MULTI).

The nodes of a cluster get them one by one, since redis-py has no pipeline for pub/sub there.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisClusterException, RedisError, ResponseError
from redis.exceptions import TimeoutError as TimedOut

from ..errors import BroadcastFailed
from . import redis_clients
from .redis_commands import Commands
from .redis_errors import describe
from .redis_listeners import Listeners
from .trips import CROWDED, Failed, Outcomes, with_context

__all__ = ["AsyncRedisCarrier", "RedisCarrier", "Route"]

_logger = logging.getLogger("anycable_rpc")

_ERRORS = (RedisError, RedisClusterException)


@dataclass(frozen=True, slots=True)
class Route:
    """A Redis, what to do there, and how to report failures. `seconds` limits each step of an attempt."""

    url: str
    sentinels: str
    seconds: float
    is_cluster: bool
    commands: Commands
    listeners: Listeners
    failed: Failed

    def failure(self, error: Exception) -> BroadcastFailed:
        """Return the error of a publication."""
        return with_context(self.failed(*describe(error)), error)

    def outcomes(self, replies: Sequence[Any]) -> Outcomes:
        """Return the error of each reply."""
        return [self.failure(reply) if isinstance(reply, Exception) else None for reply in replies]

    def cut_short(self, outcomes: Outcomes, error: Exception, count: int) -> Outcomes:
        """Return the outcomes of a trip of `count` publications that ended with an error of the connection."""
        reason, is_transient = describe(error)
        unsent = reason if is_transient else CROWDED
        rest = [self.failed(unsent, True) for _ in range(count - len(outcomes) - 1)]
        return [*outcomes, self.failure(error), *rest]

    def must_ask(self, reply: Any) -> bool:
        """Note who listens, by a reply. Return whether it is time to ask the server."""
        is_heard = self.commands.is_heard(reply)
        if is_heard is None:
            return self.listeners.is_time_to_check()
        self.listeners.note(is_heard)
        return False

    def note(self, answer: Any) -> None:
        """Note who listens, by the answer of the server."""
        self.listeners.note(self.commands.is_answer_of_listeners(answer))

    def cannot_ask(self, error: Exception) -> None:
        """Log that the question failed, perhaps for want of a permission. The payloads have arrived all the same."""
        _logger.debug("cannot see who listens to %s: %s", self.commands.channel, type(error).__name__)


class RedisCarrier:
    """A `Carrier` for Redis."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._made: Any = None
        self._lock = threading.Lock()

    def send_one(self, payload: str, seconds: float) -> None:
        try:
            reply = self._route.commands.publish(self._client, payload)
        except _ERRORS as error:
            raise self._route.failure(error) from None
        self._look_for_listeners(reply)

    def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
        if self._route.is_cluster:
            return self._one_by_one(payloads)
        client = self._client  # a client that nobody holds would close the connection of its pipeline
        try:
            pipeline = client.pipeline(transaction=False)
            for payload in payloads:
                self._route.commands.publish(pipeline, payload)
            replies = pipeline.execute(raise_on_error=False)
        except _ERRORS as error:
            replies = [error] * len(payloads)
        else:
            self._look_for_listeners(replies[-1])
        return self._route.outcomes(replies)

    def close(self) -> None:
        client, self._made = self._made, None
        if client is not None:
            redis_clients.close(client)

    def _one_by_one(self, payloads: Sequence[str]) -> Outcomes:
        outcomes: Outcomes = []
        for payload in payloads:
            try:
                self._route.commands.publish(self._client, payload)
            except ResponseError as error:
                outcomes.append(self._route.failure(error))
            except _ERRORS as error:
                return self._route.cut_short(outcomes, error, len(payloads))
            else:
                outcomes.append(None)
        return outcomes

    def _look_for_listeners(self, reply: Any) -> None:
        if self._route.must_ask(reply):
            try:
                self._route.note(self._route.commands.ask(self._client))
            except _ERRORS as error:
                self._route.cannot_ask(error)

    @property
    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = redis_clients.client(self._route.url, self._route.sentinels, self._route.seconds)
            return self._made


class AsyncRedisCarrier:
    """An `AsyncCarrier` for Redis."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._client = redis_clients.async_client(route.url, route.sentinels, route.seconds)

    async def send_one(self, payload: str, seconds: float) -> None:
        try:
            reply = await self._route.commands.publish(self._client, payload)
        except _ERRORS as error:
            raise self._route.failure(self._clarified(error)) from None
        await self._look_for_listeners(reply)

    async def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
        if self._route.is_cluster:
            return await self._one_by_one(payloads)
        try:
            pipeline = self._client.pipeline(transaction=False)
            for payload in payloads:
                self._route.commands.publish(pipeline, payload)
            replies = await pipeline.execute(raise_on_error=False)
        except _ERRORS as error:
            replies = [self._clarified(error)] * len(payloads)
        else:
            await self._look_for_listeners(replies[-1])
        return self._route.outcomes(replies)

    async def close(self) -> None:
        await redis_clients.aclose(self._client)

    async def _one_by_one(self, payloads: Sequence[str]) -> Outcomes:
        outcomes: Outcomes = []
        for payload in payloads:
            try:
                await self._route.commands.publish(self._client, payload)
            except ResponseError as error:
                outcomes.append(self._route.failure(error))
            except _ERRORS as error:
                return self._route.cut_short(outcomes, self._clarified(error), len(payloads))
            else:
                outcomes.append(None)
        return outcomes

    async def _look_for_listeners(self, reply: Any) -> None:
        if self._route.must_ask(reply):
            try:
                self._route.note(await self._route.commands.ask(self._client))
            except _ERRORS as error:
                self._route.cannot_ask(error)

    def _clarified(self, error: Exception) -> Exception:
        """Return the error. Add that it may be about TLS: here redis-py does not tell what it waited for."""
        if self._route.url.startswith("rediss:") and isinstance(error, TimedOut) and "connecting" in str(error):
            error.__cause__ = TimeoutError("no TLS handshake in time")
        return error
