"""The payloads that are published to anycable-go, as JSON strings: broadcasts to a stream, and remote commands.

anycable-go drops a payload that it cannot read and answers 201 all the same (`node/node.go`). So whatever it could not
read is an error here, at the call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from ..errors import InvalidData, UnknownOption, near, shorten
from ..protocol.json_text import dumps
from ..protocol.messages import stream_name

__all__ = ["META_NAMES", "Meta", "Publication", "is_publication", "publication", "remote_disconnect"]


class Publication(str):
    """A publication, or an array of them, as this package writes it, so that anycable-go can read it."""

    __slots__ = ()


def is_publication(payload: str) -> bool:
    """Return whether anycable-go can surely read the payload as a publication, or as an array of them.

    anycable-go reads more than this: other keys, and names in other letters. Such a payload is only not put into an
    array with others.
    """
    if isinstance(payload, Publication):
        return True
    if not ((payload.startswith("{") and payload.endswith("}")) or (payload.startswith("[") and payload.endswith("]"))):
        return False
    try:
        value = json.loads(payload, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        return False
    values = value if isinstance(value, list) else [value]
    return bool(values) and all(isinstance(each, dict) and _is_readable(each) for each in values)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _is_readable(value: dict[str, Any]) -> bool:
    """Return whether an object has a stream, data and known options, all of their types (`common/common.go`)."""
    meta = value.get("meta", {})
    return (
        value.keys() - {"meta"} == {"stream", "data"}
        and isinstance(value["stream"], str)
        and bool(value["stream"])
        and isinstance(value["data"], str)
        and isinstance(meta, dict)
        and all(type(option) is _META_TYPES.get(name) for name, option in meta.items())
    )


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
