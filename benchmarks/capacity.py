"""`python -m benchmarks.capacity` computes how many RPC processes and anycable-go nodes your own numbers need."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from math import ceil

__all__ = ["ENGINES", "Demand", "Need", "need"]

ENGINES = {"grpcio": 0.33e-3, "asyncio": 0.045e-3}
"""CPU seconds of a call whose callbacks do nothing, on the slowest machine that was measured: above results.md.
A query to a database in the callback comes on top.
"""

CLIENT_KB = 20.0
"""Memory of anycable-go 1.6 for an idle connection, measured with 6,000; subscriptions and history add to it."""


@dataclass(frozen=True, slots=True)
class Demand:
    """The load to serve.

    `messages` reach the RPC each second. A client stays `session` seconds and has `subscriptions`. After a restart all
    clients have to be back within `reconnect` seconds. `callback` is the CPU time of your own code for a call, in
    seconds. `headroom` is the share of a core that may be busy. A node has `node_gb` of memory for connections.
    """

    clients: int
    messages: float
    session: float = 600
    subscriptions: int = 1
    reconnect: float = 60
    callback: float = 0
    headroom: float = 0.5
    node_gb: float = 8


@dataclass(frozen=True, slots=True)
class Need:
    """The answer to a `Demand`: calls a second and processes (a core each), usually and when all come back; nodes."""

    usual_calls: float
    storm_calls: float
    usual_processes: int
    storm_processes: int
    nodes: int


def need(demand: Demand, engine: str, *, token: bool) -> Need:
    """Compute the need. With a token there is no Connect, but still subscribes, unsubscribes and Disconnect."""
    opening = demand.subscriptions + (0 if token else 1)
    usual = demand.messages + demand.clients / demand.session * (opening + 1)
    storm = demand.messages + demand.clients / demand.reconnect * opening
    call = ENGINES[engine] + demand.callback
    processes = [max(1, ceil(calls * call / demand.headroom)) for calls in (usual, storm)]
    nodes = max(1, ceil(demand.clients * CLIENT_KB / 2**20 / demand.node_gb))
    return Need(usual, storm, processes[0], processes[1], nodes)


def table(demand: Demand) -> str:
    """Return a table with rows for each engine, with and without tokens."""
    lines = [
        "| engine | clients bring | calls/s | processes | calls/s, all come back | processes | anycable-go nodes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for engine in ENGINES:
        for token in (False, True):
            one = need(demand, engine, token=token)
            brings = "a token" if token else "cookies"
            usual, storm = (
                f"{one.usual_calls:,.0f} | {one.usual_processes}",
                f"{one.storm_calls:,.0f} | {one.storm_processes}",
            )
            lines.append(f"| {engine} | {brings} | {usual} | {storm} | {one.nodes} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table for the numbers on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--clients", type=int, default=100_000)
    parser.add_argument("--messages", type=float, default=2_000, help="a second that reach the RPC")
    parser.add_argument("--session", type=float, default=600, help="seconds that a client stays")
    parser.add_argument("--subscriptions", type=int, default=1)
    parser.add_argument("--reconnect", type=float, default=60, help="seconds in which all must be back")
    parser.add_argument("--callback-ms", type=float, default=0, help="CPU milliseconds of your own code for a call")
    parser.add_argument("--headroom", type=float, default=0.5, help="how much of a core may be busy")
    parser.add_argument("--node-gb", type=float, default=8, help="memory of a node for connections")
    options = vars(parser.parse_args())
    callback = options.pop("callback_ms") / 1000
    if min(options.values()) <= 0 or callback < 0 or options["headroom"] > 1:
        parser.error("numbers must be above 0, and --headroom at most 1")
    sys.stdout.write(table(Demand(callback=callback, **options)) + "\n")


if __name__ == "__main__":
    main()
