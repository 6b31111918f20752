"""Connect, Command and Disconnect as generators: a request goes in, the user's callbacks come out one by one,
and the response is what they return.

Who runs a callback throws what it raised back in; what an exception becomes is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..callbacks import Callback, check_returned
from ..channel import Channel
from ..connection import Connection
from ..errors import (
    InvalidPayload,
    ProtocolError,
    Rejected,
    shorten,
)
from ..protocol import transmissions
from ..protocol.messages import (
    UNCHANGED,
    CommandMessage,
    CommandResponse,
    EnvResponse,
    Status,
)
from ..state import changes_of
from .call import Call, ServedByGateway, Steps, json_object

_SUCCESS = Status.SUCCESS  # which takes longer to look up than it seems
DEFAULT_ACTION = "receive"
"""The action for a payload that names none (Action Cable `channel/base.rb`)."""


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


def _payload(data: str) -> tuple[str, dict[str, Any]]:
    """The action's name and the payload of a message."""
    payload = json_object(data, InvalidPayload, "the data of a message")
    name = payload.get("action") or DEFAULT_ACTION
    if not isinstance(name, str):
        raise InvalidPayload(f"the name of an action is a text, not {shorten(name)}")
    return name, payload


_COMMANDS: Mapping[str, Callable[[Call, CommandMessage], Steps]] = {
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "message": _message,
}
