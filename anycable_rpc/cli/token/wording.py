"""Words for what is in a token: short and fit for a terminal, whatever it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ...errors import InvalidData, shorten
from ...protocol import json_text

__all__ = ["MOST", "as_json", "distance", "kind", "listed", "moment", "shown"]

MOST = 12
"""Of many things so many are named."""

_MILLISECONDS_FROM = 1e11
_UNITS = (("year", 31_557_600), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "a text"),
    (list, "a list"),
    (dict, "an object"),
)


def shown(text: str, limit: int = 400, around: int = 0) -> str:
    """A text, or the part of it that begins near `around`; characters that do something or cannot be seen are named."""
    start = max(0, around - 40) if around > limit // 2 else 0
    cut = text[start : start + limit]
    visible = "".join(each if each.isprintable() else f"‹U+{ord(each):04X}›" for each in cut)
    end = f"… ({len(text)} characters)" if start + limit < len(text) else ""
    return f"{'…' * (start > 0)}{visible}{end}"


def as_json(value: object) -> str:
    """A value, so that the number 42 and the text "42" are two things."""
    try:
        return shown(json_text.dumps(value), 100)
    except InvalidData:
        return shown(shorten(value), 100)


def kind(value: object) -> str:
    """What a JSON value is."""
    return next((said for kinds, said in _KINDS if isinstance(value, kinds)), "null")


def listed(names: Sequence[str]) -> str:
    """Names with commas between."""
    more = [f"and {len(names) - MOST} more"] if len(names) > MOST else []
    return ", ".join([*(shown(name, 60) for name in names[:MOST]), *more])


def moment(seconds: float, now: float) -> tuple[str, ...]:
    """A time as a date and by how far away it is; and a line about it if it is an unlikely one."""
    hint = ("These look like milliseconds: the claim is in seconds.",) if seconds > _MILLISECONDS_FROM else ()
    return (f"{_date(seconds)}, {distance(int(seconds) - int(now))}", *hint)


def _date(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.6g} seconds after 1970"


def distance(seconds: int) -> str:
    """`in 9 minutes`, `2 hours ago`, `now`."""
    if not seconds:
        return "now"
    unit, size = next(row for row in _UNITS if abs(seconds) >= row[1])
    number = abs(seconds) // size
    said = f"{number} {unit}{'s' * (number != 1)}" if number < 10_000 else f"more than 9999 {unit}s"
    return f"in {said}" if seconds > 0 else f"{said} ago"
