"""Command: subscribe, unsubscribe, and messages that perform actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..callbacks import Callback, check_returned
from ..errors import InvalidPayload, ProtocolError, Rejected, shorten
from ..protocol import transmissions
from ..protocol.messages import UNCHANGED, CommandMessage, CommandResponse, Status
from .call import Call, ServedByGateway, Steps, json_object

__all__ = ["command"]

DEFAULT_ACTION = "receive"
"""The action for a payload that names none (Action Cable `channel/base.rb`)."""


def command(call: Call, request: CommandMessage) -> Steps:
    """Return the steps that answer a Command."""
    return _COMMANDS.get(request.command, _unknown_command)(call, request)


def _unknown_command(call: Call, request: CommandMessage) -> Steps:
    error = ProtocolError(f"Unknown command: {shorten(request.command)}")
    return CommandResponse(Status.ERROR, error_msg=(yield from call.report(error)))


def _subscribe(call: Call, request: CommandMessage) -> Steps:
    try:
        connection = call.build_connection()
        channel, reply = call.build_channel(connection), call.reply
        try:
            call.callback = Callback("subscribed", channel.subscribed, connection, channel)
            returned = yield call.callback
            if returned is not None:
                check_returned(call.callback, returned)
        except Rejected:
            pass  # the reply remembers it, also when the app has caught it
        if reply.rejection:
            return reply.rejected(request.identifier)
        if not reply.disconnect_frame:
            reply.transmissions.append(transmissions.confirm_subscription(request.identifier))
        return reply.command_response()
    except Exception as error:
        error_msg = yield from call.report(error)
        return call.failed_reply().rejected(request.identifier, error_msg)


def _unsubscribe(call: Call, request: CommandMessage) -> Steps:
    """Never answer ERROR: anycable-go would keep the subscription."""
    try:
        connection = call.build_connection()
        channel = call.build_channel(connection)
        try:
            call.callback = Callback("unsubscribed", channel.unsubscribed, connection, channel)
            returned = yield call.callback
            if returned is not None:
                check_returned(call.callback, returned)
        except Rejected:
            pass
        return call.reply.unsubscribed()
    except ServedByGateway:
        pass
    except Exception as error:
        yield from call.report(error)
    return call.failed_reply().unsubscribed()


def _message(call: Call, request: CommandMessage) -> Steps:
    try:
        connection = call.build_connection()
        channel = call.build_channel(connection)
        name, payload = _payload(request.data)
        try:
            arguments = call.cable.bind(channel, name, payload)
        except InvalidPayload as error:
            return (yield from _refuse(call, request, name, error))
        try:
            call.callback = Callback(name, getattr(channel, name), connection, channel, arguments)
            returned = yield call.callback
            if returned is not None:
                check_returned(call.callback, returned)
        except Rejected:
            pass
        return call.reply.command_response()
    except ServedByGateway:
        return CommandResponse(Status.SUCCESS, env=UNCHANGED)
    except Exception as error:
        return CommandResponse(Status.ERROR, error_msg=(yield from call.report(error)))


def _refuse(call: Call, request: CommandMessage, name: str, error: InvalidPayload) -> Steps:
    """Tell the client which parameters its payload lacks. The action has not run.

    The status is FAILURE: anycable-go drops the transmissions of an ERROR (`node/node.go`).
    """
    error_msg = yield from call.report(error)
    if not call.cable.settings.report_invalid_payloads:
        return CommandResponse(Status.ERROR, error_msg=error_msg)
    frame = transmissions.invalid_payload(request.identifier, name, error.errors)
    return CommandResponse(Status.FAILURE, transmissions=(frame,), error_msg=error_msg, env=UNCHANGED)


def _payload(data: str) -> tuple[str, dict[str, Any]]:
    """Return the name of the action and the payload of a message."""
    payload = json_object(data, InvalidPayload, "the data of a message")
    name = payload.get("action") or DEFAULT_ACTION
    if not isinstance(name, str):
        raise InvalidPayload(f"the name of an action must be a string, got {shorten(name)}")
    return name, payload


_COMMANDS: Mapping[str, Callable[[Call, CommandMessage], Steps]] = {
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "message": _message,
}
