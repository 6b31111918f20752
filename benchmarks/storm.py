"""`python -m benchmarks.storm` simulates a restart, after which all clients come back; it measures nothing.

Clients try again as @anycable/core does (`backoffWithJitter`: an interval of 3 s, doubled with each attempt, with
random parts). A command of anycable-go has 3 s in all; a client whose calls would take longer is turned away and tries
again later. The RPC server answers a fixed number of calls each second, in the order of their arrival.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

__all__ = ["Outcome", "simulate"]

INTERVAL, RATE, JITTER = 3.0, 2.0, 0.5
PATIENCE = 3.0  # seconds of a command
SLOWEST = 60.0  # seconds between two attempts, after all doubling


@dataclass(frozen=True, slots=True)
class Outcome:
    """The seconds after which each client was back, the number of refusals, and the calls in each second."""

    back: list[float]
    refused: int
    calls: dict[int, int] = field(default_factory=dict[int, int])

    def within(self, share: float) -> float:
        """Return the seconds until that share of the clients was back."""
        return sorted(self.back)[max(0, int(len(self.back) * share) - 1)]


def delay(attempt: int, chooser: random.Random) -> float:
    """Return the seconds before the next attempt, as @anycable/core waits."""
    least = INTERVAL * RATE**attempt
    between = least + (least * RATE - least) * chooser.random()
    return min(SLOWEST, between * (1 + 2 * (chooser.random() - 0.5) * JITTER))


def simulate(clients: int, capacity: float, calls: int, seed: int = 1) -> Outcome:
    """Simulate clients that all lose their connection at 0. A client is back when its `calls` are answered.

    The server answers `capacity` calls a second. A call that would wait longer than a command may take is refused after
    that time.
    """
    chooser = random.Random(seed)
    waiting = [(delay(0, chooser), client, 0) for client in range(clients)]
    heapq.heapify(waiting)
    free_at, refused, back, served = 0.0, 0, [0.0] * clients, dict[int, int]()
    while waiting:
        now, client, attempt = heapq.heappop(waiting)
        done = max(now, free_at) + calls / capacity
        if done - now > PATIENCE * calls:
            refused += 1
            heapq.heappush(waiting, (now + PATIENCE + delay(min(attempt + 1, 8), chooser), client, attempt + 1))
            continue
        free_at = done
        back[client] = done
        served[int(done)] = served.get(int(done), 0) + calls
    return Outcome(back, refused, served)


SCENES = {
    "grpcio, cookies": (3_000, 2),
    "grpcio, a token": (3_000, 1),
    "asyncio engine, cookies": (20_000, 2),
    "asyncio engine, a token": (20_000, 1),
}
"""Calls a second of one process, on the slowest machine that was measured, and the calls that bring a client back:
Connect, and one subscribe.
"""


def main() -> None:
    """Print the outcome of each scene, and draw it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storm", description=__doc__)
    parser.add_argument("--clients", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--picture", type=Path, help="an SVG of who is back when")
    options = parser.parse_args()
    if options.clients < 1 or options.processes < 1:
        parser.error("there must be a client and a process")
    lines = ["| | half are back | 99 % | all | turned away |", "| --- | --- | --- | --- | --- |"]
    curves: dict[str, list[float]] = {}
    for name, (capacity, calls) in SCENES.items():
        outcome = simulate(options.clients, capacity * options.processes, calls)
        curves[name] = sorted(outcome.back)
        times = (median(outcome.back), outcome.within(0.99), outcome.within(1))
        lines.append(f"| {name} | {' | '.join(f'{time:.0f} s' for time in times)} | {outcome.refused:,} times |")
    sys.stdout.write("\n".join(lines) + "\n")
    if options.picture:
        draw(options.picture, curves)


def draw(path: Path, curves: dict[str, list[float]]) -> None:
    """Draw the share of clients that are back, over time."""
    from .curves import COLOURS, figure

    with figure(path, "seconds after the end", "clients back, %") as axes:
        for colour, (name, times) in zip(COLOURS, curves.items(), strict=True):
            shares = range(101)
            at = [0.0, *[times[max(0, len(times) * share // 100 - 1)] for share in shares[1:]]]
            axes.plot(at, shares, color=colour, label=name)


if __name__ == "__main__":
    main()
