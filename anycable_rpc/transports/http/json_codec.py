"""JSON to and from the messages of `protocol`, as anycable-go writes and reads it (anycable-go `rpc/http.go`).

The names are those of `rpc.proto`, and a status is a number. A field that is missing or null has the default of
protobuf: an empty string, list or map. A field with an unknown name is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

from ...errors import InvalidData, ProtocolError
from ...protocol.json_text import LONE_SURROGATE, dumps, loads
from ...protocol.messages import (
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    DisconnectResponse,
    Env,
    EnvResponse,
    Request,
    Response,
)

__all__ = ["decode_request", "encode_response"]

_Fields = dict[str, Any]
_ONLY_STRINGS = {str}
_NOTHING: Mapping[str, str] = MappingProxyType({})
_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}


def decode_request(method: str, data: bytes) -> Request:
    """Read a request of anycable-go.

    Raises:
        ProtocolError: the bytes are not that message. The sentence names the field, and quotes no value.
    """
    value = _parse(data)
    if type(value) is not dict:
        raise ProtocolError(f"the body must be a JSON object, not {_kind(value)}")
    return _REQUESTS[method](cast("_Fields", value))


def encode_response(response: Response) -> bytes:
    """Write a response for anycable-go. Fields with a default are left out, as protobuf does.

    Raises:
        ProtocolError: a string in it has a lone surrogate.
    """
    try:
        return dumps(_RESPONSES[type(response)](response)).encode()
    except InvalidData:
        name = type(response).__name__
        raise ProtocolError(f"{name} cannot be written: a string in it has a lone surrogate") from None


def _parse(data: bytes) -> Any:
    try:
        value = loads(data.decode())
        # Only an escape can make a lone surrogate, since UTF-8 has none. A body without such an escape is not checked.
        if b"\\ud" in data or b"\\uD" in data:
            dumps(value)
    except UnicodeDecodeError:
        raise ProtocolError("the body is not UTF-8") from None
    except InvalidData as error:
        reason = "a " + LONE_SURROGATE if str(error) == LONE_SURROGATE else str(error)
        raise ProtocolError(f"the body cannot be used: {reason}") from None
    return value


def _kind(value: object) -> str:
    return "null" if value is None else _KINDS[type(value)]


def _wrong(field: str, expected: str, value: object) -> ProtocolError:
    return ProtocolError(f"{field} must be {expected}, not {_kind(value)}")


def _string(fields: _Fields, name: str) -> str:
    value = fields.get(name)
    if type(value) is str:
        return value
    if value is None:
        return ""
    raise _wrong(name, "a string", value)


def _strings(fields: _Fields, name: str) -> tuple[str, ...]:
    value = fields.get(name)
    if value is None:
        return ()
    if type(value) is not list:
        raise _wrong(name, "a list of strings", value)
    items: list[Any] = value
    if not set(map(type, items)) <= _ONLY_STRINGS:
        raise ProtocolError(f"{name} must be a list of strings, but not all its items are strings")
    return tuple(items)


def _map(fields: _Fields, name: str) -> Mapping[str, str]:
    value = fields.get(name)
    if value is None:
        return _NOTHING
    if type(value) is not dict:
        raise _wrong(f"env.{name}", "an object", value)
    items = cast("dict[str, Any]", value)
    if not set(map(type, items.values())) <= _ONLY_STRINGS:
        raise ProtocolError(f"env.{name} must be an object with strings, but not all its values are strings")
    return MappingProxyType(items)


def _env(fields: _Fields) -> Env:
    value = fields.get("env")
    if value is None:
        return Env()
    if type(value) is not dict:
        raise _wrong("env", "an object", value)
    env = cast("_Fields", value)
    return Env(_string(env, "url"), _map(env, "headers"), _map(env, "cstate"), _map(env, "istate"))


def _read_connect(fields: _Fields) -> ConnectionRequest:
    return ConnectionRequest(_env(fields))


def _read_command(fields: _Fields) -> CommandMessage:
    return CommandMessage(
        command=_string(fields, "command"),
        identifier=_string(fields, "identifier"),
        connection_identifiers=_string(fields, "connection_identifiers"),
        data=_string(fields, "data"),
        env=_env(fields),
    )


def _read_disconnect(fields: _Fields) -> DisconnectRequest:
    return DisconnectRequest(_string(fields, "identifiers"), _strings(fields, "subscriptions"), _env(fields))


def _write_connection(m: ConnectionResponse) -> _Fields:
    written: _Fields = {"status": int(m.status), "identifiers": m.identifiers, "transmissions": m.transmissions}
    return _without_defaults({**written, "error_msg": m.error_msg, "env": _state(m.env)})


def _write_command(m: CommandResponse) -> _Fields:
    return _without_defaults(
        {
            "status": int(m.status),
            "disconnect": m.disconnect,
            "stop_streams": m.stop_streams,
            "streams": m.streams,
            "transmissions": m.transmissions,
            "error_msg": m.error_msg,
            "env": _state(m.env),
            "stopped_streams": m.stopped_streams,
            "presence": m.presence and _without_defaults(m.presence._asdict()),
        }
    )


def _write_disconnect(m: DisconnectResponse) -> _Fields:
    return _without_defaults({"status": int(m.status), "error_msg": m.error_msg})


def _state(env: EnvResponse | None) -> _Fields | None:
    if env is None or not (env.cstate or env.istate):
        return None
    return _without_defaults({"cstate": dict(env.cstate), "istate": dict(env.istate)})


def _without_defaults(fields: _Fields) -> _Fields:
    return {name: value for name, value in fields.items() if value}


_REQUESTS: Mapping[str, Callable[[_Fields], Request]] = {
    "Connect": _read_connect,
    "Command": _read_command,
    "Disconnect": _read_disconnect,
}
_RESPONSES: Mapping[type[Response], Callable[[Any], _Fields]] = {
    ConnectionResponse: _write_connection,
    CommandResponse: _write_command,
    DisconnectResponse: _write_disconnect,
}
