"""Words for the content of a token: short and safe for a terminal, whatever the content."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ...errors import InvalidData, shorten
from ...protocol import json_text

__all__ = ["MAX_NAMES", "as_json", "distance", "kind", "listed", "moment", "shown"]

MAX_NAMES = 12
"""The number of names in a list; the others are counted."""

_MILLISECONDS_FROM = 1e11
_UNITS = (("year", 31_557_600), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "a string"),
    (list, "a list"),
    (dict, "an object"),
)


def shown(text: str, limit: int = 400, around: int = 0) -> str:
    """Return a string, or its part near the index `around`, with a name for each character that cannot be seen."""
    start = max(0, around - 40) if around > limit // 2 else 0
    cut = text[start : start + limit]
    visible = "".join(each if each.isprintable() else f"‹U+{ord(each):04X}›" for each in cut)
    end = f"… ({len(text)} characters)" if start + limit < len(text) else ""
    return f"{'…' * (start > 0)}{visible}{end}"


def as_json(value: object) -> str:
    """Return a value as JSON, so that the number 42 and the string "42" differ."""
    try:
        return shown(json_text.dumps(value), 100)
    except InvalidData:
        return shown(shorten(value), 100)


def kind(value: object) -> str:
    """Return a word for the type of a JSON value."""
    return next((word for types, word in _KINDS if isinstance(value, types)), "null")


def listed(names: Sequence[str]) -> str:
    """Join names with commas."""
    more = [f"and {len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else []
    return ", ".join([*(shown(name, 60) for name in names[:MAX_NAMES]), *more])


def moment(seconds: float, now: float) -> tuple[str, ...]:
    """Return a time as a date with its distance from now, and a hint if it looks like milliseconds."""
    hint = ("These look like milliseconds: the claim is in seconds.",) if seconds > _MILLISECONDS_FROM else ()
    return (f"{_date(seconds)}, {distance(int(seconds) - int(now))}", *hint)


def _date(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.6g} seconds after 1970"


def distance(seconds: int) -> str:
    """Return `in 9 minutes`, `2 hours ago` or `now`."""
    if not seconds:
        return "now"
    unit, size = next(row for row in _UNITS if abs(seconds) >= row[1])
    number = abs(seconds) // size
    amount = f"{number} {unit}{'s' * (number != 1)}" if number < 10_000 else f"more than 9999 {unit}s"
    return f"in {amount}" if seconds > 0 else f"{amount} ago"
