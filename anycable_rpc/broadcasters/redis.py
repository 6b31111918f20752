"""Publishes through Redis: pub/sub (`redis`), or a stream that keeps what anycable-go has not read yet (`redisx`).

anycable-go subscribes to the channel of that name (`broadcast/legacy_redis.go`), or reads the stream of that name in
a consumer group and takes the field `payload` (`broadcast/redis.go`).
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as BrokenConnection
from redis.exceptions import TimeoutError as NoAnswer
from redis.retry import Retry

from ..errors import BroadcastFailed, ConfigurationError, shorten
from ..retries import DEADLINE, insist

__all__ = ["CHANNEL", "RedisBroadcaster", "RedisStreamsBroadcaster"]

_logger = logging.getLogger("anycable_rpc")

CHANNEL = "__anycable__"
"""The channel, and the stream, that anycable-go reads unless it is told another."""

_SCHEMES = ("redis", "rediss", "unix")
_CHECK_USER = "check the user and the password in ANYCABLE_REDIS_URL"
_ERRORS: tuple[tuple[type[RedisError], str, bool], ...] = (
    (AuthenticationError, f"it wants to know who this is: {_CHECK_USER}", False),
    (NoPermissionError, f"this user may not publish there: {_CHECK_USER}, and its rights (ACL)", False),
    (BusyLoadingError, "it is still reading its data", True),
    (BrokenConnection, "no connection: is Redis running, and is ANYCABLE_REDIS_URL right?", True),
    (NoAnswer, "no answer in time: it may or may not have arrived", False),
    (ReadOnlyError, "it is a replica: ANYCABLE_REDIS_URL must name the primary", True),
)
"""What went wrong, in words, and whether the same may work later; the first that fits counts."""


class _OnRedis:
    """A client whose pool serves any thread, with or without an event loop, and starts anew after a fork.

    What looks like a restart is tried again until the deadline, so a payload may arrive twice. One attempt takes half
    of the deadline at most.
    """

    def __init__(self, url: str, channel: str, deadline: float) -> None:
        self.address = _address(url)
        self.channel = channel
        self.deadline = deadline
        self._client = _client(url, deadline / 2)

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
        self._client.connection_pool.disconnect()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r}, {self.channel!r})"

    def _attempt(self, body: bytes) -> None:
        try:
            self._send(body)
        except RedisError as error:
            said, transient = next((row[1:] for row in _ERRORS if isinstance(error, row[0])), (_answer(error), False))
            raise BroadcastFailed(f"cannot publish to {self.address}: {said}", self.address, transient) from error

    def _send(self, body: bytes) -> None:
        raise NotImplementedError


class RedisBroadcaster(_OnRedis):
    """Publishes to a channel: who does not listen at that moment misses it.

    Args:
        url: `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS, with a verified certificate.
        channel: anycable-go's `--redis_channel`.
        deadline: seconds that `publish` may take in all.

    Raises:
        ConfigurationError: the URL cannot be used.
    """

    def __init__(self, url: str, channel: str = CHANNEL, *, deadline: float = DEADLINE) -> None:
        super().__init__(url, channel, deadline)
        self._is_heard = True

    def _send(self, body: bytes) -> None:
        is_heard = bool(self._client.publish(self.channel, body))
        if self._is_heard and not is_heard:
            _logger.warning(
                "nobody listens to %s at %s: does anycable-go run with --broadcast_adapter=redis and the same "
                "--redis_url and --redis_channel?", self.channel, self.address,
            )  # fmt: skip
        self._is_heard = is_heard


class RedisStreamsBroadcaster(_OnRedis):
    """Appends to a stream, which anycable-go (`--broadcast_adapter=redisx`) reads from where it was.

    Args:
        url: as for `RedisBroadcaster`.
        channel: the stream, anycable-go's `--redisx_stream`.
        max_len: about how many entries the stream keeps; older ones go when a new one comes.
        deadline: seconds that `publish` may take in all.

    Raises:
        ConfigurationError: the URL cannot be used.
    """

    def __init__(self, url: str, channel: str = CHANNEL, *, max_len: int = 10_000, deadline: float = DEADLINE) -> None:
        super().__init__(url, channel, deadline)
        self.max_len = max_len

    def _send(self, body: bytes) -> None:
        self._client.xadd(self.channel, {"payload": body}, maxlen=self.max_len, approximate=True)


def _client(url: str, seconds: float) -> Redis:
    tls = {"ssl_check_hostname": True} if url.startswith("rediss:") else {}
    try:
        return Redis.from_url(
            url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0), **tls
        )
    except (ValueError, TypeError):
        raise _unusable() from None


def _address(url: str) -> str:
    """The URL as it may be shown: without user, password and parameters."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or 6379
    except ValueError:
        raise _unusable() from None
    if parts.scheme not in _SCHEMES or (parts.scheme == "unix") == bool(host) or not url.isprintable() or " " in url:
        raise _unusable()
    where = f"{f'[{host}]' if ':' in host else host}:{port}" if host else ""
    return f"{parts.scheme}://{where}{parts.path}"


def _unusable() -> ConfigurationError:
    return ConfigurationError(
        "the URL of Redis is not redis://HOST:PORT/DB, rediss://… or unix:///PATH: set ANYCABLE_REDIS_URL, "
        "for example to redis://localhost:6379"
    )


def _answer(error: RedisError) -> str:
    """What Redis itself says is safe to show: it has no payload and no password in it."""
    said = shorten(str(error), 200) if isinstance(error, ResponseError) else type(error).__name__
    return f"it answered {said}"
