"""In development: an error where an attribute would be lost with the call that sets it."""

from __future__ import annotations

from typing import Any

from .state import State

__all__ = ["LostAttribute", "guard"]

_FRAMEWORK = frozenset({"cable", "connection", "env", "identifier", "params", "sid", "state"})


class LostAttribute(AttributeError):
    """An attribute was set on a connection or a channel, whose object ends with the call."""


def guard(cls: type) -> None:
    """Let objects of the class refuse public attributes that it does not declare.

    What the class has already (a property, a default value) may be set, and so may names that begin with an
    underscore: those are for what one call keeps for itself. A class with a `__setattr__` of its own is left alone.
    """
    if "__setattr__" not in {name for base in cls.__mro__[:-1] for name in vars(base)}:
        type.__setattr__(cls, "__setattr__", _setattr)


def _setattr(self: object, name: str, value: Any) -> None:
    if name == "state" and not isinstance(value, State):
        raise LostAttribute("state is edited and not replaced: use state.clear() and state.update(…)")
    if not (name.startswith("_") or name in _FRAMEWORK or hasattr(type(self), name)):
        raise LostAttribute(
            f"{type(self).__name__}.{name} would be lost: this object ends with the call. Use state: "
            f"self.state[{name!r}] = … (or call it _{name}, if it is for this call only)"
        )
    object.__setattr__(self, name, value)
