"""The results as Markdown for people and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .rounds import Spread, number

__all__ = ["Goal", "Report", "Table"]


@dataclass(frozen=True, slots=True)
class Goal:
    """A row of the goals. `value` is None if it was not measured; `note` then says why."""

    what: str
    limit: float
    value: Spread | None = None
    at_most: bool = False
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """True when the median keeps the limit; None when it was not measured."""
        if self.value is None:
            return None
        return self.value.middle <= self.limit if self.at_most else self.value.middle >= self.limit

    def cells(self) -> list[str]:
        """Return the cells of the row."""
        verdict = {None: "not measured", True: "met", False: "not met"}[self.is_met]
        measured = str(self.value) if self.value else "–"
        return [self.what, f"{'≤' if self.at_most else '≥'} {number(self.limit)}", measured, verdict, self.note]


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the names of the columns, and rows of text; `pictures` are names of files beside the report."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    pictures: Sequence[str] = ()


@dataclass(slots=True)
class Report:
    """All goals and tables, in the order of the measurements. The files of the report have its name."""

    versions: str
    goals: list[Goal] = field(default_factory=list[Goal])
    tables: list[Table] = field(default_factory=list[Table])
    name: str = "results"

    def markdown(self) -> str:
        """Return the report as Markdown."""
        parts = ["# What was measured", self.versions]
        columns = ["what", "goal", "median (smallest … largest)", "", "note"]
        parts.append(_table(columns, [goal.cells() for goal in self.goals]))
        for table in self.tables:
            parts += [f"## {table.title}", _table(table.columns, table.rows)]
            parts += [table.note] if table.note else []
            parts += [f"![{table.title}]({picture})" for picture in table.pictures]
        return "\n\n".join(parts) + "\n"

    def json(self) -> str:
        """Return the report as JSON."""
        goals = [{**asdict(goal), "is_met": goal.is_met} for goal in self.goals]
        tables = [asdict(table) for table in self.tables]
        return json.dumps({"versions": self.versions, "goals": goals, "tables": tables}, indent=1, ensure_ascii=False)

    def write(self, folder: Path) -> None:
        """Write the report as `results.md` and `results.json`, unless it has another name."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.md").write_text(self.markdown(), "utf-8")
        (folder / f"{self.name}.json").write_text(self.json() + "\n", "utf-8")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
