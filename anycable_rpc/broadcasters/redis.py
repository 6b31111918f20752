"""Publishing through Redis: pub/sub (`redis`), or a stream that keeps unread payloads for anycable-go (`redisx`).

anycable-go subscribes to the channel of that name (`broadcast/legacy_redis.go`), or reads the stream of that name in
a consumer group and takes the field `payload` (`broadcast/redis.go`).
"""

from __future__ import annotations

from . import redis_clients
from .grouped import GroupedBroadcaster
from .redis_carriers import AsyncRedisCarrier, RedisCarrier, Route
from .redis_commands import Commands, PubSub, Stream
from .redis_listeners import Listeners
from .retries import DEADLINE

__all__ = ["CHANNEL", "RedisBroadcaster", "RedisStreamsBroadcaster"]

CHANNEL = "__anycable__"
"""The default channel of anycable-go, and its default stream."""


class _RedisBroadcaster(GroupedBroadcaster):
    """A broadcaster whose connections serve any thread, with or without an event loop, also after a fork.

    Publications that come while others are on their way leave together, in one pipeline. After a failure that looks
    like a restart it tries again until the deadline, so a payload may arrive twice. One attempt takes at most half of
    the deadline.
    """

    adapter = ""
    options = ""

    def __init__(self, url: str, sentinels: str, deadline: float, commands: Commands) -> None:
        super().__init__(redis_clients.address(url, sentinels), deadline)
        redis_clients.check(url, sentinels)
        self.channel = commands.channel
        self._route = Route(
            url,
            sentinels,
            seconds=deadline / 2,
            is_cluster=redis_clients.is_cluster(url, sentinels),
            commands=commands,
            listeners=Listeners(self.channel, self.address, self.adapter, self.options),
            failed=self._failed,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r}, {self.channel!r})"

    @property
    def _destination(self) -> str:
        return f"{self.address}, {self.channel}"

    @property
    def _last_attempt(self) -> float:
        return self.deadline / 2

    def _carrier(self) -> RedisCarrier:
        return RedisCarrier(self._route)

    def _async_carrier(self) -> AsyncRedisCarrier:
        return AsyncRedisCarrier(self._route)


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
        commands = PubSub(channel, redis_clients.is_cluster(url, sentinels))
        super().__init__(url, sentinels, deadline, commands)


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
        super().__init__(url, sentinels, deadline, Stream(channel, max_len))
        self.max_len = max_len
