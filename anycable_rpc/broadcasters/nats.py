"""Publishing through NATS (anycable-go `broadcast/nats.go`).

The library needs an event loop. Async code uses its own. For all other threads of a process, one thread with an event
loop of its own publishes. A forked child starts its own thread.
"""

from __future__ import annotations

from ..errors import ConfigurationError
from . import urls
from .grouped import GroupedBroadcaster
from .nats_carriers import AsyncNATSCarrier, NATSCarrier, Route
from .retries import DEADLINE

__all__ = ["CHANNEL", "NATSBroadcaster"]

CHANNEL = "__anycable__"
"""The subject that anycable-go subscribes to by default."""

_SCHEMES = ("nats", "tls", "ws", "wss")
_PORT = 4222
_USAGE = (
    "the servers of NATS are not nats://HOST:PORT or tls://…, with commas between, or the channel has spaces: set "
    "ANYCABLE_NATS_SERVERS, for example to nats://localhost:4222, and ANYCABLE_NATS_CHANNEL"
)


class NATSBroadcaster(GroupedBroadcaster):
    """A broadcaster for a NATS subject. It waits until the server has the payload.

    Publications that come while others are on their way leave together. After a failure that looks like a restart it
    tries again until the deadline, so a payload may arrive twice.

    Args:
        servers: URLs like `nats://[user:password@]host:4222`, separated by commas. `tls://` is verified TLS.
        channel: anycable-go's `--nats_channel`.
        deadline: seconds that `publish` may take in all.

    Raises:
        ConfigurationError: a URL cannot be used.
    """

    def __init__(self, servers: str, channel: str = CHANNEL, *, deadline: float = DEADLINE) -> None:
        separate = [server.strip() for server in servers.split(",") if server.strip()]
        address = ",".join(map(_address, separate))
        if not address or not channel or not channel.isprintable() or " " in channel:
            raise ConfigurationError(_USAGE)
        super().__init__(address, deadline)
        self.channel = channel
        self._route = Route(separate, channel, self._failed)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r}, {self.channel!r})"

    @property
    def _destination(self) -> str:
        return f"{self.address}, {self.channel}"

    def _carrier(self) -> NATSCarrier:
        return NATSCarrier(self._route)

    def _async_carrier(self) -> AsyncNATSCarrier:
        return AsyncNATSCarrier(self._route)


def _address(url: str) -> str:
    parts = urls.parse(url, _SCHEMES, _PORT, _USAGE)
    return f"{parts.scheme}://{parts.netloc}"
