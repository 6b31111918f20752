"""Publishes through Redis: pub/sub (`redis`), or a stream that keeps what anycable-go has not read yet (`redisx`).

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
from redis.exceptions import TimeoutError as NoAnswer
from redis.sentinel import MasterNotFoundError

from ..errors import BroadcastFailed, shorten
from . import redis_clients, tls_errors
from .retries import DEADLINE, insist

__all__ = ["CHANNEL", "RedisBroadcaster", "RedisStreamsBroadcaster"]

_logger = logging.getLogger("anycable_rpc")

CHANNEL = "__anycable__"
"""The channel, and the stream, that anycable-go reads unless it is told another."""

_BETWEEN_CHECKS = 60.0
"""Seconds after which Redis is asked again whether anybody reads, where its answer to a publication does not say."""

_BY_PARAMETER = " (or ?ssl_ca_certs=FILE in ANYCABLE_REDIS_URL)"
_CHECK_USER = "check the user and the password in ANYCABLE_REDIS_URL"
_ERRORS: tuple[tuple[type[Exception], str, bool], ...] = (
    (AuthenticationError, f"it wants to know who this is: {_CHECK_USER}", False),
    (NoPermissionError, f"this user may not publish there: {_CHECK_USER}, and its rights (ACL)", False),
    (BusyLoadingError, "it is still reading its data", True),
    (
        MasterNotFoundError,
        "no Sentinel names a primary of that name: do those of ANYCABLE_REDIS_SENTINELS run, with these passwords, "
        "and is ANYCABLE_REDIS_URL redis://NAME with the name that they know?",
        True,
    ),
    (ClusterDownError, "the cluster is down, or not yet up: see CLUSTER INFO there", True),
    (
        RedisClusterException,
        "no cluster answers: do these run with cluster-enabled? One that does not is one URL in ANYCABLE_REDIS_URL",
        True,
    ),
    (
        BrokenConnection,
        "no connection: is Redis running, and is ANYCABLE_REDIS_URL right (rediss:// for a port with TLS)?",
        True,
    ),
    (NoAnswer, "no answer in time: it may or may not have arrived", False),
    (ReadOnlyError, "it is a replica: ANYCABLE_REDIS_URL must name the primary", True),
)
"""What went wrong, in words, and whether the same may work later; the first that fits counts."""


class _OnRedis:
    """A client whose pool serves any thread, with or without an event loop, and starts anew after a fork.

    What looks like a restart is tried again until the deadline, so a payload may arrive twice. One attempt takes half
    of the deadline at most.
    """

    adapter = ""
    options = ""

    def __init__(self, url: str, channel: str, sentinels: str, deadline: float) -> None:
        self.address = redis_clients.address(url, sentinels)
        self.channel = channel
        self.deadline = deadline
        self._is_heard = True
        self._next_check = 0.0
        self._made: Any = None  # redis-py leaves much of a cluster's client without types
        self._making = threading.Lock()
        self._make: Callable[[], Any] = partial(redis_clients.client, url, sentinels, deadline / 2)
        self._is_cluster = redis_clients.is_cluster(url, sentinels)
        if not self._is_cluster:
            self._made = self._make()

    def publish(self, payload: str) -> None:
        """Hand the payload over.

        Raises:
            BroadcastFailed: Redis did not take it before the deadline; the text says what to check.
        """
        body = payload.encode()
        insist(lambda _: self._attempt(body), self.deadline / 2)
        _logger.debug("published to %s, %s: %s", self.address, self.channel, payload)

    async def apublish(self, payload: str) -> None:
        """`publish` in a thread."""
        import asyncio

        await asyncio.to_thread(self.publish, payload)

    def close(self) -> None:
        """Close the kept connections; publishing again opens new ones."""
        made = self._made
        if self._is_cluster:
            self._made = None
            if made is not None:
                made.close()
        elif made is not None:
            made.connection_pool.disconnect()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r}, {self.channel!r})"

    def _attempt(self, body: bytes) -> None:
        try:
            self._send(body)
        except (RedisError, RedisClusterException) as error:
            said, transient = _explained(error)
            raise BroadcastFailed(f"cannot publish to {self.address}: {said}", self.address, transient) from None

    @property
    def _client(self) -> Any:
        with self._making:
            if self._made is None:
                self._made = self._make()
            return self._made

    def _notice(self, is_heard: bool) -> None:
        """Say it once when nobody listens any more."""
        if self._is_heard and not is_heard:
            _logger.warning(
                "nobody listens to %s at %s: does anycable-go run with --broadcast_adapter=%s and the same "
                "--redis_url and %s?", self.channel, self.address, self.adapter, self.options,
            )  # fmt: skip
        self._is_heard = is_heard

    def _is_time_to_check(self) -> bool:
        now = monotonic()
        if now < self._next_check:
            return False
        self._next_check = now + _BETWEEN_CHECKS
        return True

    def _send(self, body: bytes) -> None:
        raise NotImplementedError


class RedisBroadcaster(_OnRedis):
    """Publishes to a channel: who does not listen at that moment misses it.

    Args:
        url: `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS, with a verified certificate; several
            with commas between are a cluster.
        channel: anycable-go's `--redis_channel`.
        sentinels: anycable-go's `--redis_sentinels`; the host in `url` is then the name of the primary.
        deadline: seconds that `publish` may take in all.

    Raises:
        ConfigurationError: an address cannot be used.
    """

    adapter = "redis"
    options = "--redis_channel"

    def __init__(self, url: str, channel: str = CHANNEL, *, sentinels: str = "", deadline: float = DEADLINE) -> None:
        super().__init__(url, channel, sentinels, deadline)

    def _send(self, body: bytes) -> None:
        heard = int(self._client.publish(self.channel, body))
        if heard or not self._is_cluster:
            self._notice(heard > 0)
        elif self._is_time_to_check():  # each node of a cluster counts only those that are connected to itself
            self._notice(any(count for _, count in self._client.pubsub_numsub(self.channel)))


class RedisStreamsBroadcaster(_OnRedis):
    """Appends to a stream, which anycable-go (`--broadcast_adapter=redisx`) reads from where it was.

    Args:
        url: as for `RedisBroadcaster`.
        channel: the stream: `--redisx_stream` of anycable-go 1.6, `--redis_channel` of 1.5.
        max_len: about how many entries the stream keeps; older ones go when a new one comes.
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
            self._look_for_readers()

    def _look_for_readers(self) -> None:
        try:
            groups = self._client.xinfo_groups(self.channel)
        except RedisError as error:  # such as a user who may only write: the publication has arrived all the same
            _logger.debug("cannot see who reads %s: %s", self.channel, type(error).__name__)
        else:
            self._notice(any(group["consumers"] for group in groups))


def _explained(error: Exception) -> tuple[str, bool]:
    """What went wrong, and whether the same may work later."""
    about_tls = tls_errors.explain(error)
    if about_tls:
        return about_tls + (_BY_PARAMETER if "SSL_CERT_FILE" in about_tls else ""), False
    return next((row[1:] for row in _ERRORS if isinstance(error, row[0])), (_answer(error), False))


def _answer(error: Exception) -> str:
    """What Redis itself says is safe to show: it has no payload and no password in it."""
    said = shorten(str(error), 200) if isinstance(error, ResponseError) else type(error).__name__
    return f"it answered {said}"
