"""Frames of a client, with one command each (anycable-go `common/common.go`, `encoders/json.go`)."""

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
    """A request for missed messages: since a time (epoch seconds), or after a position in each stream."""

    since: int = 0
    streams: Mapping[str, Position] | None = None

    def __bool__(self) -> bool:
        """Return whether anything is requested."""
        return self.since > 0 or self.streams is not None


@dataclass(frozen=True, slots=True)
class PresenceJoin:
    """A request to join the presence: the id, and the info for others, which is JSON or empty."""

    id: str = ""
    info: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A command of the client, with defaults for the fields that it leaves out."""

    command: str = ""
    identifier: str = ""
    data: Any = None
    history: HistoryRequest = HistoryRequest()
    presence: PresenceJoin | None = None


def decode(frame: str | bytes) -> Message | None:
    """Read a frame, text or binary. Return None for JSON's null, which is no command.

    Raises:
        InvalidData: the frame is not JSON, or a field has a wrong type.
    """
    value = go_json.loads(frame if isinstance(frame, str) else frame.decode(errors="replace"))
    if value is None:
        return None
    found = go_json.fields(value, _MESSAGE)
    return Message(
        command=found.get("command", ""),
        identifier=found.get("identifier", ""),
        data=found.get("data"),
        history=_history(found.get("history", {})),
        presence=_presence_join(found["presence"]) if "presence" in found else None,
    )


def _history(value: dict[str, Any]) -> HistoryRequest:
    found = go_json.fields(value, _HISTORY)
    streams = found.get("streams")
    positions = None if streams is None else {stream: _position(position) for stream, position in streams.items()}
    return HistoryRequest(found.get("since", 0), positions)


def _position(value: Any) -> Position:
    found = go_json.fields(value, _POSITION)
    if found.get("offset", 0) < 0:
        raise InvalidData("offset has a wrong value")
    return Position(found.get("epoch", ""), found.get("offset", 0))


def _presence_join(value: dict[str, Any]) -> PresenceJoin:
    found = go_json.fields(value, _PRESENCE)
    return PresenceJoin(found.get("id", ""), go_json.dumps(found["info"]) if "info" in found else "")
