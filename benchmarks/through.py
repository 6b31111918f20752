"""End to end through a real anycable-go: clients connect, subscribe and send a message, with and without a token."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from anycable_rpc.settings.model import Settings

from . import apps
from .calls import COOKIE, IDENTIFIER, MESSAGE, write_calls
from .over_http import HTTPTOOLS, THREADS, serving_web
from .report import Goal, Report, Table
from .rounds import in_turns, number, ratio, spread
from .servers import SECRET, Missing, Server, anycable_go, free_port, go_program, ours, output, serving

__all__ = ["run"]

ASYNC = "asyncio engine, async def"
BACKENDS = {
    "grpcio, def": ("plain", "grpcio"),
    ASYNC: ("asynchronous", "asyncio"),
    "asyncio engine, def": ("plain", "asyncio"),
}
TOKEN = "with a token (no RPC)"
BARE_GO = "bare Go"
WEB = (HTTPTOOLS, THREADS)
WHAT = "through anycable-go: connects/s without a token / with one, own engine"


def run(report: Report, folder: Path, rounds: int, clients: int, say: Callable[[str], object]) -> None:
    """Measure a crowd of clients that connect, subscribe and send a message each."""
    try:
        path = anycable_go()
    except Missing as missing:
        report.goals.append(Goal(WHAT, 0.8, note=str(missing)))
        return
    with ExitStack() as stack:
        crowds: dict[str, Callable[[], Mapping[str, Any]]] = {}
        servers = {name: ours(app, engine) for name, (app, engine) in BACKENDS.items()}
        servers[BARE_GO] = [go_program(), "serve", "--calls", str(write_calls(folder / "calls.json"))]
        for name in (*servers, *WEB):
            rpc = stack.enter_context(serving_web(name) if name in WEB else serving(servers[name]))
            port = free_port()
            command = [path, f"--port={port}", "--host=127.0.0.1", f"--rpc_host={rpc.address}"]
            command += ["--broadcast_adapter=http", "--log_level=error"]
            settings = {"ANYCABLE_DISABLE_TELEMETRY": "true", "ANYCABLE_SECRET": SECRET}
            go = stack.enter_context(serving(command, settings, port=port))
            crowds[name] = _crowd(folder, clients, go, rpc)
            if name == ASYNC:
                crowds[TOKEN] = _crowd(folder, clients, go, rpc, token=True)
        seen = in_turns(crowds, rounds, lambda text: say(f"through anycable-go, {text}"))
    _report(report, seen, rounds, clients)


def _crowd(folder: Path, clients: int, go: Server, rpc: Server, token: bool = False) -> Callable[[], Mapping[str, Any]]:
    subscribe, message = folder / "subscribe.json", folder / "message-frame.json"
    subscribe.write_text(json.dumps({"command": "subscribe", "identifier": IDENTIFIER}))
    message.write_text(json.dumps({"command": "message", "identifier": IDENTIFIER, "data": MESSAGE}))
    url = f"ws://{go.address}/cable"
    if token:
        apps.plain.settings = Settings(secret=SECRET)
        url += f"?jid={apps.plain.token(user_id='42')}"
    command = [go_program(), "crowd", "--url", url, "--clients", str(clients), "--cookie", COOKIE]
    command += ["--subscribe", str(subscribe), "--message", str(message)]

    def crowd() -> Mapping[str, Any]:
        before = rpc.cpu(), go.cpu()
        printed = output(command)
        rates = {step: printed[step]["rate"] for step in ("connect", "subscribe", "message")}
        return {**rates, "p99": printed["connect"]["p99_ms"], "rpc": rpc.cpu() - before[0], "go": go.cpu() - before[1]}

    return crowd


def _report(report: Report, seen: dict[str, list[Mapping[str, Any]]], rounds: int, clients: int) -> None:
    rows = [
        [
            name,
            str(spread([one["connect"] for one in samples])),
            str(ratio(samples, seen[TOKEN], "connect")),
            *[
                number(spread([one[what] for one in samples]).middle)
                for what in ("p99", "subscribe", "message", "rpc", "go")
            ],
        ]
        for name, samples in seen.items()
    ]
    columns = [
        "",
        "connects/s",
        "/ with a token",
        "p99 ms",
        "subscribes/s",
        "messages/s",
        "CPU s of the RPC server",
        "of anycable-go",
    ]
    title = f"Through anycable-go: {clients} clients, 200 dialling at a time, {rounds} rounds"
    note = "CPU seconds are for all clients to connect, subscribe and send a message."
    report.tables.append(Table(title, columns, rows, note=note))
    bare = ratio(seen[BARE_GO], seen[TOKEN], "connect")
    report.goals.append(Goal(WHAT, 0.8, ratio(seen[ASYNC], seen[TOKEN], "connect"), note=f"with bare Go: {bare}"))
