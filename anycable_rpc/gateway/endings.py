"""The endings of a connection, with the close codes of anycable-go (`node/session.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

__all__ = [
    "AUTH_ERROR",
    "AUTH_FAILED",
    "CLOSED_REMOTELY",
    "COMMAND_FAILED",
    "NO_PONG",
    "SERVER_RESTART",
    "TOO_BIG",
    "TOO_SLOW",
    "UNREADABLE",
    "Close",
    "Ending",
    "NoClose",
    "allows_return",
    "reason_of",
]


@dataclass(frozen=True, slots=True)
class Close:
    """An end with a close frame."""

    code: int
    reason: str = ""


class NoClose(Enum):
    """An end without a close frame."""

    DROP = "the server ends the connection"
    GONE = "the client has ended the connection"


Ending = Close | NoClose

AUTH_FAILED = Close(1000, "Auth Failed")
AUTH_ERROR = Close(1011, "Auth Error")
TOO_SLOW = Close(1000)
NO_PONG = Close(1000, "No Pong")
TOO_BIG = Close(1009)
UNREADABLE = Close(1003, "Unreadable message")
CLOSED_REMOTELY = Close(1000, "Closed remotely")
SERVER_RESTART = Close(1001, "Server restart")
COMMAND_FAILED = NoClose.DROP
"""anycable-go writes the code 1006 here, which no endpoint may write (RFC 6455, section 7.4.1)."""

_LOST = (TOO_SLOW, NO_PONG)
"""The connection was lost. All other endings are intended."""

_REASONS: Mapping[Ending, str] = {
    TOO_SLOW: "too slow for what is sent to it",
    NO_PONG: "no pong in time",
    TOO_BIG: "a frame was too big",
    UNREADABLE: "a frame could not be read",
    COMMAND_FAILED: "the app has ended it",
    CLOSED_REMOTELY: "closed remotely",
    SERVER_RESTART: "the server stops",
}


def allows_return(ending: Ending) -> bool:
    """Return whether the client may resume its session after this ending."""
    return ending in _LOST


def reason_of(ending: Ending) -> str:
    """Return the reason for the log."""
    return _REASONS.get(ending, "closed")
