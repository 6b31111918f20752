"""The chat beside its peers: joins, a paced load and a burst in rooms of several sizes, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from . import bars
from .peers.contenders import CONTENDERS, HUB, OURS, OWN, OWN_GRPCIO, RPC, SOCKETIO, SOCKETIO_REDIS, Contender, Running
from .report import Goal, Report, Table
from .rounds import Spread, in_turns, number, ratio, spread
from .servers import Missing, conversation

__all__ = ["PICTURE", "QUICK", "USUAL", "Load", "run"]

Say = Callable[[str], object]
Sample = Mapping[str, Any]
PICTURE = "peers.svg"
SUMMARY = "One chat beside its peers"


@dataclass(frozen=True, slots=True)
class Load:
    """Rooms of one size: the messages of the burst, those of the paced load and how many a second, and the rounds."""

    size: int
    burst: int
    paced: int
    a_second: int
    rounds: int
    clients: int = 1_000

    def __str__(self) -> str:
        return f"{self.size} a room"


USUAL = (Load(2, 4_000, 600, 200, 3), Load(20, 2_000, 600, 200, 3), Load(500, 100, 20, 10, 2))
QUICK = (Load(2, 60, 20, 200, 1, clients=40), Load(20, 60, 20, 200, 1, clients=40))


def run(report: Report, output: Path, loads: Sequence[Load], say: Say) -> None:
    """Measure all contenders that are installed, in turns; add tables, goals and a picture to the report."""
    missing = _missing(say)
    present = {name: contender for name, contender in CONTENDERS.items() if name not in missing}
    seen = {
        load: in_turns(
            {name: partial(_sample, load, contender) for name, contender in present.items()},
            load.rounds,
            partial(_tell, say, str(load)),
        )
        for load in loads
    }
    report.tables.append(_summary(seen, missing))
    report.tables += [_table(load, samples) for load, samples in seen.items()]
    report.goals += _goals(seen, missing)
    panels = {
        str(load): {name: _spread(of, "rate") for name, of in samples.items() if name != HUB}
        for load, samples in seen.items()
    }
    bars.draw(output / PICTURE, panels, "deliveries/s of a burst", OURS)


def _missing(say: Say) -> dict[str, str]:
    """Start each contender once, and return what those want that cannot be started."""
    missing = dict[str, str]()
    for name, contender in CONTENDERS.items():
        say(f"chat: {name} starts")
        try:
            with contender():
                pass
        except Missing as error:
            missing[name] = str(error)
    return missing


def _sample(load: Load, contender: Contender) -> Sample:
    """Return what one contender does, with new processes, so that nothing is left of the load before."""
    with contender() as running, conversation(running.command(load.clients, load.size)) as ask:
        joined = ask("join")
        if joined.get("first_error"):
            raise RuntimeError(f"clients could not join: {joined['first_error']}")
        paced = ask(f"paced {load.paced} {load.a_second}")
        before = _cpu(running)
        burst = ask(f"burst {load.burst}")
        everything, rpc = (after - earlier for after, earlier in zip(_cpu(running), before, strict=True))
        cpu = {"cpu": everything / load.burst * 1_000, "rpc": rpc / load.burst * 1_000}
        return {**_counts(joined, paced, burst), **cpu, "megabytes": running.megabytes()}


def _cpu(running: Running) -> tuple[float, float]:
    """Return the CPU seconds so far of all processes, and of our own."""
    return running.cpu(), running.servers[RPC].cpu() if RPC in running.servers else 0.0


def _counts(joined: Sample, paced: Sample, burst: Sample) -> dict[str, float]:
    return {
        "joins": joined["connect"]["rate"],
        "rate": burst["rate"],
        "lost": 1 - burst["delivered"] / burst["expected"],
        "burst p99": burst["p99_ms"],
        "p50": paced["p50_ms"],
        "p99": paced["p99_ms"],
        "paced lost": 1 - paced["delivered"] / paced["expected"],
        "wrong": burst["duplicates"] + burst["strays"] + paced["duplicates"] + paced["strays"],
        "gone": burst["gone"],
        "client": burst["cpu_seconds"] / max(burst["seconds"], 1e-9),
    }


def _tell(say: Say, what: str, text: str) -> None:
    say(f"chat, {what}, {text}")


def _spread(samples: Sequence[Sample], what: str) -> Spread:
    return spread([one[what] for one in samples])


def _middle(samples: Sequence[Sample], what: str) -> str:
    return number(_spread(samples, what).middle)


def _share(samples: Sequence[Sample], what: str) -> str:
    """Return the median of a share, in per cent."""
    share = median(one[what] for one in samples) * 100
    return f"{number(share)} %" if share else "0"


COLUMNS = [
    "",
    "joins/s",
    "deliveries/s of a burst",
    "lost of it",
    "its p99 ms",
    "p50 ms, paced",
    "p99 ms, paced",
    "lost, paced",
    "twice or wrong",
    "disconnected",
    "CPU ms per message, all processes",
    "of our process",
    "RSS MB, all processes",
    "cores of the load generator",
]


def _table(load: Load, seen: Mapping[str, Sequence[Sample]]) -> Table:
    rows = [
        [
            name,
            _middle(of, "joins"),
            str(_spread(of, "rate")),
            _share(of, "lost"),
            _middle(of, "burst p99"),
            _middle(of, "p50"),
            str(_spread(of, "p99")),
            _share(of, "paced lost"),
            number(sum(one["wrong"] for one in of)),
            number(sum(one["gone"] for one in of)),
            str(_spread(of, "cpu")),
            str(_spread(of, "rpc")) if name in OURS else "",
            _middle(of, "megabytes"),
            _middle(of, "client"),
        ]
        for name, of in seen.items()
    ]
    title = f"{load}: {load.clients:,} clients, {load.rounds} rounds"
    note = f"The burst has {load.burst:,} messages. The paced load has {load.a_second} messages a second."
    return Table(title, COLUMNS, rows, note=note)


def _summary(seen: Mapping[Load, Mapping[str, Sequence[Sample]]], missing: Mapping[str, str]) -> Table:
    """Return what a reader looks for first: one row for each contender, over all sizes of rooms."""
    loads = list(seen)
    columns = ["", "joins/s", *[f"deliveries/s, {load}" for load in loads]]
    columns += [f"{what}, {loads[0]}" for what in ("p99 ms, paced", "CPU ms per message")] + ["RSS MB, all processes"]
    rows = [
        [
            name,
            _middle(of, "joins"),
            *[_deliveries(seen[load][name]) for load in loads],
            *[_middle(of, what) for what in ("p99", "cpu", "megabytes")],
        ]
        for name, of in seen[loads[0]].items()
    ]
    rows += [[name, f"not measured: {why}", *[""] * (len(columns) - 2)] for name, why in missing.items()]
    return Table(SUMMARY, columns, rows, note="Medians; the tables below have the spreads.", pictures=[PICTURE])


def _deliveries(samples: Sequence[Sample]) -> str:
    """Return deliveries a second, and what was lost of the burst."""
    lost = _share(samples, "lost")
    return _middle(samples, "rate") + (f", {lost} lost" if lost != "0" else "")


def _goals(seen: Mapping[Load, Mapping[str, Sequence[Sample]]], missing: Mapping[str, str]) -> list[Goal]:
    two, twenty = (next(of for load, of in seen.items() if load.size == size) for size in (2, 20))

    def beside(
        what: str, limit: float, samples: Mapping[str, Sequence[Sample]], *names: str, key: str = "rate"
    ) -> Goal:
        absent = [missing[name] for name in names if name in missing]
        value = None if absent else ratio(samples[names[0]], samples[names[1]], key)
        return Goal(what, limit, value, at_most=key == "p99", note="; ".join(absent))

    own = "asyncio engine / python-socketio"
    cpu = _spread(two[OWN], "rpc") if OWN in two else None
    return [
        beside(f"deliveries/s, 2 a room: {own} in one process", 1, two, OWN, SOCKETIO),
        beside(f"deliveries/s, 2 a room: {own} with Redis", 5, two, OWN, SOCKETIO_REDIS),
        beside(f"deliveries/s, 20 a room: {own} in one process", 2.5, twenty, OWN, SOCKETIO),
        beside(f"deliveries/s, 20 a room: {own} with Redis", 5, twenty, OWN, SOCKETIO_REDIS),
        beside(
            "deliveries/s, 2 a room: grpcio, def / python-socketio with Redis", 2.5, two, OWN_GRPCIO, SOCKETIO_REDIS
        ),
        Goal(
            "CPU of our process per message (call and broadcast), asyncio engine, burst, ms",
            0.12,
            cpu,
            at_most=True,
            note=missing.get(OWN, ""),
        ),
        beside(f"p99 at 200 messages/s, 2 a room: {own} in one process", 2, two, OWN, SOCKETIO, key="p99"),
    ]
