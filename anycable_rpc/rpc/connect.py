"""The answer to Connect: by a token, as anycable-go would give it, or by the app's callback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..callbacks import Callback, check_returned
from ..connection import Connection
from ..errors import (
    ExpiredToken,
    InvalidIdentifiers,
    InvalidToken,
    MissingIdentifiers,
    ProtocolError,
    Rejected,
    near,
)
from ..protocol import transmissions
from ..protocol.messages import (
    UNCHANGED,
    ConnectionRequest,
    ConnectionResponse,
    Status,
)
from ..state import changes_of
from .call import Call, Steps
from .command import _SUCCESS, _changes

if TYPE_CHECKING:
    from ..cable import Cable


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
