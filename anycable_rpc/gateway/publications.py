"""What is published to the gateway, read as anycable-go reads it; what it would drop is an error here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import go_json
from ..errors import InvalidData, ProtocolError, shorten
from ..hub import Broadcast, RemoteDisconnect

__all__ = ["Publication", "read"]

Publication = Broadcast | RemoteDisconnect

_BROADCAST: Mapping[str, type] = {"stream": str, "data": str, "meta": dict}
_META: Mapping[str, type] = {"exclude_socket": str, "broadcast_type": str, "transient": bool}
_COMMAND: Mapping[str, type] = {"command": str, "payload": dict}
_DISCONNECT: Mapping[str, type] = {"identifier": str, "reconnect": bool}


def read(payload: str) -> list[Publication]:
    """Read a broadcast, an array of them, or a remote command.

    Raises:
        ProtocolError: anycable-go would answer 201 and drop it; the text says what is wrong.
    """
    try:
        value = go_json.loads(payload)
        if isinstance(value, list):
            return _batch(value)
        return [_command(value) if _is_command(value) else _broadcast(value)]
    except InvalidData as error:
        raise ProtocolError(f"the publication cannot be read: {error}") from None


def _batch(values: list[Any]) -> list[Publication]:
    if not values:
        raise InvalidData("the array is empty")
    return [_broadcast(value) for value in values]


def _is_command(value: Any) -> bool:
    found = go_json.fields(value, {"stream": object, "command": object})
    return "command" in found and not found.get("stream")


def _broadcast(value: Any) -> Broadcast:
    found = go_json.fields(value, _BROADCAST)
    if not found.get("stream"):
        raise InvalidData('it names no stream; write {"stream": …, "data": "<JSON text>"}')
    meta = go_json.fields(found.get("meta", {}), _META)
    return Broadcast(
        found["stream"],
        found.get("data", ""),
        meta.get("exclude_socket", ""),
        meta.get("broadcast_type", ""),
        meta.get("transient", False),
    )


def _command(value: Any) -> RemoteDisconnect:
    found = go_json.fields(value, _COMMAND)
    if found.get("command") != "disconnect":
        raise InvalidData(f"there is no remote command {shorten(found.get('command'))}; there is disconnect")
    payload = go_json.fields(found.get("payload", {}), _DISCONNECT)
    if "identifier" not in payload:
        raise InvalidData("the payload of disconnect has no identifier, which is the text of the identifiers")
    return RemoteDisconnect(payload["identifier"], payload.get("reconnect", False))
