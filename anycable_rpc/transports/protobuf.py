"""Protobuf's bytes to and from the messages of `protocol`. No other module imports the generated code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from google.protobuf.message import DecodeError

from .._pb import rpc_pb2 as pb
from ..errors import ProtocolError
from ..protocol.messages import (
    UNCHANGED,
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    DisconnectResponse,
    Env,
    EnvResponse,
    PresenceResponse,
    Request,
    Response,
    Status,
)
from .lazy_env import LazyEnv

__all__ = ["decode_request", "decode_response", "encode_request", "encode_response"]

_STATUS_FIELD = (b"", b"\x08\x01", b"\x08\x02")  # field 1 by the status's number; 0 is the default, not written
_IDENTIFIERS = b"\x12"  # of a ConnectionResponse: field 2, length-delimited
_CONNECTION_TRANSMISSIONS = b"\x1a"  # field 3
_CONNECTION_ENV = b"\x2a\0"  # field 5, empty
_STREAMS = b"\x22"  # of a CommandResponse: field 4
_COMMAND_TRANSMISSIONS = b"\x2a"  # field 5
_COMMAND_ENV = b"\x3a\0"  # field 7, empty
_LENGTHS = [bytes((length,)) for length in range(256)]
_STATUSES: list[Any] = [pb.Status.Value(status.name) for status in Status]  # by their numbers


def decode_request(method: str, data: bytes) -> Request:
    """Read a request of anycable-go.

    Raises:
        ProtocolError: the bytes are not that message.
    """
    return _REQUESTS[method](data)


def encode_response(response: Response) -> bytes:
    """Write a response for anycable-go.

    Raises:
        ProtocolError: a string in it has a lone surrogate.
    """
    try:
        return _ENCODERS[type(response)](response)
    except ValueError:
        raise _not_unicode(response) from None


def encode_request(request: Request) -> bytes:
    """Write a request, as anycable-go does.

    Raises:
        ProtocolError: a string in it has a lone surrogate.
    """
    try:
        return _ENCODERS[type(request)](request)
    except ValueError:
        raise _not_unicode(request) from None


def decode_response(method: str, data: bytes) -> Response:
    """Read a response, as anycable-go does.

    Raises:
        ProtocolError: the bytes are not that message.
    """
    return _RESPONSES[method](data)


def _not_unicode(message: Request | Response) -> ProtocolError:
    """Return the error without the string: that may be a header, and so a token."""
    return ProtocolError(f"{type(message).__name__} cannot be written: a string in it has a lone surrogate")


def _parse(message: Any, data: bytes) -> Any:
    try:
        return message.FromString(data)
    except (DecodeError, ValueError):  # protobuf without its C code raises UnicodeDecodeError
        raise ProtocolError(f"not a {message.DESCRIPTOR.name} in protobuf's encoding") from None


_env = cast("Callable[[Any], Env]", LazyEnv)


def _env_response(message: Any) -> EnvResponse | None:
    if not message.HasField("env"):
        return None
    return EnvResponse(dict(message.env.cstate), dict(message.env.istate))


def _presence(message: Any) -> PresenceResponse | None:
    if not message.HasField("presence"):
        return None
    return PresenceResponse(message.presence.type, message.presence.id, message.presence.info)


def _status(value: int) -> Status:
    return Status(value) if value in (0, 1, 2) else Status.ERROR


def _pb_env(env: Env) -> pb.Env:
    return pb.Env(url=env.url, headers=env.headers, cstate=env.cstate, istate=env.istate)


def _read_connect(data: bytes) -> ConnectionRequest:
    return ConnectionRequest(_env(_parse(pb.ConnectionRequest, data).env))


def _read_command(data: bytes) -> CommandMessage:
    m = _parse(pb.CommandMessage, data)
    return CommandMessage(m.command, m.identifier, m.connection_identifiers, m.data, _env(m.env))


def _read_disconnect(data: bytes) -> DisconnectRequest:
    m = _parse(pb.DisconnectRequest, data)
    return DisconnectRequest(m.identifiers, tuple(m.subscriptions), _env(m.env))


def _read_connection_response(data: bytes) -> ConnectionResponse:
    m = _parse(pb.ConnectionResponse, data)
    return ConnectionResponse(_status(m.status), m.identifiers, tuple(m.transmissions), m.error_msg, _env_response(m))


def _read_command_response(data: bytes) -> CommandResponse:
    m = _parse(pb.CommandResponse, data)
    return CommandResponse(
        status=_status(m.status),
        disconnect=m.disconnect,
        stop_streams=m.stop_streams,
        streams=tuple(m.streams),
        transmissions=tuple(m.transmissions),
        error_msg=m.error_msg,
        env=_env_response(m),
        stopped_streams=tuple(m.stopped_streams),
        presence=_presence(m),
    )


def _read_disconnect_response(data: bytes) -> DisconnectResponse:
    m = _parse(pb.DisconnectResponse, data)
    return DisconnectResponse(_status(m.status), m.error_msg)


def _write_connect(m: ConnectionRequest) -> bytes:
    return pb.ConnectionRequest(env=_pb_env(m.env)).SerializeToString()


def _write_command(m: CommandMessage) -> bytes:
    return pb.CommandMessage(
        command=m.command,
        identifier=m.identifier,
        connection_identifiers=m.connection_identifiers,
        data=m.data,
        env=_pb_env(m.env),
    ).SerializeToString()


def _write_disconnect(m: DisconnectRequest) -> bytes:
    return pb.DisconnectRequest(
        identifiers=m.identifiers, subscriptions=m.subscriptions, env=_pb_env(m.env)
    ).SerializeToString()


# Fast path: most responses have a status, strings and no changes of state. Those are written here, byte for byte as
# protobuf writes them, since filling its messages from Python takes longer. The others set only the fields that differ
# from the default: to set a default takes longer than to compare.


def _write_connection_response(m: ConnectionResponse) -> bytes:
    status, identifiers, transmissions, error_msg, env = m
    if identifiers and env is UNCHANGED and not error_msg:
        return (
            _STATUS_FIELD[status]
            + _repeated(_IDENTIFIERS, (identifiers,))
            + _repeated(_CONNECTION_TRANSMISSIONS, transmissions)
            + _CONNECTION_ENV
        )
    response = pb.ConnectionResponse(status=_STATUSES[m.status], identifiers=m.identifiers)
    _fill_common_fields(response, m)
    return response.SerializeToString()


def _write_command_response(m: CommandResponse) -> bytes:
    status, disconnect, stop_streams, streams, transmissions, error_msg, env, stopped_streams, presence = m
    if env is UNCHANGED and not (disconnect or stop_streams or error_msg or stopped_streams or presence):
        started = _repeated(_STREAMS, streams) if streams else b""
        return _STATUS_FIELD[status] + started + _repeated(_COMMAND_TRANSMISSIONS, transmissions) + _COMMAND_ENV
    response = pb.CommandResponse(status=_STATUSES[m.status])
    _fill_common_fields(response, m)
    if m.disconnect:
        response.disconnect = True
    if m.stop_streams:
        response.stop_streams = True
    if m.streams:
        response.streams.extend(m.streams)
    if m.stopped_streams:
        response.stopped_streams.extend(m.stopped_streams)
    if p := m.presence:
        response.presence.MergeFrom(pb.PresenceResponse(type=p.type, id=p.id, info=p.info))
    return response.SerializeToString()


def _repeated(tag: bytes, strings: Iterable[str]) -> bytes:
    """Return a repeated field of strings."""
    written: list[bytes] = []
    for string in strings:
        data = string.encode()
        size = len(data)
        written += tag, _LENGTHS[size] if size < 128 else _length(size), data
    return b"".join(written)


def _length(size: int) -> bytes:
    written = b""
    while size > 127:
        written += _LENGTHS[size & 127 | 128]
        size >>= 7
    return written + _LENGTHS[size]


def _fill_common_fields(response: Any, m: ConnectionResponse | CommandResponse) -> None:
    if m.transmissions:
        response.transmissions.extend(m.transmissions)
    if m.error_msg:
        response.error_msg = m.error_msg
    if m.env is not None:
        response.env.SetInParent()
        if m.env.cstate:
            response.env.cstate.update(m.env.cstate)
        if m.env.istate:
            response.env.istate.update(m.env.istate)


def _write_disconnect_response(m: DisconnectResponse) -> bytes:
    return pb.DisconnectResponse(status=_STATUSES[m.status], error_msg=m.error_msg).SerializeToString()


_REQUESTS: dict[str, Callable[[bytes], Request]] = {
    "Connect": _read_connect,
    "Command": _read_command,
    "Disconnect": _read_disconnect,
}
_RESPONSES: dict[str, Callable[[bytes], Response]] = {
    "Connect": _read_connection_response,
    "Command": _read_command_response,
    "Disconnect": _read_disconnect_response,
}
_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    ConnectionRequest: _write_connect,
    CommandMessage: _write_command,
    DisconnectRequest: _write_disconnect,
    ConnectionResponse: _write_connection_response,
    CommandResponse: _write_command_response,
    DisconnectResponse: _write_disconnect_response,
}
