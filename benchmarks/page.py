"""`python -m benchmarks.page` copies tables of the last results into docs/peers.md, to the places that name them."""

from __future__ import annotations

import re
from itertools import dropwhile, takewhile
from pathlib import Path

__all__ = ["PAGE", "RESULTS", "filled", "write"]

PAGE = Path(__file__).parents[1] / "docs" / "peers.md"
RESULTS = Path(__file__).parent / "results"

_PLACE = re.compile(r"(<!-- (\w+\.md): (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
"""A place for a table: the file of the results, and the beginning of the heading above the table."""


def write(folder: Path = RESULTS) -> None:
    """Write the tables of the results into the page."""
    PAGE.write_text(filled(PAGE.read_text("utf-8"), folder), "utf-8")


def filled(text: str, folder: Path) -> str:
    """Return a page with the tables of the results in their places. A place whose table is missing stays as it is."""

    def fill(place: re.Match[str]) -> str:
        table = _table(folder / place[2], place[3])
        return f"{place[1]}\n{table}\n\n{place[4]}" if table else place[0]

    return _PLACE.sub(fill, text)


def _table(path: Path, heading: str) -> str:
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    below = dropwhile(lambda line: not line.startswith("#") or not line.lstrip("# ").startswith(heading), lines)
    return "\n".join(takewhile(_is_row, dropwhile(lambda line: not _is_row(line), below)))


def _is_row(line: str) -> bool:
    return line.startswith("|")


if __name__ == "__main__":
    write()
