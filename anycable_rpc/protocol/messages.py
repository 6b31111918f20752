"""The messages of `anycable.RPC` as frozen data, with the field names of `rpc.proto`.

The classes are named tuples: to make one is several times as fast as to make a frozen dataclass.
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
"""The default limit for a message, in bytes: the default of gRPC."""

PROTOCOL_VERSION = "v1"


class Status(IntEnum):
    """Result of an RPC call."""

    ERROR = 0
    SUCCESS = 1
    FAILURE = 2


class Env(NamedTuple):
    """The client's HTTP request and the state that anycable-go keeps.

    In a Command `istate` is flat: it maps keys to strings. In a Disconnect it maps each identifier to the JSON text of
    such a map (anycable-go `protocol/protocol.go`).
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
"""The state of most responses: no changes."""


class PresenceResponse(NamedTuple):
    """A change of presence: `type` is `join` or `leave`, `info` is JSON text."""

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
    """A socket is closed. `subscriptions` are the identifiers of its subscriptions, in no order."""

    identifiers: str
    subscriptions: tuple[str, ...] = ()
    env: Env = Env()


class ConnectionResponse(NamedTuple):
    """The response to Connect. anycable-go keeps `identifiers` byte for byte."""

    status: Status
    identifiers: str = ""
    transmissions: tuple[str, ...] = ()
    error_msg: str = ""
    env: EnvResponse | None = None


class CommandResponse(NamedTuple):
    """The response to Command. anycable-go stops streams first and then starts `streams`."""

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
    """The response to Disconnect. anycable-go only logs it."""

    status: Status
    error_msg: str = ""


def stream_name(value: object) -> str:
    """Return the value if it can be the name of a stream.

    Raises:
        InvalidData: the value is not a string, is empty, or contains a lone surrogate.
    """
    if not isinstance(value, str) or not value:
        raise InvalidData(f"stream name must be a non-empty string, got {shorten(value)}")
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
