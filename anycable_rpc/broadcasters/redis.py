"""Publishing through Redis: pub/sub (`redis`), or a stream that keeps unread payloads for anycable-go (`redisx`).

anycable-go subscribes to the channel of that name (`broadcast/legacy_redis.go`), or reads the stream of that name in
a consumer group and takes the field `payload` (`broadcast/redis.go`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as BrokenConnection
from redis.exceptions import TimeoutError as TimedOut
from redis.sentinel import MasterNotFoundError

from ..errors import BroadcastFailed, shorten
from . import redis_clients, tls_errors
from .retries import DEADLINE, retry_until

__all__ = ["CHANNEL", "RedisBroadcaster", "RedisStreamsBroadcaster"]

_logger = logging.getLogger("anycable_rpc")

CHANNEL = "__anycable__"
"""The default channel of anycable-go, and its default stream."""

_BETWEEN_CHECKS = 60.0
"""Seconds between two questions whether anybody listens, where the reply to a publication does not say how many do."""

_BY_PARAMETER = " (or ?ssl_ca_certs=FILE in ANYCABLE_REDIS_URL)"
_CHECK_USER = "check the user and the password in ANYCABLE_REDIS_URL"
_ERRORS: tuple[tuple[type[Exception], str, bool], ...] = (
    (AuthenticationError, f"authentication failed: {_CHECK_USER}", False),
    (NoPermissionError, f"this user may not publish there: {_CHECK_USER}, and its rights (ACL)", False),
    (BusyLoadingError, "it is still reading its data", True),
    (
        MasterNotFoundError,
        "no Sentinel knows a primary of that name: do those in ANYCABLE_REDIS_SENTINELS run, with these passwords, "
        "and is ANYCABLE_REDIS_URL redis://NAME with their name for the primary?",
        True,
    ),
    (ClusterDownError, "the cluster is down, or not yet up: see CLUSTER INFO there", True),
    (
        RedisClusterException,
        "no cluster answers: do these servers run with cluster-enabled? For a single server give one URL",
        True,
    ),
    (
        BrokenConnection,
        "no connection: is Redis running, and is ANYCABLE_REDIS_URL right (rediss:// for a port with TLS)?",
        True,
    ),
    (TimedOut, "no answer in time: it may or may not have arrived", False),
    (ReadOnlyError, "it is a replica: ANYCABLE_REDIS_URL must name the primary", True),
)
"""Beside each error: what went wrong, and whether the same may work later. The first that matches counts."""


class _RedisBroadcaster:
    """A broadcaster whose connection pool serves any thread, with or without an event loop, also after a fork.

    After a failure that looks like a restart it tries again until the deadline, so a payload may arrive twice. One
    attempt takes at most half of the deadline.
    """

    adapter = ""
    options = ""

    def __init__(self, url: str, channel: str, sentinels: str, deadline: float) -> None:
        self.address = redis_clients.address(url, sentinels)
        self.channel = channel
        self.deadline = deadline
        self._has_listeners = True
        self._next_check = 0.0
        self._current: Any = None  # redis-py leaves much of a cluster's client without types
        self._lock = threading.Lock()
        self._make: Callable[[], Any] = partial(redis_clients.client, url, sentinels, deadline / 2)
        self._is_cluster = redis_clients.is_cluster(url, sentinels)
        if not self._is_cluster:
            self._current = self._make()

    def publish(self, payload: str) -> None:
        """Send the payload to Redis.

        Raises:
            BroadcastFailed: Redis did not accept it before the deadline. The message says what to check.
        """
        body = payload.encode()
        retry_until(self.deadline / 2, lambda _: self._attempt(body))
        _logger.debug("published to %s, %s: %s", self.address, self.channel, payload)

    async def apublish(self, payload: str) -> None:
        """Run `publish` in a thread."""
        import asyncio

        await asyncio.to_thread(self.publish, payload)

    def close(self) -> None:
        """Close the kept connections. The next publication opens new ones."""
        client = self._current
        if self._is_cluster:
            self._current = None
            if client is not None:
                client.close()
        elif client is not None:
            client.connection_pool.disconnect()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r}, {self.channel!r})"

    def _attempt(self, body: bytes) -> None:
        try:
            self._send(body)
        except (RedisError, RedisClusterException) as error:
            reason, transient = _describe(error)
            raise BroadcastFailed(f"cannot publish to {self.address}: {reason}", self.address, transient) from None

    @property
    def _client(self) -> Any:
        with self._lock:
            if self._current is None:
                self._current = self._make()
            return self._current

    def _note_listeners(self, are_there: bool) -> None:
        """Log a warning, once, when nobody listens any more."""
        if self._has_listeners and not are_there:
            _logger.warning(
                "nobody listens to %s at %s: does anycable-go run with --broadcast_adapter=%s and the same "
                "--redis_url and %s?", self.channel, self.address, self.adapter, self.options,
            )  # fmt: skip
        self._has_listeners = are_there

    def _is_time_to_check(self) -> bool:
        now = monotonic()
        if now < self._next_check:
            return False
        self._next_check = now + _BETWEEN_CHECKS
        return True

    def _send(self, body: bytes) -> None:
        raise NotImplementedError


class RedisBroadcaster(_RedisBroadcaster):
    """A broadcaster for a pub/sub channel: an anycable-go that does not listen at that moment misses the payload.

    Args:
        url: `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS, with a verified certificate. Several
            URLs, separated by commas, are a cluster.
        channel: anycable-go's `--redis_channel`.
        sentinels: anycable-go's `--redis_sentinels`. The host in `url` is then the name of the primary.
        deadline: seconds that `publish` may take in all.

    Raises:
        ConfigurationError: an address cannot be used.
    """

    adapter = "redis"
    options = "--redis_channel"

    def __init__(self, url: str, channel: str = CHANNEL, *, sentinels: str = "", deadline: float = DEADLINE) -> None:
        super().__init__(url, channel, sentinels, deadline)

    def _send(self, body: bytes) -> None:
        listeners = int(self._client.publish(self.channel, body))
        if listeners or not self._is_cluster:
            self._note_listeners(listeners > 0)
        elif self._is_time_to_check():  # each node of a cluster counts only those that are connected to itself
            self._note_listeners(any(count for _, count in self._client.pubsub_numsub(self.channel)))


class RedisStreamsBroadcaster(_RedisBroadcaster):
    """A broadcaster for a stream. anycable-go (`--broadcast_adapter=redisx`) continues to read where it stopped.

    Args:
        url: as for `RedisBroadcaster`.
        channel: the stream: `--redisx_stream` of anycable-go 1.6, `--redis_channel` of 1.5.
        max_len: about how many entries the stream keeps. A new entry removes older ones.
        sentinels: as for `RedisBroadcaster`.
        deadline: seconds that `publish` may take in all.

    Raises:
        ConfigurationError: an address cannot be used.
    """

    adapter = "redisx"
    options = "--redisx_stream (before 1.6: --redis_channel)"

    def __init__(
        self,
        url: str,
        channel: str = CHANNEL,
        *,
        max_len: int = 10_000,
        sentinels: str = "",
        deadline: float = DEADLINE,
    ) -> None:
        super().__init__(url, channel, sentinels, deadline)
        self.max_len = max_len

    def _send(self, body: bytes) -> None:
        self._client.xadd(self.channel, {"payload": body}, maxlen=self.max_len, approximate=True)
        if self._is_time_to_check():
            self._check_readers()

    def _check_readers(self) -> None:
        try:
            groups = self._client.xinfo_groups(self.channel)
        except RedisError as error:  # for example a user that may only write: the payload has arrived all the same
            _logger.debug("cannot see who reads %s: %s", self.channel, type(error).__name__)
        else:
            self._note_listeners(any(group["consumers"] for group in groups))


def _describe(error: Exception) -> tuple[str, bool]:
    """Return what went wrong, and whether the same may work later."""
    about_tls = tls_errors.explain(error)
    if about_tls:
        return about_tls + (_BY_PARAMETER if "SSL_CERT_FILE" in about_tls else ""), False
    return next((row[1:] for row in _ERRORS if isinstance(error, row[0])), (_reply(error), False))


def _reply(error: Exception) -> str:
    """Return the error reply of Redis, which is safe to show: it holds no payload and no password."""
    reply = shorten(str(error), 200) if isinstance(error, ResponseError) else type(error).__name__
    return f"it answered {reply}"
