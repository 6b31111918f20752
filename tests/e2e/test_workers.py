"""Several workers behind a real anycable-go: the load is even, and replacing a worker turns no client away."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import pytest

from .client import Client
from .processes import Program, free_port, python, running
from .servers import anycable_go_version, running_anycable_go

WORKERS = 3
CALLS = 300
APP = """
import os
from anycable_rpc import Cable, Connection

class Told(Connection):
    def connect(self):
        self.transmit({"type": "pid", "pid": os.getpid()})

cable = Cable(Told)
"""


@pytest.fixture(params=["grpcio", "asyncio"])
def workers(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Program]:
    (tmp_path / "app.py").write_text(APP)
    options = ["app:cable", f"--workers={WORKERS}", f"--rpc-engine={request.param}", "--rpc-host=127.0.0.1:0"]
    with running(python("anycable_rpc", *options), {}, tmp_path) as program:
        program.wait_for("^ANYCABLE_RPC_HOST=")
        yield program


@pytest.fixture
def socket(workers: Program, anycable_go_binary: str) -> Iterator[str]:
    """The WebSocket of an anycable-go that knows the workers from the line that they print at the start."""
    if anycable_go_version() < (1, 6):
        pytest.skip("grpc-list:// is for anycable-go 1.6 and later: set ANYCABLE_GO_BIN to one")
    rpc_host = workers.wait_for(r"^ANYCABLE_RPC_HOST=(\S+)$")[1]
    server = f"127.0.0.1:{free_port()}"
    with running_anycable_go(server, rpc_host, ANYCABLE_DISCONNECT_MODE="never"):  # Connect is all that is counted
        yield f"ws://{server}/cable"


def test_the_load_is_even(socket: str) -> None:
    deadline = monotonic() + 30
    known = {connected(socket)}
    while len(known) < WORKERS and monotonic() < deadline:  # not all of its connections are there at once
        known.add(connected(socket))

    counts = Counter(connected(socket) for _ in range(CALLS))

    assert len(counts) == WORKERS
    assert max(counts.values()) - CALLS / WORKERS <= CALLS / WORKERS * 0.1
    assert CALLS / WORKERS - min(counts.values()) <= CALLS / WORKERS * 0.1


@pytest.mark.parametrize("way", ["HUP", "KILL"])
def test_nobody_is_turned_away_while_workers_are_replaced(workers: Program, socket: str, way: str) -> None:
    old = Counter(connected(socket) for _ in range(4 * WORKERS)).keys()
    with ThreadPoolExecutor(4) as pool:
        if way == "HUP":
            workers.send(signal.SIGHUP)
        else:
            os.kill(next(iter(old)), signal.SIGKILL)
        wanted, new = WORKERS if way == "HUP" else 1, set[int]()
        deadline = monotonic() + 30
        while len(new) < wanted and monotonic() < deadline:
            new |= {*pool.map(connected, [socket] * 8)} - {*old}

    assert len(new) == wanted


def connected(socket: str) -> int:
    """Connect a client and return the id of the process that let it in."""
    with Client(socket) as client:
        return int(client.wait_for_type("pid")["pid"])
