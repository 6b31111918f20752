"""Measurements in turns, for a shared machine: each contender runs in each round, and ratios are within a round."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

__all__ = ["Spread", "in_turns", "ratio", "spread"]

Sample = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, with the smallest and the largest value."""

    middle: float
    smallest: float
    largest: float

    def __str__(self) -> str:
        return f"{number(self.middle)} ({number(self.smallest)} … {number(self.largest)})"


def number(value: float) -> str:
    """Return the number with three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of one or more values."""
    return Spread(median(values), min(values), max(values))


def ratio(ours: Sequence[Sample], theirs: Sequence[Sample], what: str) -> Spread:
    """Return the spread of the ratios ours / theirs, round by round."""
    return spread([one[what] / other[what] for one, other in zip(ours, theirs, strict=True)])


def in_turns(
    contenders: Mapping[str, Callable[[], Sample]], rounds: int, say: Callable[[str], object] = lambda _: None
) -> dict[str, list[Sample]]:
    """Return the samples of each contender; each second round goes backwards."""
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name in list(contenders)[:: -1 if turn % 2 else 1]:
            say(f"round {turn + 1} of {rounds}: {name}")
            samples[name].append(contenders[name]())
    return samples
