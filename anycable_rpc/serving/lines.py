"""The lines that a server prints about itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..cable import Cable
    from ..settings.model import Settings
    from ..transports.service import Service

__all__ = ["broadcast_lines", "listening_line", "stopping_line"]


def listening_line(address: str, service: Service) -> str:
    """Return the line that says where calls are accepted, and how they run."""
    settings = service.cable.settings
    place = "an event loop" if service.is_async else "threads"
    engine = "" if settings.rpc_engine == "grpcio" else f"; engine: {settings.rpc_engine}"
    return f"RPC server is listening on {address} ({settings.rpc_pool_size} calls at a time, on {place}{engine})"


def broadcast_lines(cable: Cable) -> Iterator[str]:
    """Yield the line that says where broadcasts go, if they leave this process."""
    with suppress(ConfigurationError):  # an app that never broadcasts can be served nevertheless
        broadcaster = cable.broadcaster
        address, channel = (getattr(broadcaster, name, "") for name in ("address", "channel"))
        if address:
            destination = f"{address}, channel {channel}" if channel else address
            yield f"Broadcasts go to {destination} ({type(broadcaster).__name__})"


def stopping_line(settings: Settings) -> str:
    """Return the line that says that calls are no longer accepted, and how long those under way have."""
    return f"Stopping: calls under way have {settings.shutdown_timeout:g} s to end; a second signal ends them now"
