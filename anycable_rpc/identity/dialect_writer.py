"""JSON as an issuer of tokens writes it: one writer for every dialect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from json.encoder import encode_basestring as _quote
from math import isfinite
from typing import Any

from ..errors import InvalidData, shorten
from ..protocol.json_text import LONE_SURROGATE, advice
from .dialects import Dialect

__all__ = ["JSONWriter"]


class JSONWriter:
    """A writer of JSON values in one dialect.

    >>> from anycable_rpc.identity.dialects import DIALECTS
    >>> JSONWriter(DIALECTS["php"]).dumps({"url": "a/b", "price": 1.0})
    '{"url":"a\\\\/b","price":1}'

    Args:
        dialect: the dialect to write.
        convert: converts an object to a JSON value, or raises InvalidData.
    """

    def __init__(self, dialect: Dialect, convert: Callable[[Any], Any] | None = None) -> None:
        self._dialect = dialect
        self._convert = convert
        self._keys = None if dialect.keys is list else dialect.keys
        self._escaped = re.compile(f"[{dialect.escaped}]") if dialect.escaped else None
        self._writers: Mapping[type, Callable[[Any], str]] = {
            str: _quote,
            int: self._integer,
            bool: {False: "false", True: "true"}.__getitem__,
            type(None): {None: "null"}.__getitem__,
            float: self._float,
            list: self._list,
            dict: self._object,
        }

    def dumps(self, value: object) -> str:
        """Write a value as JSON text.

        Raises:
            InvalidData: the value is not a JSON value, or the dialect's language does not have it.
        """
        try:
            text = self._writers.get(type(value), self._other)(value)
        except RecursionError:
            raise InvalidData("cannot write this value as JSON: it is nested too deeply") from None
        if not text.isascii():
            _check_characters(text)
        depth = self._dialect.depth
        if depth and text.count("[") + text.count("{") > depth and _depth(text) > depth:
            raise InvalidData(f"{self._dialect.issuer} does not nest more than {depth} lists and objects")
        return self._escaped.sub(_escape, text) if self._escaped else text

    def _list(self, items: Iterable[Any]) -> str:
        writer, other = self._writers.get, self._other
        return f"[{self._dialect.comma.join([writer(type(item), other)(item) for item in items])}]"

    def _object(self, members: dict[Any, Any]) -> str:
        for key in members:
            if not isinstance(key, str):
                raise InvalidData(f"object keys must be strings, got {shorten(key)}")
        if self._keys:
            members = {key: members[key] for key in self._keys(list(members))}
        writer, other, colon = self._writers.get, self._other, self._dialect.colon
        written = [_quote(key) + colon + writer(type(value), other)(value) for key, value in members.items()]
        return "{" + self._dialect.comma.join(written) + "}"

    def _integer(self, value: int) -> str:
        limits = self._dialect.integers
        if limits and not limits.smallest <= value <= limits.largest:
            raise InvalidData(f"{self._dialect.issuer} cannot write {shorten(value)} exactly: {limits.reason}")
        try:
            return int.__repr__(value)
        except ValueError as error:
            raise InvalidData(f"cannot write this value as JSON: {error}") from None

    def _float(self, value: float) -> str:
        if not isfinite(value):
            raise InvalidData(f"cannot write this value as JSON: Out of range float {value}")
        return self._dialect.floats.write(float(value)) if self._dialect.floats else float.__repr__(value)

    def _other(self, value: Any) -> str:
        """Write an object whose class is derived from a JSON type, or that `convert` converts."""
        write = self._inherited(value)
        if write:
            return write(value)
        if self._convert is None:
            raise InvalidData(f"{_name(value)} is not a JSON type; convert it first: {advice(value)}")
        converted = self._convert(value)
        write = self._inherited(converted)
        if write is None:
            raise InvalidData(f"{_name(value)} was converted into {_name(converted)}, which is not a JSON type")
        return write(converted)

    def _inherited(self, value: Any) -> Callable[[Any], str] | None:
        return next((self._writers[kind] for kind in type(value).__mro__ if kind in self._writers), None)


_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_NESTING = {"[": 1, "{": 1, "]": -1, "}": -1}


def _escape(match: re.Match[str]) -> str:
    if match[0] == "/":
        return "\\/"
    units = match[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _check_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidData(LONE_SURROGATE) from None


def _depth(text: str) -> int:
    """Return how deep lists and objects are nested in JSON text."""
    return max(accumulate(_NESTING.get(character, 0) for character in _STRING.sub("", text)))


def _name(value: object) -> str:
    return type(value).__name__
