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
        known = "is not in this version" if name in _LATER else "is unknown"
        raise ConfigurationError(
            f"the broadcast adapter {shorten(name)} {known}: set ANYCABLE_BROADCAST_ADAPTER to "
            f"{' or '.join(_ADAPTERS)} for this program (anycable-go itself may have several)"
        )
    return _ADAPTERS[name](settings)


def _http(settings: BroadcastSettings) -> Broadcaster:
    from .http import HTTPBroadcaster

    return HTTPBroadcaster(settings.resolved_http_broadcast_url(), settings.resolved_broadcast_key())


def _memory(_: BroadcastSettings) -> Broadcaster:
    from .memory import MemoryBroadcaster

    return MemoryBroadcaster(keep=1000)


_ADAPTERS: dict[str, Callable[[BroadcastSettings], Broadcaster]] = {"http": _http, "memory": _memory}
_LATER = ("redis", "redisx", "nats")
