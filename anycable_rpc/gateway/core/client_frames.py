"""What a client sends: one command per frame (anycable-go `common/common.go`, `encoders/json.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import InvalidData
from ...protocol import go_json
from .history import Position

__all__ = ["HistoryRequest", "Message", "PresenceJoin", "decode"]

_MESSAGE: Mapping[str, type] = {
    "command": str,
    "identifier": str,
    "data": object,
    "history": dict,
    "presence": dict,
}
_HISTORY: Mapping[str, type] = {"since": int, "streams": dict}
_POSITION: Mapping[str, type] = {"epoch": str, "offset": int}
_PRESENCE: Mapping[str, type] = {"type": str, "id": str, "info": object}


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """What the client has missed: since when (epoch seconds), or after which place in which stream."""

    since: int = 0
    streams: Mapping[str, Position] | None = None

    def __bool__(self) -> bool:
        """Whether the client asks at all."""
        return self.since > 0 or self.streams is not None


@dataclass(frozen=True, slots=True)
class PresenceJoin:
    """Under which id the client is there, and what others are to know of it: a JSON text, or nothing."""

    id: str = ""
    info: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One command."""

    command: str = ""
    identifier: str = ""
    data: Any = None
    history: HistoryRequest = HistoryRequest()
    presence: PresenceJoin | None = None


def decode(frame: str | bytes) -> Message | None:
    """Read a frame, text or binary; None is for nothing to do: JSON's null.

    Raises:
        InvalidData: it is not JSON, or a field has a wrong type.
    """
    value = go_json.loads(frame if isinstance(frame, str) else frame.decode(errors="replace"))
    if value is None:
        return None
    found = go_json.fields(value, _MESSAGE)
    return Message(
        found.get("command", ""),
        found.get("identifier", ""),
        found.get("data"),
        _history(found.get("history", {})),
        _presence_join(found["presence"]) if "presence" in found else None,
    )


def _history(value: dict[str, Any]) -> HistoryRequest:
    found = go_json.fields(value, _HISTORY)
    streams = found.get("streams")
    places = None if streams is None else {stream: _position(place) for stream, place in streams.items()}
    return HistoryRequest(found.get("since", 0), places)


def _position(value: Any) -> Position:
    found = go_json.fields(value, _POSITION)
    if found.get("offset", 0) < 0:
        raise InvalidData("offset has a wrong value")
    return Position(found.get("epoch", ""), found.get("offset", 0))


def _presence_join(value: dict[str, Any]) -> PresenceJoin:
    found = go_json.fields(value, _PRESENCE)
    return PresenceJoin(found.get("id", ""), go_json.dumps(found["info"]) if "info" in found else "")
