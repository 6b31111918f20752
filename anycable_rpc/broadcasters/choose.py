"""Ways to publish: one class per transport, chosen by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..errors import ConfigurationError, shorten
from .base import Broadcaster

__all__ = ["Broadcaster", "broadcaster_for"]


class BroadcastSettings(Protocol):
    """What a broadcaster is made from."""

    @property
    def broadcast_adapter(self) -> str:
        """Its name."""
        ...

    @property
    def redis_url(self) -> str:
        """Where Redis is."""
        ...

    @property
    def redis_channel(self) -> str:
        """The channel there."""
        ...

    @property
    def redis_sentinels(self) -> str | None:
        """Where its Sentinels are."""
        ...

    @property
    def redisx_max_len(self) -> int:
        """About how long the stream may get."""
        ...

    @property
    def nats_servers(self) -> str:
        """Where NATS is; URLs with commas between."""
        ...

    @property
    def nats_channel(self) -> str:
        """The subject there."""
        ...

    def resolved_redisx_stream(self) -> str:
        """The stream there."""
        ...

    def resolved_http_broadcast_url(self) -> str:
        """Where anycable-go listens."""
        ...

    def resolved_broadcast_key(self) -> str | None:
        """What it wants as a bearer token."""
        ...


def broadcaster_for(settings: BroadcastSettings) -> Broadcaster:
    """The broadcaster that `broadcast_adapter` names.

    Raises:
        ConfigurationError: there is none of that name, or a setting of its own is wrong.
    """
    name = settings.broadcast_adapter
    if name not in _ADAPTERS:
        raise ConfigurationError(
            f"the broadcast adapter {shorten(name)} is unknown: set ANYCABLE_BROADCAST_ADAPTER to "
            f"{' or '.join(_ADAPTERS)} for this program (anycable-go itself may have several)"
        )
    try:
        return _ADAPTERS[name](settings)
    except ModuleNotFoundError as error:
        library = str(error.name).partition(".")[0]
        raise ConfigurationError(
            f"the broadcast adapter {name!r} needs the package {library}: pip install 'anycable-rpc[{library}]'"
        ) from error


def _http(settings: BroadcastSettings) -> Broadcaster:
    from .http import HTTPBroadcaster

    return HTTPBroadcaster(settings.resolved_http_broadcast_url(), settings.resolved_broadcast_key())


def _redis(settings: BroadcastSettings) -> Broadcaster:
    from .redis import RedisBroadcaster

    return RedisBroadcaster(settings.redis_url, settings.redis_channel, sentinels=settings.redis_sentinels or "")


def _redis_streams(settings: BroadcastSettings) -> Broadcaster:
    from .redis import RedisStreamsBroadcaster

    return RedisStreamsBroadcaster(
        settings.redis_url,
        settings.resolved_redisx_stream(),
        max_len=settings.redisx_max_len,
        sentinels=settings.redis_sentinels or "",
    )


def _nats(settings: BroadcastSettings) -> Broadcaster:
    from .nats import NATSBroadcaster

    return NATSBroadcaster(settings.nats_servers, settings.nats_channel)


def _memory(_: BroadcastSettings) -> Broadcaster:
    from .memory import MemoryBroadcaster

    return MemoryBroadcaster(keep=1000)


_ADAPTERS: dict[str, Callable[[BroadcastSettings], Broadcaster]] = {
    "http": _http,
    "redis": _redis,
    "redisx": _redis_streams,
    "nats": _nats,
    "memory": _memory,
}
