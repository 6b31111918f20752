"""Clients for one Redis, for a cluster of them, and for the primary that Sentinels name.

The variables are anycable-go's, and so is what they mean (`redis/config.go`): several URLs are a cluster, and with
Sentinels the host of the URL is the name of the primary.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.cluster import ClusterNode as AsyncClusterNode
from redis.asyncio.cluster import RedisCluster as AsyncRedisCluster
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import parse_url
from redis.exceptions import ConnectionError as BrokenConnection
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from ..errors import ConfigurationError
from . import tls_errors, urls

__all__ = ["aclose", "address", "async_client", "check", "client", "close", "is_cluster"]

_SCHEMES = ("redis", "rediss", "unix")
_PORT = 6379
_BETWEEN = re.compile(r"\s*,\s*(?=[^@]*$|\w+://)")
"""The comma between two addresses. A comma inside a password is followed by an @ and not by a scheme."""

_USAGE = (
    "the URL of Redis is not redis://HOST:PORT/DB, rediss://… or unix:///PATH, or several of the first two with "
    "commas between: set ANYCABLE_REDIS_URL, for example to redis://localhost:6379"
)


def address(url: str, sentinels: str = "") -> str:
    """Return the addresses as logs and errors may show them: without users, passwords and parameters.

    Raises:
        ConfigurationError: one of the URLs cannot be used.
    """
    shown = [_display(part) for part in _split(url)]
    if len(shown) > 1 and any(part.startswith("unix:") for part in shown):
        raise ConfigurationError(_USAGE)
    if not sentinels:
        return ",".join(shown)
    if len(shown) > 1 or shown[0].startswith("unix:"):
        raise ConfigurationError(
            "with ANYCABLE_REDIS_SENTINELS the host of the URL is the Sentinels' name for the primary: set "
            "ANYCABLE_REDIS_URL, for example to redis://mymaster"
        )
    scheme = urlsplit(url).scheme
    known = ",".join(urls.host_and_port(urlsplit(part), _PORT) for part in _each(sentinels))
    return f"{scheme}://{_primary(url)} (Sentinels: {known})"


def is_cluster(url: str, sentinels: str) -> bool:
    """Return whether the URL needs a client of a cluster, which connects as soon as it is made."""
    return not sentinels and len(_split(url)) > 1


def check(url: str, sentinels: str) -> None:
    """Check the URL and its parameters. A cluster is asked for no connection.

    Raises:
        ConfigurationError: they cannot be used.
    """
    if not is_cluster(url, sentinels):
        client(url, sentinels, 1)


def client(url: str, sentinels: str, seconds: float) -> Any:
    """Return a client that makes one attempt. Each step of it takes at most `seconds`.

    Raises:
        ConfigurationError: the URL or its parameters cannot be used.
        RedisError: the cluster does not answer.
    """
    return _client(_SYNC, url, sentinels, seconds)


def async_client(url: str, sentinels: str, seconds: float) -> Any:
    """Return `client` for async code. The client of a cluster connects at its first command."""
    return _client(_ASYNC, url, sentinels, seconds)


def close(client: Any) -> None:
    """Close the idle connections of a client. Those in use close when nobody holds the client any more."""
    if hasattr(client, "connection_pool"):
        client.connection_pool.disconnect(inuse_connections=False)
    else:
        client.close()


async def aclose(client: Any) -> None:
    """Close the idle connections of a client of async code, and those to the Sentinels that it asks."""
    pool = getattr(client, "connection_pool", None)
    if pool is None:
        await client.aclose()
        return
    await pool.disconnect(inuse_connections=False)
    for sentinel in pool.sentinel_manager.sentinels if hasattr(pool, "sentinel_manager") else ():
        await sentinel.aclose()


class _Sentinel(Redis):
    def sentinel_masters(self, *args: Any, **options: Any) -> Any:
        """Raise an error for a rejected certificate. redis-py alone would report that there is no primary."""
        try:
            return super().sentinel_masters(*args, **options)
        except BrokenConnection as error:
            raise _of_sentinel(error) from error


class _AsyncSentinel(AsyncRedis):
    async def sentinel_masters(self, *args: Any, **options: Any) -> Any:
        """Raise an error for a rejected certificate. redis-py alone would report that there is no primary."""
        try:
            return await super().sentinel_masters(*args, **options)
        except BrokenConnection as error:
            raise _of_sentinel(error) from error


def _of_sentinel(error: BrokenConnection) -> RedisError:
    return RedisError("TLS to a Sentinel failed") if tls_errors.explain(error) else error


class _Classes(NamedTuple):
    """The classes of redis-py for sync or for async code."""

    redis: Any
    cluster: Any
    node: Any
    sentinel: Any
    one_sentinel: Any
    retry: Any


_SYNC = _Classes(Redis, RedisCluster, ClusterNode, Sentinel, _Sentinel, Retry)
_ASYNC = _Classes(AsyncRedis, AsyncRedisCluster, AsyncClusterNode, AsyncSentinel, _AsyncSentinel, AsyncRetry)


def _client(classes: _Classes, url: str, sentinels: str, seconds: float) -> Any:
    timeouts: dict[str, Any] = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    try:
        if sentinels:
            return _primary_of(classes, url, sentinels, timeouts)
        if is_cluster(url, sentinels):
            return _cluster(classes, _split(url), timeouts)
        return classes.redis.from_url(url, **timeouts, retry=classes.retry(NoBackoff(), 0), **_tls(url))
    except (ValueError, TypeError):
        raise ConfigurationError(_USAGE) from None


def _primary_of(classes: _Classes, url: str, sentinels: str, timeouts: dict[str, Any]) -> Any:
    nodes = [_options(part) for part in _each(sentinels)]
    own: dict[str, Any] = {**timeouts, "retry": classes.retry(NoBackoff(), 0)}
    sentinel = classes.sentinel([], **own)
    sentinel.sentinels = [classes.one_sentinel(**own, **node) for node in nodes]  # each may have its own password
    options = _options(url)
    for name in ("host", "port"):
        options.pop(name, None)
    return sentinel.master_for(_primary(url), **options)


def _cluster(classes: _Classes, urls: list[str], timeouts: dict[str, Any]) -> Any:
    options = [_options(url) for url in urls]
    nodes = [classes.node(each["host"], each.get("port", _PORT)) for each in options]
    shared: dict[str, Any] = {name: value for name, value in options[0].items() if name not in ("host", "port", "db")}
    return classes.cluster(startup_nodes=nodes, retry=classes.retry(NoBackoff(), 1), **timeouts, **shared)


def _options(url: str) -> dict[str, Any]:
    """Return the URL as keyword arguments of redis-py."""
    options: dict[str, Any] = dict(parse_url(url))  # type: ignore[no-untyped-call,unused-ignore]
    options.pop("connection_class", None)
    return {"host": "localhost", **options, **({"ssl": True} | _tls(url) if url.startswith("rediss:") else {})}


def _tls(url: str) -> dict[str, bool]:
    """Turn host name verification on unless the URL turns it off. Older versions of redis-py do not do it."""
    is_off = re.search(r"[?&]ssl_(cert_reqs=none|check_hostname=(false|no?|f|0))(&|$)", url, re.IGNORECASE)
    return {"ssl_check_hostname": not is_off} if url.startswith("rediss:") else {}


def _split(url: str) -> list[str]:
    """Return the URLs of a cluster. Only the first needs a scheme, as in anycable-go."""
    return list(map(_with_scheme, _BETWEEN.split(url)))


def _each(sentinels: str) -> list[str]:
    """Return the Sentinels as URLs."""
    return [_with_scheme(part.strip()) for part in sentinels.split(",")]


def _with_scheme(address: str) -> str:
    return address if "://" in address else f"redis://{address}"


def _primary(url: str) -> str:
    """Return the name of the primary, with its upper and lower case letters."""
    return unquote(urlsplit(url).netloc.rpartition("@")[2].partition(":")[0])


def _display(url: str) -> str:
    parts = urls.parse(url, _SCHEMES, _PORT, _USAGE)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
