"""Disconnect: every subscription ends, then the connection."""

from __future__ import annotations

from collections.abc import Mapping

from ..callbacks import Callback, check_returned
from ..connection import Connection
from ..errors import (
    ProtocolError,
    Rejected,
)
from ..protocol.messages import (
    DisconnectRequest,
    DisconnectResponse,
    Status,
)
from .call import Call, ServedByGateway, Steps, json_object

__all__ = ["disconnect"]


def disconnect(call: Call, request: DisconnectRequest) -> Steps:
    """Return the steps that answer a Disconnect: every callback runs, whatever another one raises."""
    failures: list[str] = []
    try:
        connection = call.build_connection()
    except Exception as error:
        return DisconnectResponse(Status.ERROR, (yield from call.report(error)))
    for identifier in (*request.subscriptions, None):
        call.identifier, call.callback = identifier or "", None
        try:
            call.callback = _last_callback(call, connection, identifier)
            returned = yield call.callback
            if returned is not None:
                check_returned(call.callback, returned)
        except (Rejected, ServedByGateway):
            continue
        except Exception as error:
            failures.append((yield from call.report(error)))
    return DisconnectResponse(Status.ERROR if failures else Status.SUCCESS, "; ".join(failures))


def _last_callback(call: Call, connection: Connection, identifier: str | None) -> Callback:
    """Return the callback that ends a subscription, or (None) the connection."""
    if identifier is None:
        return Callback("disconnect", connection.disconnect, connection)
    channel = call.build_channel(connection, _istate_of(connection.env.istate, identifier))
    return Callback("unsubscribed", channel.unsubscribed, connection, channel)


def _istate_of(istate: Mapping[str, str], identifier: str) -> dict[str, str]:
    """Return the state of one subscription; in a Disconnect it is a JSON string by identifier."""
    state = json_object(istate.get(identifier) or "{}", ProtocolError, "the state of a subscription")
    return {key: value for key, value in state.items() if isinstance(value, str)}
