"""Bars as an SVG picture: a panel for each load, a bar for each contender."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from .curves import COLOURS, style
from .rounds import Spread, number

__all__ = ["draw"]

OTHERS, LINE = "#94a3b8", "#475569"


def draw(path: Path, panels: Mapping[str, Mapping[str, Spread]], across: str, ours: Collection[str]) -> None:
    """Draw the medians as bars, with a line from the smallest to the largest value; ours have a colour."""
    pyplot = style()
    names = list(next(iter(panels.values())))
    picture, rows = pyplot.subplots(
        1, len(panels), figsize=(10, 0.8 + 0.34 * len(names)), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, (title, bars) in zip(rows[0], panels.items(), strict=True):
        spreads = [bars[name] for name in names]
        middles = [one.middle for one in spreads]
        reach = [[one.middle - one.smallest for one in spreads], [one.largest - one.middle for one in spreads]]
        colours = [COLOURS[0] if name in ours else OTHERS for name in names]
        axes.barh(names, middles, xerr=reach, color=colours, ecolor=LINE, height=0.7)
        for place, one in enumerate(spreads):
            at = (one.largest, place)
            axes.annotate(number(one.middle), at, (4, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set(title=title, xlabel=across)
        axes.margins(x=0.35)
        axes.locator_params(axis="x", nbins=3)
        axes.grid(visible=True, axis="x", alpha=0.2)
    rows[0][0].invert_yaxis()
    picture.savefig(path, metadata={"Date": None})
    pyplot.close(picture)
