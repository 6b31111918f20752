"""What a client sends: one command per frame (anycable-go `common/common.go`, `encoders/json.go`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import go_json
from ..errors import InvalidData

__all__ = ["History", "Message", "decode"]

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
class History:
    """What the client has missed: since when (epoch seconds), or after which place in which stream."""

    since: int = 0
    streams: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One command."""

    command: str = ""
    identifier: str = ""
    data: Any = None
    history: History = History()


def decode(frame: str | bytes) -> Message | None:
    """Read a frame, text or binary; None is for nothing to do: JSON's null.

    Raises:
        InvalidData: it is not JSON, or a field has a wrong type.
    """
    value = go_json.loads(frame if isinstance(frame, str) else frame.decode(errors="replace"))
    if value is None:
        return None
    found = go_json.fields(value, _MESSAGE)
    go_json.fields(found.get("presence", {}), _PRESENCE)
    return Message(
        found.get("command", ""), found.get("identifier", ""), found.get("data"), _history(found.get("history", {}))
    )


def _history(value: dict[str, Any]) -> History:
    found = go_json.fields(value, _HISTORY)
    for position in found.get("streams", {}).values():
        if go_json.fields(position, _POSITION).get("offset", 0) < 0:
            raise InvalidData("offset has a wrong value")
    return History(found.get("since", 0), found.get("streams"))
