"""JSON as it goes over the wire: compact, UTF-8, and nothing that another language could not read."""

from __future__ import annotations

import json.encoder
from collections.abc import Mapping
from dataclasses import is_dataclass
from enum import Enum
from json.encoder import encode_basestring as _quote
from math import isinf
from operator import attrgetter
from typing import Any, NoReturn

from ..errors import InvalidData

__all__ = ["advice", "dumps", "loads"]

_SPACES = " \t\n\r"
_FIRST: Mapping[str, str] = {
    **dict.fromkeys(("bytes", "bytearray"), "decode() what is a text, base64.b64encode() what is not"),
    **dict.fromkeys(("tuple", "set", "frozenset", "deque", "generator"), "list()"),
    **dict.fromkeys(("datetime", "date", "time"), "isoformat()"),
    **dict.fromkeys(("UUID", "Decimal", "PosixPath"), "str()"),
}


def advice(value: object) -> str:
    """Say what to convert a value with that is not JSON's; `str()` would lose what bytes or an object hold."""
    kind = type(value)
    if is_dataclass(value):
        return "dataclasses.asdict()"
    if hasattr(kind, "model_dump"):
        return 'its model_dump(mode="json")'
    if isinstance(value, Enum):
        return "its value"
    return _FIRST.get(kind.__name__, "a dict of what clients may see")


def _default(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} is not a JSON type; convert it first: {advice(value)}")


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_default)
# What CPython's encoder makes anew for each value, which takes longer than to write a small one. It knows no circles.
_make: Any = getattr(json.encoder, "c_make_encoder", None)
_chunks: Any = _make(None, _encoder.default, _quote, None, ":", ",", False, False, False) if _make else None


def dumps(value: object) -> str:
    """Write a JSON value as compact text.

    Raises:
        InvalidData: NaN, a lone surrogate, an object of a class, nesting or an integer beyond all reason.
    """
    try:
        text = _quote(value) if type(value) is str else _write(value)
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError:
        raise InvalidData("cannot write a lone surrogate as JSON: it is half a character") from None
    except RecursionError:
        raise InvalidData("cannot write this value as JSON: it is nested too deeply") from None
    except TypeError as error:
        raise InvalidData(str(error)) from None
    except ValueError as error:
        raise InvalidData(f"cannot write this value as JSON: {error}") from None
    return text


def loads(text: str, decoder: json.JSONDecoder | None = None) -> Any:
    """Read a JSON text, with a decoder of your own if need be; ours refuses `NaN` and `Infinity`.

    Raises:
        InvalidData: the text is not JSON.
    """
    try:
        text = text.strip(_SPACES)  # `decode` searches for spaces too, but takes three times as long
        value, end = (_scan if decoder is None else _scanner(decoder))(text, 0)
    except StopIteration:
        raise InvalidData("not JSON: Expecting value") from None
    except RecursionError:
        raise InvalidData("not JSON: nested too deeply") from None
    except ValueError as error:
        raise InvalidData(f"not JSON: {getattr(error, 'msg', error)}") from None
    if end != len(text):
        raise InvalidData("not JSON: Extra data")
    return value


def _write(value: object) -> str:
    try:
        return "".join(_chunks(value, 0) if _chunks else _encoder.iterencode(value))
    except RecursionError:
        return _encoder.encode(value)  # says so when it is a circle


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise ValueError(f"{digits[:20]} is beyond the range of a number")
    return number


_scanner: Any = attrgetter("scan_once")  # which `raw_decode` calls; typeshed does not know it
_scan = _scanner(json.JSONDecoder(parse_constant=_refuse, parse_float=_finite))
