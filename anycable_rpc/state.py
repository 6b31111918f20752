"""State that anycable-go keeps between calls: a mapping that knows its changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Generic, TypeVar

from .errors import InvalidData, InvalidState, shorten
from .protocol import json_text

__all__ = ["PRESENCE_KEY", "WHISPER_KEY", "State", "lazy", "refuse_replacement"]

WHISPER_KEY = "$w"
PRESENCE_KEY = "$p"
_RAW_KEYS = (WHISPER_KEY, PRESENCE_KEY)
_DELETED = ""


class State(MutableMapping[str, Any]):
    """A mapping of names to JSON values. Each value is decoded when it is first read.

    `changes()` encodes the values that were read or set and returns those that differ, so an edit in place counts. A
    model, a date or the like is written as pydantic writes it; the next call reads plain JSON.
    The names `$w` and `$p` are reserved: they hold plain stream names and belong to the framework.
    """

    __slots__ = ("_raw", "_values")

    def __init__(self, raw: Mapping[str, str]) -> None:
        self._raw = raw
        self._values: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        if key in self._values:
            value = self._values[key]
            if value is _Missing:
                raise KeyError(key)
            return value
        if key in _RAW_KEYS:
            raise KeyError(key)
        try:
            value = json_text.loads(self._raw[key])
        except InvalidData as error:
            raise InvalidState(f"state {shorten(key)} is {error}") from None
        self._values[key] = value
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        _check_key(key)
        self._values[key] = value

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self._values[key] = _Missing

    def __iter__(self) -> Iterator[str]:
        kept = [key for key in self._raw if key not in _RAW_KEYS and key not in self._values]
        return iter(kept + [key for key, value in self._values.items() if value is not _Missing])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str) or key in _RAW_KEYS:
            return False
        return self._values[key] is not _Missing if key in self._values else key in self._raw

    def __repr__(self) -> str:
        return f"State({dict(self)!r})"

    def changes(self) -> dict[str, str]:
        """Return the encoded values to send back: those that differ, and an empty string for each deleted key.

        Raises:
            InvalidState: a value is not a JSON value.
        """
        changed: dict[str, str] = {}
        for key, value in self._values.items():
            text = _DELETED if value is _Missing else _dumps(key, value)
            raw = self._raw.get(key, _DELETED)
            if text != raw and text != _canonical(raw):
                changed[key] = text
        return changed


def refuse_replacement(owner: object, value: object) -> None:
    """Refuse to set the `state` of a connection or channel: what its object does not know would be lost.

    Raises:
        AttributeError: always.
    """
    raise AttributeError("state is edited and not replaced: use state.clear() and state.update(…)")


def _canonical(raw: str) -> str | None:
    """Return the value as this package writes it. Another SDK may have written it with other spaces."""
    try:
        return json_text.dumps(json_text.loads(raw))
    except InvalidData:
        return None


class _Missing:
    """The marker of a deleted value."""


def _check_key(key: object) -> None:
    if not isinstance(key, str):
        raise InvalidState(f"state keys must be strings, got {shorten(key)}")
    if key in _RAW_KEYS:
        raise InvalidState(f"{key!r} is reserved: use stream_from(whisper=True) or presence_join()")
    _dumps(key, key)


def _dumps(key: str, value: Any) -> str:
    try:
        return json_text.dumps(value)
    except InvalidData as error:
        raise InvalidState(f"state {shorten(key)}: {error}") from None


_Value = TypeVar("_Value")


class lazy(Generic[_Value]):  # noqa: N801 - a decorator
    """An attribute that is computed when it is first read: `functools.cached_property` for objects of one thread.

    `cached_property` of Python 3.11 takes a lock, and 0.99 µs instead of 0.41.
    """

    def __init__(self, compute: Callable[[Any], _Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> _Value:
        if instance is None:
            return self  # type: ignore[return-value]  # read on the class, it is the descriptor
        value = instance.__dict__[self._name] = self._compute(instance)
        return value
