"""The answers to requests: a request goes in, the app's callbacks come out one by one, the response is returned.

Each answer is a generator of steps. Whoever runs a callback sends its result back in, or throws what it raised;
`connect.py`, `command.py` and `disconnect.py` decide what an exception becomes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import IncompatibleClient
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
from .command import command
from .connect import connect
from .disconnect import disconnect

if TYPE_CHECKING:
    from ..cable import Cable

__all__ = ["answer", "call_for", "check_version", "error_response", "fail", "respond"]


def check_version(versions: str | None) -> None:
    """Compare the caller's protocol versions (metadata `protov`, separated by commas) with ours.

    Raises:
        IncompatibleClient: ours is not among them.
    """
    if versions != PROTOCOL_VERSION and PROTOCOL_VERSION not in [
        version.strip() for version in (versions or "").split(",")
    ]:
        raise IncompatibleClient(versions)


def respond(cable: Cable, request: Request, sid: str = "") -> Steps:
    """Return the steps that answer a request."""
    return answer(call_for(cable, request, sid))


def call_for(cable: Cable, request: Request, sid: str) -> Call:
    """Return the call that a request begins."""
    return _CALLS[type(request)](cable, request, sid)


def answer(call: Call) -> Steps:
    """Return the steps that answer a call."""
    return _METHODS[type(call.request)](call, call.request)


def fail(call: Call, error: Exception) -> Steps:
    """Return the steps that answer a call with an error: its request or its response is too large."""
    request, error_msg = call.request, (yield from call.report(error))
    reply = call.failed_reply()
    if isinstance(request, CommandMessage) and request.command == "subscribe":
        return reply.rejected(request.identifier, error_msg)
    if isinstance(request, CommandMessage) and request.command == "unsubscribe":
        return reply.unsubscribed()
    return error_response(type(request), error_msg)


def error_response(request: type[Request], error_msg: str) -> Response:
    """Return the ERROR that answers a request of that type."""
    return _RESPONSES[request](status=Status.ERROR, error_msg=error_msg)


_CALLS: Mapping[type[Request], Callable[[Cable, Any, str], Call]] = {
    ConnectionRequest: Call,
    CommandMessage: lambda cable, request, sid: Call(
        cable, request, sid, request.connection_identifiers, request.identifier
    ),
    DisconnectRequest: lambda cable, request, sid: Call(cable, request, sid, request.identifiers),
}
_METHODS: Mapping[type[Request], Callable[[Call, Any], Steps]] = {
    ConnectionRequest: connect,
    CommandMessage: command,
    DisconnectRequest: disconnect,
}
_RESPONSES: Mapping[type[Request], Callable[..., Response]] = {
    ConnectionRequest: ConnectionResponse,
    CommandMessage: CommandResponse,
    DisconnectRequest: DisconnectResponse,
}
