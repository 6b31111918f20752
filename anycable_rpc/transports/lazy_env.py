"""A lazy `Env`: fields are copied out of the protobuf message on first access, since a call reads few of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..protocol.messages import Env

__all__ = ["LazyEnv"]


class _LazyMap(Mapping[str, str]):
    """A read-only view of a message's map. protobuf's own map adds a key that is asked for and not there."""

    __slots__ = ("_map",)

    def __init__(self, message_map: Any) -> None:
        self._map = message_map

    def __getitem__(self, key: str) -> str:
        if key not in self._map:
            raise KeyError(key)
        value: str = self._map[key]
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value without raising a KeyError on the way: this is the fast path."""
        return self._map.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._map

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def __len__(self) -> int:
        return len(self._map)

    def __repr__(self) -> str:
        return repr(dict(self))


class LazyEnv:
    """An `Env` that reads its parts from the message when they are first asked for."""

    __slots__ = ("_message", *Env._fields)

    def __init__(self, message: Any) -> None:
        _keep_message(self, message)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("the request of anycable-go cannot be changed")

    def __getattr__(self, name: str) -> Any:
        if name not in Env._fields:
            raise AttributeError(f"Env has no {name!r}")
        value = getattr(self._message, name)
        if name != "url":
            value = _LazyMap(value)
        object.__setattr__(self, name, value)
        return value

    def __eq__(self, other: object) -> bool:
        return self._whole() == (other._whole() if isinstance(other, LazyEnv) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._whole())

    def _whole(self) -> Env:
        return Env(*[getattr(self, name) for name in Env._fields])


_keep_message = vars(LazyEnv)["_message"].__set__
