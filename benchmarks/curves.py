"""Curves as SVG pictures."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .rounds import Spread

__all__ = ["COLOURS", "draw", "figure", "style"]

COLOURS = ("#2563eb", "#16a34a", "#d97706", "#db2777")


def style() -> Any:
    """Return pyplot, which writes the same SVG for the same numbers."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "anycable_rpc", "axes.spines.top": False, "axes.spines.right": False})
    from matplotlib import pyplot

    return pyplot


@contextmanager
def figure(path: Path, across: str, up: str) -> Generator[Any]:
    """Yield axes to draw on; write them as an SVG on white at the end."""
    pyplot = style()
    picture, axes = pyplot.subplots(figsize=(7.2, 3.6), layout="constrained")
    yield axes
    axes.set_ylim(bottom=0)
    axes.set(xlabel=across, ylabel=up)
    axes.grid(visible=True, alpha=0.2)
    axes.legend(frameon=False)
    picture.savefig(path, metadata={"Date": None})
    pyplot.close(picture)


def draw(path: Path, curves: Mapping[str, Mapping[int, Spread]], across: str, up: str) -> None:
    """Draw a line for each curve, with a band from its smallest to its largest values."""
    with figure(path, across, up) as axes:
        for colour, (name, points) in zip(COLOURS, curves.items(), strict=False):
            places, values = list(points), list(points.values())
            axes.plot(places, [one.middle for one in values], marker="o", color=colour, label=name)
            low, high = [one.smallest for one in values], [one.largest for one in values]
            axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_xscale("symlog", linthresh=1)
        places = sorted({place for points in curves.values() for place in points})
        axes.set_xticks(places, [str(place) for place in places])
