"""What is published to anycable-go, as JSON text: broadcasts to a stream, and remote commands.

anycable-go drops a publication that it cannot read and answers 201 all the same (`node/node.go`), so
everything that it could not read is an error here, at the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import InvalidData, shorten
from .json_text import dumps
from .protocol import stream_name

__all__ = ["publication", "remote_disconnect"]

_META_TYPES: Mapping[str, type] = {"exclude_socket": str, "broadcast_type": str, "transient": bool}


def publication(stream: str, data: object, *, exclude_socket: str | None = None, **meta: Any) -> str:
    """A broadcast of `data` to a stream.

    `data` is always written as JSON, so a text arrives as that text, even if it looks like JSON. It is any
    JSON value but None: anycable-go would deliver that as the text "null" (`common/common.go`).

    Args:
        stream: the stream's name.
        data: what subscribers receive.
        exclude_socket: the `sid` of a connection that does not.
        meta: `broadcast_type` (str), `transient` (bool) and what later servers may know; None is left out.

    >>> publication("chat/1", {"text": "hi"})
    '{"stream":"chat/1","data":"{\\\\"text\\\\":\\\\"hi\\\\"}"}'

    Raises:
        InvalidData: the stream has no name, or something cannot be written as JSON or read by anycable-go.
    """
    if data is None:
        raise InvalidData('cannot broadcast None: clients would receive the text "null"; send {} or False')
    message: dict[str, object] = {"stream": stream_name(stream), "data": dumps(data)}
    given = _given({"exclude_socket": exclude_socket, **meta})
    return dumps({**message, "meta": given} if given else message)


def remote_disconnect(identifiers: str, reconnect: bool) -> str:
    """The command that closes the connections with these identifiers (their text, byte for byte).

    Raises:
        InvalidData: `reconnect` is not a bool.
    """
    _check_type("reconnect", reconnect, bool)
    return dumps({"command": "disconnect", "payload": {"identifier": identifiers, "reconnect": reconnect}})


def _given(meta: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in meta.items() if value is not None}
    for name, value in given.items():
        _check_type(name, value, _META_TYPES.get(name, object))
    return given


def _check_type(name: str, value: object, expected: type) -> None:
    if not isinstance(value, expected):
        raise InvalidData(f"{name} is a {expected.__name__}, not {shorten(value)}")
