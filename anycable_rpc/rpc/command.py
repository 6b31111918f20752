"""Connect, Command and Disconnect as generators: a request goes in, the user's callbacks come out one by one,
and the response is what they return.

Who runs a callback throws what it raised back in; what an exception becomes is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..callbacks import Callback, check_returned
from ..channel import Channel
from ..connection import Connection
from ..errors import (
    ExpiredToken,
    IncompatibleClient,
    InvalidIdentifiers,
    InvalidPayload,
    InvalidToken,
    MissingIdentifiers,
    ProtocolError,
    Rejected,
    near,
    shorten,
)
from ..protocol import transmissions
from ..protocol.messages import (
    PROTOCOL_VERSION,
    UNCHANGED,
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    DisconnectResponse,
    EnvResponse,
    Request,
    Response,
    Status,
)
from ..state import changes_of
from .call import Call, ServedByGateway, Steps, json_object

if TYPE_CHECKING:
    from ..cable import Cable

__all__ = ["answer", "call_for", "check_version", "error_response", "fail", "respond"]

_SUCCESS = Status.SUCCESS  # which takes longer to look up than it seems
DEFAULT_ACTION = "receive"
"""The action for a payload that names none (Action Cable `channel/base.rb`)."""


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


def _connect(call: Call, request: ConnectionRequest) -> Steps:
    cable, sid = call.cable, call.sid
    try:
        token = cable.find_token(request.env)
        if token:
            return _connect_by_token(cable, token, sid)
        connection = cable.connection_class(cable, request.env, sid)
        return (yield from _connect_by_callback(call, connection))
    except Exception as error:
        return ConnectionResponse(Status.ERROR, error_msg=(yield from call.fails(error)))


def _connect_by_token(cable: Cable, token: str, sid: str) -> ConnectionResponse:
    """What anycable-go itself would answer (`identity/jwt.go`)."""
    try:
        identifiers = cable.verify_token(token)
    except MissingIdentifiers as error:
        raise ProtocolError(str(error)) from None
    except InvalidToken as error:
        reason = "token_expired" if isinstance(error, ExpiredToken) else "unauthorized"
        return ConnectionResponse(Status.FAILURE, transmissions=(transmissions.disconnect(reason, False),))
    return ConnectionResponse(_SUCCESS, identifiers, (transmissions.welcome(sid),), "", UNCHANGED)


def _connect_by_callback(call: Call, connection: Connection) -> Steps:
    said = connection._transmissions
    try:
        call.callback = Callback("connect", connection.connect, connection)
        returned = yield call.callback
        if returned is not None:
            check_returned(call.callback, returned)
    except Rejected:
        pass  # it is remembered, also where it was caught
    if connection._rejected and not connection._farewell:
        connection.close(connection._rejected.reason, connection._rejected.reconnect)
    if connection._farewell:
        return ConnectionResponse(Status.FAILURE, transmissions=tuple(said))
    identifiers = _identifiers(call.cable, connection)
    said.append(transmissions.welcome(call.sid))
    return ConnectionResponse(_SUCCESS, identifiers, tuple(said), "", _changes(changes_of(connection)))


def _identifiers(cable: Cable, connection: Connection) -> str:
    try:
        return cable.codec.dumps(connection._identifiers)
    except InvalidIdentifiers as error:
        missing = [name for name in cable.codec.names if name not in connection._identifiers]
        hints = [f"self.{name} was set{similar}" for name in vars(connection) if (similar := near(name, missing))]
        raise InvalidIdentifiers("; ".join([str(error), *hints])) from None


def _command(call: Call, request: CommandMessage) -> Steps:
    return _COMMANDS.get(request.command, _unknown_command)(call, request)


def _unknown_command(call: Call, request: CommandMessage) -> Steps:
    error = ProtocolError(f"Unknown command: {shorten(request.command)}")
    return CommandResponse(Status.ERROR, error_msg=(yield from call.fails(error)))


def _subscribe(call: Call, request: CommandMessage) -> Steps:
    try:
        connection = call.connection()
        channel = call.channel(connection)
        try:
            call.callback = Callback("subscribed", channel.subscribed, connection, channel)
            returned = yield call.callback
            if returned is not None:
                check_returned(call.callback, returned)
        except Rejected:
            pass
        if channel._rejected or connection._rejected:
            return _rejection(call, connection._transmissions)
        if not connection._farewell:
            connection._transmissions.append(transmissions.confirm_subscription(request.identifier))
        return _reply(connection, channel)
    except Exception as error:
        error_msg = yield from call.fails(error)
        return _rejection(call, call.farewell, error_msg)


def _rejection(call: Call, said: Iterable[str], error_msg: str = "") -> CommandResponse:
    """No streams, state or presence: anycable-go would apply them to a rejected subscription too."""
    return CommandResponse(
        Status.FAILURE,
        disconnect=bool(call.farewell),
        stop_streams=True,
        transmissions=(*said, transmissions.reject_subscription(call.identifier)),
        error_msg=error_msg,
        env=UNCHANGED,
    )


def _unsubscribe(call: Call, request: CommandMessage) -> Steps:
    """Never an ERROR: anycable-go would keep the subscription."""
    said: tuple[str, ...] = ()
    cstate: Mapping[str, str] = {}
    try:
        connection = call.connection()
        channel = call.channel(connection)
        try:
            call.callback = Callback("unsubscribed", channel.unsubscribed, connection, channel)
            returned = yield call.callback
            if returned is not None:
                check_returned(call.callback, returned)
        except Rejected:
            pass
        cstate = changes_of(connection)
        said = tuple(connection._transmissions)
    except ServedByGateway:
        pass
    except Exception as error:
        yield from call.fails(error)
        said = call.farewell
    return _unsubscribed(call, said, cstate)


def _unsubscribed(call: Call, said: tuple[str, ...], cstate: Mapping[str, str] = UNCHANGED.cstate) -> CommandResponse:
    return CommandResponse(
        Status.SUCCESS,
        disconnect=bool(call.farewell),
        stop_streams=True,
        transmissions=said,
        env=_changes(cstate),
    )


def _message(call: Call, request: CommandMessage) -> Steps:
    try:
        connection = call.connection()
        channel = call.channel(connection)
        name, payload = _payload(request.data)
        arguments = call.cable.bind(channel, name, payload)
        try:
            call.callback = Callback(name, getattr(channel, name), connection, channel, arguments)
            returned = yield call.callback
            if returned is not None:
                check_returned(call.callback, returned)
        except Rejected:
            pass
        return _reply(connection, channel)
    except ServedByGateway:
        return CommandResponse(Status.SUCCESS, env=UNCHANGED)
    except Exception as error:
        return CommandResponse(Status.ERROR, error_msg=(yield from call.fails(error)))


def _reply(connection: Connection, channel: Channel) -> CommandResponse:
    """What a command's callback said, read off its two objects."""
    said, changes = tuple(connection._transmissions), _changes(changes_of(connection), channel._istate_changes())
    if connection._farewell:
        return CommandResponse(_SUCCESS, disconnect=True, stop_streams=True, transmissions=said, env=changes)
    streams, stopped = tuple(channel._streams), tuple(channel._stopped)
    return CommandResponse(_SUCCESS, False, channel._stop_all, streams, said, "", changes, stopped, channel._presence)


