"""An error in development when code sets an attribute that would be lost at the end of the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import near
from ..protocol.reply import reply_of

if TYPE_CHECKING:
    from ..cable import Cable

__all__ = ["LostAttribute", "forbid_lost_attributes"]

_FRAMEWORK = frozenset({"cable", "connection", "env", "identifier", "params", "sid", "state"})


class LostAttribute(AttributeError):
    """An attribute was set on a connection or a channel, whose object ends with the call."""


def forbid_lost_attributes(cable: Cable) -> None:
    """Make it an error to set a public attribute that a connection or channel class of the cable does not declare.

    A name that the class has already (a property, a default value) may be set, and so may a name that begins with an
    underscore, which one call keeps for itself. A class with a `__setattr__` of its own is left alone.
    """
    for cls in (cable.connection_class, *cable.channels.values()):
        _forbid(cls)


def _forbid(cls: type) -> None:
    if "__setattr__" not in {name for base in cls.__mro__[:-1] for name in vars(base)}:
        type.__setattr__(cls, "__setattr__", _setattr)


def _setattr(self: object, name: str, value: Any) -> None:
    if not (name.startswith("_") or name in _FRAMEWORK or hasattr(type(self), name)):
        raise LostAttribute(f"{type(self).__name__}.{name} would be lost: {_instead(self, name)}")
    object.__setattr__(self, name, value)


def _instead(self: object, name: str) -> str:
    state = f"use state: self.state[{name!r}] = … (or call it _{name}, if it is for this call only)"
    if not reply_of(self).is_connecting:
        return f"this object ends with the call. {state[0].upper()}{state[1:]}"
    declared: tuple[str, ...] = getattr(self, "identified_by", ())
    similar = near(name, declared)
    if similar:
        return f"it is not in identified_by{similar} Otherwise {state}"
    return (
        f"it is not in identified_by. If it says who the connection is, add it: identified_by = {(*declared, name)!r}. "
        f"Otherwise {state}"
    )
