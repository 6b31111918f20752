"""The table of broadcasters: one class per transport, chosen by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import ConfigurationError, shorten
from .base import Broadcaster

if TYPE_CHECKING:
    from ..settings.model import Settings

__all__ = ["Broadcaster", "broadcaster_for"]


def broadcaster_for(settings: Settings) -> Broadcaster:
    """Return the broadcaster that `settings.broadcast_adapter` names.

    Raises:
        ConfigurationError: the name is unknown, a library is missing, or one of the broadcaster's settings is wrong.
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


def _http(settings: Settings) -> Broadcaster:
    from .http import HTTPBroadcaster

    return HTTPBroadcaster(settings.broadcast_address, settings.keys.broadcast)


def _redis(settings: Settings) -> Broadcaster:
    from .redis import RedisBroadcaster

    return RedisBroadcaster(settings.redis_url, settings.redis_channel, sentinels=settings.redis_sentinels or "")


def _redis_streams(settings: Settings) -> Broadcaster:
    from .redis import RedisStreamsBroadcaster

    return RedisStreamsBroadcaster(
        settings.redis_url,
        settings.redis_stream,
        max_len=settings.redisx_max_len,
        sentinels=settings.redis_sentinels or "",
    )


def _nats(settings: Settings) -> Broadcaster:
    from .nats import NATSBroadcaster

    return NATSBroadcaster(settings.nats_servers, settings.nats_channel)


def _memory(_: Settings) -> Broadcaster:
    from .memory import MemoryBroadcaster

    return MemoryBroadcaster(keep=1000)


_ADAPTERS: dict[str, Callable[[Settings], Broadcaster]] = {
    "http": _http,
    "redis": _redis,
    "redisx": _redis_streams,
    "nats": _nats,
    "memory": _memory,
}
