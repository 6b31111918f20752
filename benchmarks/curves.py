"""How things grow, as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .rounds import Spread

__all__ = ["draw"]

Curves = Mapping[str, Mapping[int, Spread]]
COLOURS = ("#2563eb", "#16a34a", "#d97706", "#db2777")


def draw(path: Path, curves: Curves, across: str, up: str, *, from_zero: bool = True, log: bool = False) -> None:
    """One line for each curve, with a band from its smallest to its largest values; an SVG on white."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.hashsalt": "anycable_rpc", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    )
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.2, 3.6), layout="constrained")
    for colour, (name, points) in zip(COLOURS, curves.items(), strict=False):
        places, values = list(points), list(points.values())
        axes.plot(places, [one.middle for one in values], marker="o", color=colour, label=name)
        axes.fill_between(
            places,
            [one.smallest for one in values],
            [one.largest for one in values],
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
    if log:
        axes.set_xscale("symlog", linthresh=1)
        places = sorted({place for points in curves.values() for place in points})
        axes.set_xticks(places, [str(place) for place in places])
    if from_zero:
        axes.set_ylim(bottom=0)
    axes.set(xlabel=across, ylabel=up)
    axes.grid(visible=True, alpha=0.2)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
