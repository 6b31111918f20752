"""The answers to requests: which steps answer which request, and what answers when there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import (
    IncompatibleClient,
)
from ..protocol.messages import (
    PROTOCOL_VERSION,
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    DisconnectResponse,
    Request,
    Response,
    Status,
)
from .call import Call, Steps
from .command import _command, _rejection, _unsubscribed
from .connect import _connect
from .disconnect import _disconnect

if TYPE_CHECKING:
    from ..cable import Cable

__all__ = ["answer", "call_for", "check_version", "error_response", "fail", "respond"]


def check_version(versions: str | None) -> None:
    """Compare the caller's protocol versions (metadata `protov`, comma text) with ours.

    Raises:
        IncompatibleClient: ours is not among them.
    """
    if versions != PROTOCOL_VERSION and PROTOCOL_VERSION not in [
        version.strip() for version in (versions or "").split(",")
    ]:
        raise IncompatibleClient(versions)


def respond(cable: Cable, request: Request, sid: str = "") -> Steps:
    """The steps that answer a request."""
    return answer(call_for(cable, request, sid))


def call_for(cable: Cable, request: Request, sid: str) -> Call:
    """The call that a request begins."""
    return _CALLS[type(request)](cable, request, sid)


def answer(call: Call) -> Steps:
    """The steps that answer a call."""
    return _METHODS[type(call.request)](call, call.request)


def fail(call: Call, error: Exception) -> Steps:
    """The steps that answer a call instead: it never began, or its answer cannot be sent."""
    request, error_msg = call.request, (yield from call.fails(error))
    command = request.command if isinstance(request, CommandMessage) else ""
    if command == "subscribe":
        return _rejection(call, call.farewell, error_msg)
    if command == "unsubscribe":
        return _unsubscribed(call, call.farewell)
    return error_response(type(request), error_msg)


def error_response(request: type[Request], error_msg: str) -> Response:
    """The ERROR that answers a request of that type."""
    return _RESPONSES[request](status=Status.ERROR, error_msg=error_msg)


_CALLS: Mapping[type[Request], Callable[[Cable, Any, str], Call]] = {
    ConnectionRequest: Call,
    CommandMessage: lambda cable, request, sid: Call(
        cable, request, sid, request.connection_identifiers, request.identifier
    ),
    DisconnectRequest: lambda cable, request, sid: Call(cable, request, sid, request.identifiers),
}


_METHODS: Mapping[type[Request], Callable[[Call, Any], Steps]] = {
    ConnectionRequest: _connect,
    CommandMessage: _command,
    DisconnectRequest: _disconnect,
}


_RESPONSES: Mapping[type[Request], Callable[..., Response]] = {
    ConnectionRequest: ConnectionResponse,
    CommandMessage: CommandResponse,
    DisconnectRequest: DisconnectResponse,
}
