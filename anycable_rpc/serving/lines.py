"""The lines that a server prints about itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..transports.service import Service

if TYPE_CHECKING:
    from ..cable import Cable
    from ..settings.model import Settings

__all__ = ["listening", "stopping"]


def listening(address: str, settings: Settings, service: Service) -> str:
    """The line that says that calls are accepted."""
    place = "an event loop" if service.is_async else "threads"
    engine = "" if settings.rpc_engine == "grpcio" else f"; engine: {settings.rpc_engine}"
    return f"RPC server is listening on {address} ({settings.rpc_pool_size} calls at a time, on {place}{engine})"


def broadcasting(cable: Cable) -> Iterator[str]:
    """The line that says where publications go, if that is anywhere outside."""
    with suppress(ConfigurationError):  # an app that never broadcasts can be served nevertheless
        broadcaster = cable.broadcaster
        address, channel = (getattr(broadcaster, name, "") for name in ("address", "channel"))
        if address:
            where = f"{address}, channel {channel}" if channel else address
            yield f"Broadcasts go to {where} ({type(broadcaster).__name__})"


def stopping(settings: Settings) -> str:
    """The line that says that they no longer are."""
    return f"Stopping: calls under way have {settings.shutdown_timeout:g} s to end; a second signal ends them now"
