"""What anycable-go has sent, as protobuf has read it: made into Python's own only where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..protocol.messages import Env

__all__ = ["ReceivedEnv"]


class _Texts(Mapping[str, str]):
    """A map of a message as it is, since a call reads few of its texts; protobuf's own answers any key."""

    __slots__ = ("_map",)

    def __init__(self, texts: Any) -> None:
        self._map = texts

    def __getitem__(self, key: str) -> str:
        if key not in self._map:
            raise KeyError(key)
        text: str = self._map[key]
        return text

    def get(self, key: str, default: Any = None) -> Any:
        """As any mapping's, but not by way of a KeyError."""
        return self._map.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._map

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def __len__(self) -> int:
        return len(self._map)

    def __repr__(self) -> str:
        return repr(dict(self))


class ReceivedEnv:
    """An `Env` whose parts are read from the message when they are first asked for: a call asks for few."""

    __slots__ = ("_message", *Env._fields)

    def __init__(self, message: Any) -> None:
        _keep_message(self, message)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("what anycable-go has sent cannot be changed")

    def __getattr__(self, name: str) -> Any:
        if name not in Env._fields:
            raise AttributeError(f"Env has no {name!r}")
        value = getattr(self._message, name)
        if name != "url":
            value = _Texts(value)
        object.__setattr__(self, name, value)
        return value

    def __eq__(self, other: object) -> bool:
        return self._whole() == (other._whole() if isinstance(other, ReceivedEnv) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._whole())

    def _whole(self) -> Env:
        return Env(*[getattr(self, name) for name in Env._fields])


_keep_message = vars(ReceivedEnv)["_message"].__set__
