"""Connect: the response by a token, as anycable-go itself would give it, or by the app's callback."""

from __future__ import annotations

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
from ..protocol.messages import (
    ConnectionRequest,
    ConnectionResponse,
    Status,
)
from ..protocol.reply import Reply
from .call import Call, Steps

__all__ = ["connect"]


def connect(call: Call, request: ConnectionRequest) -> Steps:
    """Return the steps that answer a Connect."""
    try:
        token = call.cable.find_token(request.env)
        if token:
            return _connect_by_token(call, token)
        return (yield from _connect_by_callback(call, call.begin()))
    except Exception as error:
        return ConnectionResponse(Status.ERROR, error_msg=(yield from call.report(error)))


def _connect_by_token(call: Call, token: str) -> ConnectionResponse:
    """Return the response that anycable-go itself would give (`identity/jwt.go`)."""
    reply = Reply(call.request.env)
    try:
        identifiers = call.cable.verify_token(token)
    except MissingIdentifiers as error:
        raise ProtocolError(str(error)) from None
    except InvalidToken as error:
        reply.disconnect("token_expired" if isinstance(error, ExpiredToken) else "unauthorized", reconnect=False)
        return reply.refuse()
    return reply.accept(identifiers, call.sid)


def _connect_by_callback(call: Call, connection: Connection) -> Steps:
    reply = call.reply
    try:
        call.callback = Callback("connect", connection.connect, connection)
        returned = yield call.callback
        if returned is not None:
            check_returned(call.callback, returned)
    except Rejected:
        pass  # the reply remembers it, also when the app has caught it
    if reply.rejection and not reply.disconnect_frame:
        connection.close(reply.rejection.reason, reply.rejection.reconnect)
    if reply.disconnect_frame:
        return reply.refuse()
    return reply.accept(_encode_identifiers(call, connection), call.sid)


def _encode_identifiers(call: Call, connection: Connection) -> str:
    codec, identifiers = call.cable.codec, call.reply.identifiers
    try:
        text = codec.dumps(identifiers)
        codec.check_chosen(identifiers)
        return text
    except InvalidIdentifiers as error:
        missing = [name for name in codec.names if name not in identifiers]
        hints = [f"self.{name} was set{similar}" for name in vars(connection) if (similar := near(name, missing))]
        raise InvalidIdentifiers("; ".join([str(error), *hints])) from None
