"""The payloads that are published to anycable-go, as JSON strings: broadcasts to a stream, and remote commands.

anycable-go drops a payload that it cannot read and answers 201 all the same (`node/node.go`). So whatever it could not
read is an error here, at the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from ..errors import InvalidData, UnknownOption, near, shorten
from ..protocol.json_text import dumps
from ..protocol.messages import stream_name

__all__ = ["META_NAMES", "Meta", "Publication", "publication", "remote_disconnect"]


class Publication(str):
    """A publication, or an array of them, that anycable-go can read. A broadcaster may put several into one array."""

    __slots__ = ()


class Meta(TypedDict, total=False):
    """Options of a broadcast that anycable-go reads (`common/common.go`). An option that is None is left out.

    `exclude_socket` is the `sid` of a connection that does not receive it, `broadcast_type` the type that clients see,
    and a `transient` one is not kept in the history.
    """

    exclude_socket: str | None
    broadcast_type: str | None
    transient: bool | None


_META_TYPES: Mapping[str, type] = {"exclude_socket": str, "broadcast_type": str, "transient": bool}

META_NAMES = tuple(_META_TYPES)


def publication(stream: str, data: object, **meta: Unpack[Meta]) -> Publication:
    """Return the payload that broadcasts `data` to a stream.

    `data` is always written as JSON, so a string arrives as that string, even if it looks like JSON. It is any JSON
    value (see `json_text.dumps`) but None: anycable-go would deliver that as the string "null" (`common/common.go`).

    Args:
        stream: the stream's name.
        data: what subscribers receive.
        meta: see `Meta`.

    >>> publication("chat/1", {"text": "hi"})
    '{"stream":"chat/1","data":"{\\\\"text\\\\":\\\\"hi\\\\"}"}'

    Raises:
        InvalidData: the stream has no name, or something cannot be written as JSON or read by anycable-go.
        UnknownOption: `meta` has another name.
    """
    encoded = dumps(data)
    if encoded == "null":
        raise InvalidData('cannot broadcast None: clients would receive the string "null"; send {} or False')
    message: dict[str, object] = {"stream": stream_name(stream), "data": encoded}
    given = _given(meta)
    return Publication(dumps({**message, "meta": given} if given else message))


def remote_disconnect(identifiers: str, reconnect: bool) -> str:
    """Return the payload that closes the connections with these identifiers (their JSON string, byte for byte).

    Raises:
        InvalidData: `reconnect` is not a bool.
    """
    _check_type("reconnect", reconnect, bool)
    return dumps({"command": "disconnect", "payload": {"identifier": identifiers, "reconnect": reconnect}})


def _given(meta: Mapping[str, Any]) -> dict[str, Any]:
    for name in meta.keys() - _META_TYPES.keys():
        known = ", ".join(META_NAMES)
        raise UnknownOption(f"a broadcast has no option {name}{near(name, META_NAMES)} (there are {known})")
    given = {name: meta[name] for name in _META_TYPES if meta.get(name) is not None}
    for name, value in given.items():
        _check_type(name, value, _META_TYPES[name])
    return given


def _check_type(name: str, value: object, expected: type) -> None:
    if not isinstance(value, expected):
        raise InvalidData(f"{name} must be a {expected.__name__}, got {shorten(value)}")
