"""Protobuf bytes <-> the messages of `protocol.py`: the one module that imports the generated code."""

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
from .lazy_env import ReceivedEnv

__all__ = ["decode_request", "decode_response", "encode_request", "encode_response"]

_SAID = (b"", b"\x08\x01", b"\x08\x02")  # the status, by its number; that of 0 is not written
_LENGTHS = [bytes((length,)) for length in range(256)]
_STATUSES: list[Any] = [pb.Status.Value(status.name) for status in Status]  # by their numbers


def decode_request(method: str, data: bytes) -> Request:
    """Read what anycable-go sent to `method`.

    Raises:
        ProtocolError: the bytes are not that message.
    """
    return _REQUESTS[method](data)


def encode_response(response: Response) -> bytes:
    """Write an answer for anycable-go.

    Raises:
        ProtocolError: a text in it is not Unicode (it has a lone surrogate).
    """
    return _encode(response)


def encode_request(request: Request) -> bytes:
    """Write a request, as anycable-go does.

    Raises:
        ProtocolError: a text in it is not Unicode.
    """
    return _encode(request)


def decode_response(method: str, data: bytes) -> Response:
    """Read an answer, as anycable-go does.

    Raises:
        ProtocolError: the bytes are not that message.
    """
    return _RESPONSES[method](data)


def _encode(message: Request | Response) -> bytes:
    try:
        return _ENCODERS[type(message)](message)
    except ValueError:  # its text may quote a header, and so a token
        raise ProtocolError(f"{type(message).__name__} cannot be written: a text in it is not Unicode") from None


def _parse(message: Any, data: bytes) -> Any:
    try:
        return message.FromString(data)
    except (DecodeError, ValueError):  # protobuf without its C code raises UnicodeDecodeError
        raise ProtocolError(f"not a {message.DESCRIPTOR.name} in protobuf's encoding") from None


_env = cast("Callable[[Any], Env]", ReceivedEnv)
_new = tuple.__new__  # a NamedTuple's own takes twice as long


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
    return _new(CommandMessage, (m.command, m.identifier, m.connection_identifiers, m.data, _env(m.env)))


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


# Most responses have a status, texts and no changes. Those are written here, as protobuf writes them: filling its
# messages from Python takes longer. The others say only what there is to say, since a default takes longer than asking.


def _write_connection_response(m: ConnectionResponse) -> bytes:
    status, identifiers, transmissions, error_msg, env = m
    if identifiers and env is UNCHANGED and not error_msg:
        return _SAID[status] + _texts(b"\x12", (identifiers,)) + _texts(b"\x1a", transmissions) + b"\x2a\0"
    response = pb.ConnectionResponse(status=_STATUSES[m.status], identifiers=m.identifiers)
    _say_common(response, m)
    return response.SerializeToString()


def _write_command_response(m: CommandResponse) -> bytes:
    status, disconnect, stop_streams, streams, transmissions, error_msg, env, stopped_streams, presence = m
    if env is UNCHANGED and not (disconnect or stop_streams or error_msg or stopped_streams or presence):
        started = _texts(b"\x22", streams) if streams else b""
        return _SAID[status] + started + _texts(b"\x2a", transmissions) + b"\x3a\0"
    response = pb.CommandResponse(status=_STATUSES[m.status])
    _say_common(response, m)
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


def _texts(tag: bytes, texts: Iterable[str]) -> bytes:
    """A repeated field."""
    written: list[bytes] = []
    for text in texts:
        data = text.encode()
        size = len(data)
        written += tag, _LENGTHS[size] if size < 128 else _length(size), data
    return b"".join(written)


def _length(size: int) -> bytes:
    written = b""
    while size > 127:
        written += _LENGTHS[size & 127 | 128]
        size >>= 7
    return written + _LENGTHS[size]


def _say_common(response: Any, m: ConnectionResponse | CommandResponse) -> None:
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
