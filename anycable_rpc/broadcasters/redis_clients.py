"""Clients for one Redis, for a cluster of them, and for the primary that Sentinels name.

The variables are anycable-go's, and so is what they mean (`redis/config.go`): several URLs are a cluster, and with
Sentinels the host of the URL is the name of the primary.
"""

from __future__ import annotations

import re
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import parse_url
from redis.exceptions import ConnectionError as BrokenConnection
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from ..errors import ConfigurationError
from . import tls_errors, urls

__all__ = ["AnyRedis", "address", "client", "is_cluster"]

AnyRedis = Redis | RedisCluster
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


def client(url: str, sentinels: str, seconds: float) -> AnyRedis:
    """Return a client that makes one attempt. Each step of it takes at most `seconds`.

    Raises:
        ConfigurationError: the URL or its parameters cannot be used.
        RedisError: the cluster does not answer.
    """
    timeouts: dict[str, Any] = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    try:
        if sentinels:
            return _primary_of(url, sentinels, timeouts)
        if is_cluster(url, sentinels):
            return _cluster(_split(url), timeouts)
        return Redis.from_url(url, **timeouts, retry=_once(), **_tls(url))
    except (ValueError, TypeError):
        raise ConfigurationError(_USAGE) from None


class _Sentinel(Redis):
    def sentinel_masters(self, *args: Any, **options: Any) -> Any:
        """Raise an error for a rejected certificate. redis-py alone would report that there is no primary."""
        try:
            return super().sentinel_masters(*args, **options)
        except BrokenConnection as error:
            if tls_errors.explain(error):
                raise RedisError("TLS to a Sentinel failed") from error
            raise


def _primary_of(url: str, sentinels: str, timeouts: dict[str, Any]) -> Redis:
    nodes = [_options(part) for part in _each(sentinels)]
    own: dict[str, Any] = {**timeouts, "retry": _once()}
    sentinel = _untyped(Sentinel)([], **own)
    sentinel.sentinels = [_Sentinel(**own, **node) for node in nodes]  # each may have a password of its own
    options = _options(url)
    for name in ("host", "port"):
        options.pop(name, None)
    return cast("Redis", sentinel.master_for(_primary(url), **options))


def _cluster(urls: list[str], timeouts: dict[str, Any]) -> RedisCluster:
    options = [_options(url) for url in urls]
    nodes = [_untyped(ClusterNode)(each["host"], each.get("port", _PORT)) for each in options]
    shared: dict[str, Any] = {name: value for name, value in options[0].items() if name not in ("host", "port", "db")}
    return RedisCluster(startup_nodes=nodes, retry=Retry(NoBackoff(), 1), **timeouts, **shared)


def _options(url: str) -> dict[str, Any]:
    """Return the URL as keyword arguments of redis-py."""
    options: dict[str, Any] = dict(parse_url(url))  # type: ignore[no-untyped-call,unused-ignore]
    options.pop("connection_class", None)
    return {"host": "localhost", **options, **({"ssl": True} | _tls(url) if url.startswith("rediss:") else {})}


def _tls(url: str) -> dict[str, bool]:
    """Turn host name verification on unless the URL turns it off. Older versions of redis-py do not do it."""
    is_off = re.search(r"[?&]ssl_(cert_reqs=none|check_hostname=(false|no?|f|0))(&|$)", url, re.IGNORECASE)
    return {"ssl_check_hostname": not is_off} if url.startswith("rediss:") else {}


def _untyped(value: Any) -> Any:
    """Hide from type checkers that redis-py leaves these without types."""
    return value


def _once() -> Retry:
    return Retry(NoBackoff(), 0)


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
