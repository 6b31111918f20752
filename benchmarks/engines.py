"""Engines side by side, in turns: the same calls from one load generator over one connection."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from .calls import REQUESTS, write_calls
from .report import Goal, Report, Table
from .rounds import Spread, in_turns, number, ratio, spread
from .servers import LISTENING, SEVERAL, Server, free_port, go_program, ours, output, serving, without

__all__ = ["concurrency", "framework", "kinds", "side_by_side", "size_and_start", "workers"]

BARE, AGAIN = "bare grpcio", "bare grpcio again"
GO, GO_BYTES = "bare Go", "Go without protobuf"
GRPCIO, GRPCIO_ASYNC = "grpcio, def", "grpcio, async def"
OWN, OWN_ASYNC = "asyncio engine, def", "asyncio engine, async def"
OWN_SMALL = "asyncio engine, async def, without uvloop"
KEPT = ", each kept to a core"
IN_FLIGHT = 28  # anycable-go's --rpc_concurrency

Say = Callable[[str], object]
Sample = Mapping[str, Any]


def command(name: str, calls: Path, *options: str) -> list[str]:
    """Return the command of a server."""
    commands: dict[str, Callable[[], list[str]]] = {
        BARE: lambda: [sys.executable, "-m", "benchmarks.bare", f"127.0.0.1:{free_port()}"],
        AGAIN: lambda: [sys.executable, "-m", "benchmarks.bare", f"127.0.0.1:{free_port()}"],
        GO: lambda: [go_program(), "serve", "--calls", str(calls)],
        GO_BYTES: lambda: [go_program(), "serve", "--calls", str(calls), "--bytes"],
        GRPCIO: lambda: ours("plain", "grpcio", *options),
        GRPCIO_ASYNC: lambda: ours("asynchronous", "grpcio", *options),
        OWN: lambda: ours("plain", "asyncio", *options),
        OWN_ASYNC: lambda: ours("asynchronous", "asyncio", *options),
        OWN_SMALL: lambda: without("uvloop", ours("asynchronous", "asyncio", *options)),
    }
    return commands[name]()


def load(
    server: Server, calls: Path, seconds: float, in_flight: int = IN_FLIGHT, key: str = ""
) -> Callable[[], Sample]:
    """Return what calls a server for some seconds; over HTTP with a key."""
    target = server.address
    way = ["load-http", "--key", key] if key else ["load"]
    caller = [go_program(), *way, "--target", target, "--calls", str(calls), "--in-flight", str(in_flight)]

    def sample() -> Sample:
        before = server.cpu()
        seen = output([*caller, "--for", f"{seconds}s"])
        cpu = (server.cpu() - before) / seen["all"] * 10_000
        client = seen["cpu_seconds"] / seen["all"] * 10_000
        return {**seen, "cpu": cpu, "client": client, "megabytes": server.megabytes()}

    return sample


def _measured(
    names: Sequence[str], calls: Path, rounds: int, seconds: float, say: Say, in_flight: int = IN_FLIGHT, *options: str
) -> dict[str, list[Sample]]:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(command(name, calls, *options))) for name in names}
        loads = {name: load(server, calls, seconds, in_flight) for name, server in servers.items()}
        return in_turns(loads, rounds, say)


COLUMNS = ["", "calls/s", "ratio", "CPU s per 10,000", "ratio", "p50 ms", "p99 ms", "load generator's CPU s", "RSS MB"]


def row(name: str, samples: list[Sample], base: list[Sample]) -> list[str]:
    """Return a row of `COLUMNS`; the ratios are to `base`."""
    middle = {what: spread([one[what] for one in samples]) for what in ("rate", "cpu", "p50_ms", "p99_ms")}
    middle |= {what: spread([one[what] for one in samples]) for what in ("client", "megabytes")}
    return [
        name,
        str(middle["rate"]),
        str(ratio(samples, base, "rate")),
        number(middle["cpu"].middle),
        number(ratio(samples, base, "cpu").middle),
        number(middle["p50_ms"].middle),
        str(middle["p99_ms"]),
        number(middle["client"].middle),
        number(middle["megabytes"].middle),
    ]


def side_by_side(report: Report, folder: Path, rounds: int, seconds: float, say: Say) -> None:
    """Measure all engines; a third of the calls are Connect, a third subscribe, a third message."""
    names = [BARE, GRPCIO, GRPCIO_ASYNC, OWN_ASYNC, OWN, GO, GO_BYTES]
    seen = _measured(names, write_calls(folder / "calls.json"), rounds, seconds, partial(tell, say, "engines"))
    title = f"Engines: {IN_FLIGHT} calls in flight on one connection, {rounds} rounds of {seconds:g} s"
    fastest = number(median(one["rate"] for one in seen[GO_BYTES]))
    note = (
        "Ratios are to bare grpcio, round by round. The bare servers read and write the messages with protobuf, "
        f"{GO_BYTES} answers with bytes made beforehand: there the load generator makes {fastest} calls/s."
    )
    report.tables.append(Table(title, COLUMNS, [row(name, seen[name], seen[BARE]) for name in names], note=note))
    bare, go, own = seen[BARE], seen[GO], seen[OWN_ASYNC]
    report.goals += [
        Goal("own engine, whole framework, async def / bare grpcio, calls/s", 6, ratio(own, bare, "rate")),
        Goal("the same, def on threads", 4.5, ratio(seen[OWN], bare, "rate")),
        Goal("own engine / bare grpcio, CPU per call", 0.12, ratio(own, bare, "cpu"), at_most=True),
        Goal("own engine, whole framework / bare Go, calls/s", 1, ratio(own, go, "rate")),
        Goal("the same / Go without protobuf", 1, ratio(own, seen[GO_BYTES], "rate")),
        Goal("p99 at 28 in flight, own engine / bare Go", 1.5, ratio(own, go, "p99_ms"), at_most=True),
    ]


def framework(report: Report, folder: Path, rounds: int, seconds: float, say: Say) -> None:
    """Measure our framework on grpcio beside grpcio alone, and grpcio alone twice (the null pair)."""
    names = [BARE, GRPCIO, AGAIN]
    seen = _measured(names, write_calls(folder / "calls.json"), rounds, seconds, partial(tell, say, "framework"))
    title = f"The framework on grpcio, {rounds} rounds of {seconds:g} s"
    report.tables.append(Table(title, COLUMNS, [row(name, seen[name], seen[BARE]) for name in names]))
    null = ratio(seen[AGAIN], seen[BARE], "rate")
    value = ratio(seen[GRPCIO], seen[BARE], "rate")
    report.goals.append(Goal("framework / bare handler on grpcio, calls/s", 0.92, value, note=f"null pair: {null}"))


def kinds(report: Report, folder: Path, rounds: int, seconds: float, say: Say) -> None:
    """Measure each kind of call alone."""
    names, rows = [BARE, OWN_ASYNC, OWN, GO], []
    for kind in REQUESTS:
        calls = write_calls(folder / f"{kind}.json", [kind])
        seen = _measured(names, calls, rounds, seconds, partial(tell, say, kind))
        rows += [row(f"{kind}: {name}", seen[name], seen[BARE]) for name in names]
    report.tables.append(Table(f"Each call alone, {rounds} rounds of {seconds:g} s", COLUMNS, rows))


def concurrency(folder: Path, rounds: int, seconds: float, say: Say) -> dict[str, dict[int, Spread]]:
    """Measure calls a second by the number of calls in flight."""
    names, curves = [GRPCIO, OWN_ASYNC, OWN, GO], dict[str, dict[int, Spread]]()
    calls = write_calls(folder / "calls.json")
    for in_flight in (1, 4, 28, 100, 200):
        progress = partial(tell, say, f"{in_flight} in flight")
        seen = _measured(names, calls, rounds, seconds, progress, in_flight, "--rpc-pool-size=256")
        for name in names:
            curves.setdefault(name, {})[in_flight] = spread([one["rate"] for one in seen[name]])
    return curves


def tell(say: Say, what: str, text: str) -> None:
    """Say which measurement runs."""
    say(f"{what}, {text}")


def workers(report: Report, folder: Path, rounds: int, seconds: float, say: Say) -> None:
    """Measure two processes beside one, with callbacks that compute; then with a core for each, if the system can."""
    calls = write_calls(folder / "message.json", ["message"])
    kinds = {"": (), KEPT: ("--worker-cpu-affinity",)} if hasattr(os, "sched_setaffinity") else {"": ()}
    with ExitStack() as stack:
        loads: dict[str, Callable[[], Sample]] = {}
        for (kind, options), workers in product(kinds.items(), (1, 2)):
            command = ours("busy", "asyncio", f"--workers={workers}", *options)
            server = stack.enter_context(serving(command, pattern=SEVERAL if workers > 1 else LISTENING))
            server.address = f"list:///{server.address}" if workers > 1 else server.address
            loads[f"{workers} {'workers' if workers > 1 else 'worker'}{kind}"] = load(server, calls, seconds)
        seen = in_turns(loads, rounds, partial(tell, say, "workers"))
    rows = [row(name, samples, seen["1 worker"]) for name, samples in seen.items()]
    report.tables.append(Table("Workers, with callbacks of about 2 ms of Python", COLUMNS, rows))
    for kind in kinds:
        value = ratio(seen[f"2 workers{kind}"], seen[f"1 worker{kind}"], "rate")
        report.goals.append(Goal(f"2 workers / 1 worker, callbacks that compute, calls/s{kind}", 1.7, value))


def size_and_start(report: Report, folder: Path, rounds: int, say: Say) -> None:
    """Measure the memory of a server before its first call, and the seconds until it listens."""
    rows: list[list[str]] = []
    for name in (GRPCIO, GRPCIO_ASYNC, OWN_ASYNC, OWN, OWN_SMALL):
        weights: list[float] = []
        times: list[float] = []
        for turn in range(rounds):
            say(f"start, round {turn + 1} of {rounds}: {name}")
            with serving(command(name, folder)) as server:
                weights.append(server.megabytes())
                times.append(server.seconds)
        rows.append([name, str(spread(weights)), str(spread(times))])
        if name in (GRPCIO, OWN_ASYNC, OWN_SMALL):
            report.goals += [
                Goal(f"RSS idle, MB ({name})", 45, spread(weights), at_most=True),
                Goal(f"start to listening, s ({name})", 0.7, spread(times), at_most=True),
            ]
    report.tables.append(Table("Size and start", ["", "RSS idle, MB", "start to listening, s"], rows))
