"""The stream name of an object: one rule for `stream_for` and `broadcast_to`."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from ..errors import InvalidData
from ..protocol.messages import stream_name
from .identifiers import Objects

__all__ = ["name_for"]


def name_for(value: Any, objects: Objects | None = None) -> str:
    """Return the name of the stream that belongs to a value.

    - A string is the name. An int or a UUID is converted with `str()`.
    - A tuple or a list becomes the names of its parts, joined by `:`. A `:` inside a string becomes `%3A`, so that
      different parts never make the same name.
    - An object is named by the cable's `objects` (`GlobalID`), if they support it,
    - else by its attribute `stream_name`,
    - else, if it is a Django model, as `app.model:pk`.

    >>> name_for(("chat", 42))
    'chat:42'
    >>> name_for(("a:b", "c")), name_for(("a", "b:c"))
    ('a%3Ab:c', 'a:b%3Ac')

    Raises:
        InvalidData: no rule applies, the object is not saved yet, or the name is empty.
    """
    if isinstance(value, list | tuple):
        if not value:
            raise InvalidData("a stream needs a name: this tuple or list is empty")
        return ":".join(_part(part, objects) for part in value)
    if isinstance(value, str):
        return stream_name(value)
    if isinstance(value, UUID) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    return _of_object(value, objects)


def _part(value: Any, objects: Objects | None) -> str:
    name = name_for(value, objects)
    return name.replace("%", "%25").replace(":", "%3A") if isinstance(value, str) else name


def _of_object(value: Any, objects: Objects | None) -> str:
    if objects is not None:
        with suppress(InvalidData):
            return stream_name(objects.dumps(value))
    own = getattr(value, "stream_name", None)
    if own is not None:
        return stream_name(own)
    label = getattr(getattr(value, "_meta", None), "label_lower", None)
    if label is None or isinstance(value, type):
        raise InvalidData(
            f"{type(value).__name__} has no stream: give it an attribute stream_name, or pass the name as a string"
        )
    if value.pk is None:
        raise InvalidData(f"this {label} has no primary key yet: save it first")
    return f"{label}:{value.pk}"
