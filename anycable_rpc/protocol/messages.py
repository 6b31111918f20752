"""The messages of `anycable.RPC` as frozen data, with the field names of `rpc.proto`.

They are tuples, which are made several times as fast as frozen dataclasses.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import NamedTuple

from ..errors import InvalidData, shorten
from .json_text import dumps

__all__ = [
    "MESSAGE_SIZE",
    "METHODS",
    "METHOD_NAMES",
    "PROTOCOL_VERSION",
    "SERVICE",
    "UNCHANGED",
    "CommandMessage",
    "CommandResponse",
    "ConnectionRequest",
    "ConnectionResponse",
    "DisconnectRequest",
    "DisconnectResponse",
    "Env",
    "EnvResponse",
    "PresenceResponse",
    "Request",
    "Response",
    "Status",
    "stream_name",
]

_NONE: Mapping[str, str] = MappingProxyType({})

SERVICE = "anycable.RPC"
MESSAGE_SIZE = 4 * 2**20
"""How many bytes a message has at most, unless a setting says otherwise: gRPC's own default."""

PROTOCOL_VERSION = "v1"


class Status(IntEnum):
    """What came of a call."""

    ERROR = 0
    SUCCESS = 1
    FAILURE = 2


class Env(NamedTuple):
    """The client's HTTP request and the state that anycable-go keeps.

    `istate` is flat (key to text) in a Command and nested (identifier to the JSON text of such a map) in a
    Disconnect (anycable-go `protocol/protocol.go`).
    """

    url: str = ""
    headers: Mapping[str, str] = _NONE
    cstate: Mapping[str, str] = _NONE
    istate: Mapping[str, str] = _NONE


class EnvResponse(NamedTuple):
    """Changes of state; an empty value deletes the key (anycable-go `common/common.go`)."""

    cstate: Mapping[str, str] = _NONE
    istate: Mapping[str, str] = _NONE


UNCHANGED = EnvResponse()
"""What most calls say of state."""


class PresenceResponse(NamedTuple):
    """A change of presence: `type` is `join` or `leave`, `info` a JSON text."""

    type: str
    id: str
    info: str = ""


class ConnectionRequest(NamedTuple):
    """A client without a token has opened a socket."""

    env: Env = Env()


class CommandMessage(NamedTuple):
    """A client subscribes, unsubscribes or performs an action."""

    command: str
    identifier: str
    connection_identifiers: str
    data: str = ""
    env: Env = Env()


class DisconnectRequest(NamedTuple):
    """A socket is gone; `subscriptions` are the identifiers it had, in no order."""

    identifiers: str
    subscriptions: tuple[str, ...] = ()
    env: Env = Env()


class ConnectionResponse(NamedTuple):
    """The answer to Connect; `identifiers` is kept by anycable-go byte for byte."""

    status: Status
    identifiers: str = ""
    transmissions: tuple[str, ...] = ()
    error_msg: str = ""
    env: EnvResponse | None = None


class CommandResponse(NamedTuple):
    """The answer to Command; anycable-go stops streams first and starts `streams` then."""

    status: Status
    disconnect: bool = False
    stop_streams: bool = False
    streams: tuple[str, ...] = ()
    transmissions: tuple[str, ...] = ()
    error_msg: str = ""
    env: EnvResponse | None = None
    stopped_streams: tuple[str, ...] = ()
    presence: PresenceResponse | None = None


class DisconnectResponse(NamedTuple):
    """The answer to Disconnect; anycable-go only logs it."""

    status: Status
    error_msg: str = ""


def stream_name(value: object) -> str:
    """The value, if it can be the name of a stream.

    Raises:
        InvalidData: it is not a text, is empty, or has a lone surrogate.
    """
    if not isinstance(value, str) or not value:
        raise InvalidData(f"a stream name is a text that is not empty, not {shorten(value)}")
    if not value.isascii():
        dumps(value)
    return value


Request = ConnectionRequest | CommandMessage | DisconnectRequest
Response = ConnectionResponse | CommandResponse | DisconnectResponse

METHODS: Mapping[str, type[Request]] = {
    "Connect": ConnectionRequest,
    "Command": CommandMessage,
    "Disconnect": DisconnectRequest,
}
"""The methods of `anycable.RPC`, and the request that each takes."""

METHOD_NAMES: Mapping[type[Request], str] = {request: method for method, request in METHODS.items()}
