"""Publications to the gateway, read as anycable-go reads them. Those that anycable-go drops are an error here."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ...errors import InvalidData, ProtocolError, shorten
from ...protocol import go_json
from .session import Broadcast, RemoteDisconnect

__all__ = ["Publication", "RoundedNumbers", "read"]

Publication = Broadcast | RemoteDisconnect

_BROADCAST: Mapping[str, type] = {"stream": str, "data": str, "meta": dict}
_META: Mapping[str, type] = {"exclude_socket": str, "broadcast_type": str, "transient": bool}
_COMMAND: Mapping[str, type] = {"command": str, "payload": dict}
_DISCONNECT: Mapping[str, type] = {"identifier": str, "reconnect": bool}

_LONG = re.compile("[0-9]{16}")  # shorter integers are exact, and need no closer look
_EXACT = 2**53
_logger = logging.getLogger("anycable_rpc")


class RoundedNumbers:
    """Warns once of an integer that anycable-go and JavaScript round, and this gateway passes on as it is."""

    def __init__(self) -> None:
        self._has_warned = False

    def check(self, publications: list[Publication]) -> None:
        """Look for such an integer, until one has been found."""
        for publication in publications:
            if self._has_warned:
                return
            if isinstance(publication, Broadcast) and _LONG.search(publication.data) and _rounded(publication.data):
                self._has_warned = True
                _logger.warning(
                    "a broadcast to %s has an integer beyond 2**53, which anycable-go and browsers round: send it as "
                    "a string", shorten(publication.stream),
                )  # fmt: skip


def _rounded(data: str) -> list[int]:
    """Return the integers in the JSON that a 64-bit float cannot hold."""
    found: list[int] = []

    def integer(digits: str) -> int:
        number = int(digits)
        if abs(number) > _EXACT and (len(digits) > 300 or int(float(number)) != number):
            found.append(number)
        return number

    with suppress(ValueError, RecursionError):  # data that is not JSON is passed on as a string
        json.loads(data, parse_int=integer)
    return found


def read(payload: str) -> list[Publication]:
    """Read a broadcast, an array of them, or a remote command.

    Raises:
        ProtocolError: anycable-go would answer 201 and drop it; the message says what is wrong.
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
        raise InvalidData('it names no stream; write {"stream": …, "data": "<JSON>"}')
    meta = go_json.fields(found.get("meta", {}), _META)
    return Broadcast(
        stream=found["stream"],
        data=found.get("data", ""),
        exclude_socket=meta.get("exclude_socket", ""),
        type=meta.get("broadcast_type", ""),
        transient=meta.get("transient", False),
    )


def _command(value: Any) -> RemoteDisconnect:
    found = go_json.fields(value, _COMMAND)
    if found.get("command") != "disconnect":
        raise InvalidData(f"there is no remote command {shorten(found.get('command'))}; the only one is disconnect")
    payload = go_json.fields(found.get("payload", {}), _DISCONNECT)
    if "identifier" not in payload:
        raise InvalidData("the payload of disconnect has no identifier: set it to the identifiers, as a string")
    return RemoteDisconnect(payload["identifier"], payload.get("reconnect", False))
