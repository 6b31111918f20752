"""`python -m benchmarks` measures and writes a table with the goals; `--quick` only shows that everything runs.

The parts `chat` and `publish` run when `--only` names them. Each writes results of its own.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import monotonic

from . import chat, curves, engines, in_process, kit, over_http, page, publish, through
from .page import RESULTS
from .report import Goal, Report, Table
from .rounds import number
from .servers import Missing, anycable_go, go_program

PARTS = (
    *("in-process", "growth", "framework", "engines", "kinds", "http"),
    *("concurrency", "workers", "start", "anycable-go", "testing"),
)
BESIDE = {"chat": "peers", "publish": "publish"}
"""Parts that run by name only, and the files of their results."""

NEED_GO = {"framework", "engines", "kinds", "http", "concurrency", "workers", "anycable-go", "chat", "publish"}


@dataclass(frozen=True, slots=True)
class Plan:
    """The number of rounds, calls and clients, and the seconds of each load."""

    few: int = 3
    usual: int = 5
    many: int = 15
    calls: int = 2_000
    seconds: float = 1.2
    clients: int = 2_000
    loads: Sequence[chat.Load] = chat.USUAL
    publications: publish.Plan = publish.USUAL


QUICK = Plan(few=1, usual=1, many=2, calls=50, seconds=0.3, clients=200, loads=chat.QUICK, publications=publish.QUICK)


def main() -> None:
    """Measure the parts that the command line names, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few and short rounds: the numbers mean nothing")
    parser.add_argument("--only", action="append", choices=(*PARTS, *BESIDE), help="one part; may be repeated")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FOLDER", help="where the results are written")
    options = parser.parse_args()
    began = monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"[{monotonic() - began:5.0f} s] {text}\n")

    plan = QUICK if options.quick else Plan()
    reports = _measured(options.only or PARTS, options.output, plan, say)
    for report in reports:
        report.write(options.output)
        sys.stdout.write(report.markdown())
    if options.output == RESULTS and any(report.name in BESIDE.values() for report in reports):
        page.write()
    say(f"written to {os.path.relpath(options.output)}")


def _measured(names: Sequence[str], output: Path, plan: Plan, say: Callable[[str], None]) -> list[Report]:
    """Return the reports of the parts with these names."""
    reports = {name: Report(_versions(name), name=name) for name in (BESIDE.get(part, "results") for part in names)}
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            report = reports[BESIDE.get(name, "results")]
            try:
                if name in NEED_GO:
                    go_program()
                _parts(report, Path(folder), output, plan, say)[name]()
            except Missing as missing:
                report.goals.append(Goal(f"everything of {name}", 0, note=str(missing)))
    return list(reports.values())


def _parts(
    report: Report, folder: Path, output: Path, plan: Plan, say: Callable[[str], None]
) -> dict[str, Callable[[], None]]:
    few, usual, many, seconds = plan.few, plan.usual, plan.many, plan.seconds

    def growth() -> None:
        grown = in_process.growth(report, usual, plan.calls, say)
        curves.draw(output / "growth.svg", grown, "how many there are", "CPU of a message, by the smallest")
        report.tables[-1] = replace(report.tables[-1], pictures=["growth.svg"])

    def concurrency() -> None:
        by_name = engines.concurrency(folder, few, seconds, say)
        curves.draw(output / "concurrency.svg", by_name, "calls in flight", "calls/s")
        columns = ["calls in flight", *[str(place) for place in next(iter(by_name.values()))]]
        rows = [[name, *[number(one.middle) for one in points.values()]] for name, points in by_name.items()]
        report.tables.append(Table("Calls/s by calls in flight", columns, rows, pictures=["concurrency.svg"]))

    return {
        "in-process": lambda: in_process.run(report, many, plan.calls, say),
        "growth": growth,
        "framework": lambda: engines.framework(report, folder, many, seconds, say),
        "engines": lambda: engines.side_by_side(report, folder, usual + 2, seconds, say),
        "kinds": lambda: engines.kinds(report, folder, few, seconds, say),
        "http": lambda: over_http.run(report, folder, usual, seconds, say),
        "concurrency": concurrency,
        "workers": lambda: engines.workers(report, folder, usual, seconds, say),
        "start": lambda: engines.size_and_start(report, folder, usual, say),
        "testing": lambda: kit.run(report, folder, usual, say),
        "anycable-go": lambda: through.run(report, folder, usual, plan.clients, say),
        "chat": lambda: chat.run(report, output, plan.loads, say),
        "publish": lambda: publish.run(report, plan.publications, say),
    }


LIBRARIES = {
    "results": ("grpcio", "protobuf", "uvloop", "PyJWT", "pydantic", "hpack"),
    "peers": (
        *("grpcio", "protobuf", "uvloop", "redis", "uvicorn", "websockets"),
        *("fastapi", "python-socketio", "channels", "channels_redis"),
    ),
    "publish": ("uvloop", "urllib3", "redis", "nats-py"),
}
"""The libraries that the results of this name depend on."""


def _versions(results: str) -> str:
    """Return the versions, the number of cores, the processor and the date."""
    parts = [f"Python {platform.python_version()}"]
    for name in LIBRARIES[results]:
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            parts.append(f"no {name}")
    for name, command in {"Go": ["go", "version"], "anycable-go": [_path(), "--version"]}.items():
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20)
            parts.append(f"{name} {done.stdout}{done.stderr}".strip().replace("go version go", ""))
        except OSError:
            parts.append(f"no {name}")
    return f"{', '.join(parts)}; {os.cpu_count()} cores, {_processor()}; {datetime.now(UTC):%Y-%m-%d}"


def _processor() -> str:
    """Return the name of the processor."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.startswith("model name")).partition(": ")[2]
    return platform.processor() or platform.machine()


def _path() -> str:
    try:
        return anycable_go()
    except Missing:
        return "anycable-go"


if __name__ == "__main__":
    main()
