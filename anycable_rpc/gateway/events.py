"""Events of the gateway: one call writes the log line and tells the observers.

`str(event)` is the log line, which holds no token, no secret and no payload (see `protocol.log_lines`). The fields of
an event may hold all three: they are for the developer's own tools.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import shorten
from ..protocol.log_lines import call_line, named
from ..protocol.messages import CommandMessage, CommandResponse
from .core.session import Broadcast, RemoteDisconnect

__all__ = [
    "BroadcastSent",
    "ClientRefused",
    "CommandAnswered",
    "Connected",
    "Disconnected",
    "Event",
    "Journal",
    "Observer",
    "RemotelyDisconnected",
]

logger = logging.getLogger("anycable_rpc")

_LIMIT = 200  # characters of the identifiers in a line


@dataclass(frozen=True, slots=True)
class Connected:
    """A session has started. `by` is "RPC", "token", or the option that accepts everybody."""

    sid: str
    identifiers: str
    by: str
    is_resumed: bool

    def __str__(self) -> str:
        resumed = ", resuming an earlier session" if self.is_resumed else ""
        return named(f"connected {shorten(self.identifiers, _LIMIT)} by {self.by}{resumed}", self.sid)


@dataclass(frozen=True, slots=True)
class ClientRefused:
    """A client was refused; `description` says why."""

    sid: str
    description: str

    def __str__(self) -> str:
        return named(self.description, self.sid)


@dataclass(frozen=True, slots=True)
class CommandAnswered:
    """A client has subscribed, unsubscribed or performed; `request.command` says which, `seconds` how long it took."""

    sid: str
    request: CommandMessage
    response: CommandResponse
    seconds: float

    def __str__(self) -> str:
        return call_line(self.request, self.response, self.seconds, self.sid)


@dataclass(frozen=True, slots=True)
class BroadcastSent:
    """A broadcast was sent to so many subscriptions."""

    broadcast: Broadcast
    receivers: int

    def __str__(self) -> str:
        return f"broadcast to {shorten(self.broadcast.stream)}, receivers: {self.receivers}"


@dataclass(frozen=True, slots=True)
class RemotelyDisconnected:
    """A remote disconnect has closed so many connections."""

    command: RemoteDisconnect
    connections: int

    def __str__(self) -> str:
        return f"remote disconnect of {shorten(self.command.identifiers, _LIMIT)}, connections: {self.connections}"


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A session has ended."""

    sid: str
    identifiers: str
    reason: str

    def __str__(self) -> str:
        return named(f"disconnected {shorten(self.identifiers, _LIMIT)}: {self.reason}", self.sid)


Event = Connected | ClientRefused | CommandAnswered | BroadcastSent | RemotelyDisconnected | Disconnected

Observer = Callable[[Event], object]
"""Called on the event loop of the gateway, which waits for it."""


class Journal:
    """Writes each event to the log, and passes it to the observers."""

    def __init__(self) -> None:
        self.observers: list[Observer] = []

    def tell(self, event: Event) -> None:
        """Log the event and pass it on. An observer that fails is logged, and stops nothing."""
        if logger.isEnabledFor(logging.INFO):
            logger.info("%s", str(event))  # not the event itself: handlers may keep arguments, and it holds secrets
        for observer in self.observers:
            try:
                observer(event)
            except Exception:
                logger.exception("an observer of the gateway failed")
