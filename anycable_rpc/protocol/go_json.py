"""JSON as anycable-go reads and writes it (Go's `encoding/json`), so that the gateway's frames are the same."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from math import isinf
from typing import Any, NoReturn

from ..errors import InvalidData, shorten
from . import json_text

__all__ = ["dumps", "fields", "loads", "loads_bytes", "readable"]

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_EXACT_DIGITS = 15
_EXPONENT_FROM = 1e21


def dumps(value: object) -> str:
    """Write a JSON value with sorted keys, `<`, `>` and `&` escaped, and lone surrogates replaced by U+FFFD.

    Raises:
        InvalidData: the value is nested too deeply.
    """
    try:
        text = _encoder.encode(value)
    except RecursionError:
        raise InvalidData("cannot write this value as JSON: it is nested too deeply") from None
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text if text.isascii() else readable(text)


def loads(text: str) -> Any:
    """Read JSON text. Numbers have the precision of a 64-bit float, as in Go and in a browser.

    Raises:
        InvalidData: the string is not JSON.
    """
    return json_text.loads(text, _decoder)


def loads_bytes(data: bytes) -> Any:
    """Read JSON from bytes, with one U+FFFD for each byte that is not UTF-8.

    Raises:
        InvalidData: the bytes are not JSON.
    """
    return loads(data.decode("utf-8", "anycable_rpc.replace_bytes"))


def readable(text: str) -> str:
    """Return the string with U+FFFD for each lone surrogate."""
    return _SURROGATE.sub("\ufffd", text)


def fields(value: object, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return the members of a JSON object that are listed in `kinds`, as Go reads them into a struct.

    Upper and lower case count as the same name, the last of several members wins, and null is left out. A kind is
    `str`, `int`, `bool`, `dict`, or `object` for any value.

    Raises:
        InvalidData: the value is not an object, or a member has another kind.
    """
    if not isinstance(value, dict):
        raise InvalidData("not a JSON object")
    found: dict[str, Any] = {}
    for key, item in value.items():
        name = key.lower()
        if name in kinds and item is not None:
            found[name] = _of_kind(name, kinds[name], item)
    return found


def _of_kind(name: str, kind: type, item: Any) -> Any:
    if kind is not object and type(item) is not kind:
        raise InvalidData(f"{name} has a wrong type: {shorten(item)}")
    return readable(item) if kind is str else item


def _number(digits: str) -> int | float:
    number = float(digits)
    if isinf(number):
        raise ValueError(f"{digits[:20]} is beyond the range of a number")
    if number.is_integer() and abs(number) < _EXPONENT_FROM:
        return int(Decimal(repr(number)))  # the digits that Go prints, not those of the binary value
    return number


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _EXACT_DIGITS else _number(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")


_decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=_number, parse_int=_integer)


def _replace_byte(error: UnicodeError) -> tuple[str, int]:
    """Replace one byte by U+FFFD, as Go does. Python's own handler may replace several bytes by one."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - narrows the type for checkers
    return "\ufffd", error.start + 1


codecs.register_error("anycable_rpc.replace_bytes", _replace_byte)
