"""Calls over HTTP beside the engines, in turns: the same calls, with as many at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from anycable_rpc.settings.model import Settings

from .calls import write_calls
from .engines import COLUMNS, IN_FLIGHT, Sample, Say, command, load, row, tell
from .report import Goal, Report, Table
from .rounds import in_turns, ratio
from .servers import SECRET, Server, free_port, serving

__all__ = ["WEB_SERVERS", "run", "serving_web"]

GRPCIO, OWN_ASYNC = "grpcio, def", "asyncio engine, async def"
HTTPTOOLS, H11 = "HTTP: uvicorn with httptools, async def", "HTTP: uvicorn with h11, async def"
DEF, THREADS = "HTTP: uvicorn with httptools, def", "HTTP: gunicorn with 30 threads, def"
_UVICORN = ("uvicorn", "--no-access-log", "--log-level=error")
_GUNICORN = ("gunicorn", "--worker-class=gthread", "--threads=30", "--keep-alive=5", "--log-level=error")
WEB_SERVERS: Mapping[str, tuple[str, ...]] = {
    HTTPTOOLS: (*_UVICORN, "--http=httptools", "benchmarks.http_apps:asynchronous"),
    H11: (*_UVICORN, "--http=h11", "benchmarks.http_apps:asynchronous"),
    DEF: (*_UVICORN, "--http=httptools", "benchmarks.http_apps:plain"),
    THREADS: (*_GUNICORN, "benchmarks.http_apps:threaded"),
}
"""Web servers with one process each, and the app that each serves."""


@contextmanager
def serving_web(name: str) -> Generator[Server]:
    """Start a web server; its address is what anycable-go gets as `--rpc_host`."""
    port = free_port()
    program, *options = WEB_SERVERS[name]
    listen = [f"--bind=127.0.0.1:{port}"] if program == "gunicorn" else ["--host=127.0.0.1", f"--port={port}"]
    with serving([sys.executable, "-m", program, *listen, *options], {"ANYCABLE_SECRET": SECRET}, port) as server:
        server.address = f"http://{server.address}/_anycable"
        yield server


def run(report: Report, folder: Path, rounds: int, seconds: float, say: Say) -> None:
    """Measure web servers and both engines; a third of the calls are Connect, a third subscribe, a third message."""
    calls = write_calls(folder / "calls.json")
    key = Settings(secret=SECRET).keys.http_rpc or ""
    with ExitStack() as stack:
        loads: dict[str, Callable[[], Sample]] = {}
        for name in (GRPCIO, OWN_ASYNC):
            loads[name] = load(stack.enter_context(serving(command(name, calls))), calls, seconds)
        for name in WEB_SERVERS:
            loads[name] = load(stack.enter_context(serving_web(name)), calls, seconds, key=key)
        seen = in_turns(loads, rounds, partial(tell, say, "HTTP"))
    title = f"RPC over HTTP: {IN_FLIGHT} calls in flight, one process, {rounds} rounds of {seconds:g} s"
    note = (
        "Ratios are to grpcio. As in anycable-go, the caller keeps two connections and opens the others for each call."
    )
    report.tables.append(Table(title, COLUMNS, [row(name, seen[name], seen[GRPCIO]) for name in seen], note=note))
    value = ratio(seen[HTTPTOOLS], seen[GRPCIO], "rate")
    report.goals.append(Goal("calls over HTTP (uvicorn, async def) / our framework on grpcio, calls/s", 1, value))