def _changes(cstate: Mapping[str, str], istate: Mapping[str, str] = UNCHANGED.istate) -> EnvResponse:
    return EnvResponse(cstate, istate) if cstate or istate else UNCHANGED


def _disconnect(call: Call, request: DisconnectRequest) -> Steps:
    """Runs every callback, whatever another one raises."""
    failures: list[str] = []
    try:
        connection = call.connection()
    except Exception as error:
        return DisconnectResponse(Status.ERROR, (yield from call.fails(error)))
    for identifier in (*request.subscriptions, None):
        call.identifier, call.callback = identifier or "", None
        try:
            call.callback = _end(call, connection, identifier)
            returned = yield call.callback
            if returned is not None:
                check_returned(call.callback, returned)
        except (Rejected, ServedByGateway):
            continue
        except Exception as error:
            failures.append((yield from call.fails(error)))
    return DisconnectResponse(Status.ERROR if failures else Status.SUCCESS, "; ".join(failures))


def _end(call: Call, connection: Connection, identifier: str | None) -> Callback:
    """The callback that ends a subscription, or (None) the connection."""
    if identifier is None:
        return Callback("disconnect", connection.disconnect, connection)
    channel = call.channel(connection, _nested(connection.env.istate, identifier))
    return Callback("unsubscribed", channel.unsubscribed, connection, channel)


def _nested(istate: Mapping[str, str], identifier: str) -> dict[str, str]:
    """The state of one subscription in a Disconnect: a JSON text by identifier."""
    state = json_object(istate.get(identifier) or "{}", ProtocolError, "the state of a subscription")
    return {key: value for key, value in state.items() if isinstance(value, str)}


def _payload(data: str) -> tuple[str, dict[str, Any]]:
    """The action's name and the payload of a message."""
    payload = json_object(data, InvalidPayload, "the data of a message")
    name = payload.get("action") or DEFAULT_ACTION
    if not isinstance(name, str):
        raise InvalidPayload(f"the name of an action is a text, not {shorten(name)}")
    return name, payload


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
_COMMANDS: Mapping[str, Callable[[Call, CommandMessage], Steps]] = {
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "message": _message,
}
_RESPONSES: Mapping[type[Request], Callable[..., Response]] = {
    ConnectionRequest: ConnectionResponse,
    CommandMessage: CommandResponse,
    DisconnectRequest: DisconnectResponse,
}
