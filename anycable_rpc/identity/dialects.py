"""The JSON dialects of token issuers: a table that `dialect_writer` follows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import copysign

from ..errors import InvalidData

__all__ = ["DIALECTS", "Dialect", "Floats", "Integers"]

_INDEX = re.compile("0|[1-9][0-9]{0,9}")
_LAST_INDEX = 2**32 - 2


def _indices_first(keys: list[str]) -> list[str]:
    """Return an object's keys in the order of JavaScript: array indices by their value, then the rest as given."""
    indices = {key for key in keys if _INDEX.fullmatch(key) and int(key) <= _LAST_INDEX}
    return sorted(indices, key=int) + [key for key in keys if key not in indices]


def _unlike_a_list(keys: list[str]) -> list[str]:
    """Return the keys as given. Raise InvalidData if a PHP array with these keys is a list."""
    if keys == [str(index) for index in range(len(keys))]:
        raise InvalidData("PHP writes an array without keys, or with the keys 0, 1, 2 …, as a list, not as an object")
    return keys


def _digits(value: float) -> tuple[str, int]:
    """Return the shortest digits of a positive number, and the power of ten of the first digit."""
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    power = int(exponent or 0) + len(digits) - len(fraction) - 1
    return digits.rstrip("0"), power


@dataclass(frozen=True, slots=True)
class Integers:
    """The integers that a language writes digit by digit."""

    smallest: int
    largest: int
    reason: str


@dataclass(frozen=True, slots=True)
class Floats:
    """The notation of a language for 64-bit floats, from their shortest digits."""

    plain_from: int
    """Numbers smaller than `10**plain_from` have an exponent."""
    plain_below: int
    """Numbers of `10**plain_below` and more have an exponent, unless they have a fraction."""
    whole: str = ""
    """The suffix of a whole number."""
    mantissa: str = ""
    """The suffix of a single digit before an exponent."""
    exponent: str = "+d"
    negative_zero: str = "-0"

    def write(self, value: float) -> str:
        if not value:
            return (self.negative_zero if copysign(1, value) < 0 else "0") + self.whole
        digits, power = _digits(abs(value))
        sign = "-" if value < 0 else ""
        if power < self.plain_from or power >= max(self.plain_below, len(digits) - 1):
            fraction = f".{digits[1:]}" if digits[1:] else self.mantissa
            return f"{sign}{digits[0]}{fraction}e{power:{self.exponent}}"
        if power < 0:
            return f"{sign}0.{'0' * (-power - 1)}{digits}"
        fraction = digits[power + 1 :]
        return f"{sign}{digits[: power + 1]:0<{power + 1}}{f'.{fraction}' if fraction else self.whole}"


@dataclass(frozen=True, slots=True)
class Dialect:
    """The differences of one issuer's JSON from compact UTF-8."""

    issuer: str
    comma: str = ","
    colon: str = ":"
    escaped: str = ""
    """Characters, as a class of `re`, that the issuer escapes although JSON does not require it."""
    keys: Callable[[list[str]], list[str]] = list
    """A function that returns the keys of an object in the order in which the issuer writes them."""
    integers: Integers | None = None
    floats: Floats | None = None
    """The way that floats are written; None is Python's."""
    depth: int | None = None
    """The number of nested lists and objects that the issuer allows."""


_SEPARATORS = "\u2028\u2029"
_RUBY_FLOATS = Floats(-4, 15, whole=".0", mantissa=".0", exponent="+03d")

DIALECTS: Mapping[str, Dialect] = {
    "canonical": Dialect("this library"),
    "rails": Dialect("Rails", escaped=f"<>&{_SEPARATORS}", floats=_RUBY_FLOATS),
    "ruby": Dialect("Ruby", floats=_RUBY_FLOATS, depth=100),
    "js": Dialect(
        "JavaScript",
        keys=_indices_first,
        integers=Integers(-(2**53), 2**53, "beyond 2**53 its numbers skip integers"),
        floats=Floats(-6, 21, negative_zero="0"),
    ),
    "php": Dialect(
        "PHP",
        escaped="/\x80-\U0010ffff",
        keys=_unlike_a_list,
        integers=Integers(-(2**63), 2**63 - 1, "its integers have 64 bits"),
        floats=Floats(-4, 17, mantissa=".0"),
        depth=512,
    ),
    "go": Dialect(
        "Go",
        escaped=f"<>&{_SEPARATORS}",
        keys=sorted,
        integers=Integers(-(2**63), 2**64 - 1, "int64 and uint64 end before"),
        floats=Floats(-6, 21),
    ),
    "python": Dialect("json.dumps of Python", comma=", ", colon=": ", escaped="\x7f-\U0010ffff"),
}
"""Dialects by name. `tests/data/dialects.json` holds what each language really writes."""
