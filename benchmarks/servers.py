"""Programs under measurement: start them, read their CPU time and memory, end them."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil

__all__ = [
    "GO",
    "LISTENING",
    "SEVERAL",
    "Missing",
    "Server",
    "anycable_go",
    "conversation",
    "free_port",
    "go_program",
    "installed",
    "nats_server",
    "ours",
    "output",
    "redis_server",
    "serving",
    "without",
]

ROOT = Path(__file__).parents[1]
GO = Path(__file__).parent / "go"
SECRET = "a secret for measuring, of 32 bytes"
PATIENCE = 30.0  # seconds
LISTENING = r"listening on (\S+:\d+)"
SEVERAL = r"grpc-list://(\S+)"


class Missing(Exception):
    """A program is not installed; the message says how to get it."""


class Server:
    """A running server and its address; `seconds` is the time from its start until it listened."""

    def __init__(self, process: subprocess.Popen[str], address: str, seconds: float) -> None:
        self.address = address
        self.seconds = seconds
        self._tree = psutil.Process(process.pid)

    def cpu(self) -> float:
        """Return the CPU seconds so far, user and system, of the process and its children."""
        times = [process.cpu_times() for process in (self._tree, *self._tree.children(recursive=True))]
        return sum(time.user + time.system for time in times)

    def megabytes(self) -> float:
        """Return the resident memory of the process and its children, in MiB."""
        tree = (self._tree, *self._tree.children(recursive=True))
        return sum(process.memory_info().rss for process in tree) / 2**20


def ours(app: str, engine: str, *options: str) -> list[str]:
    """Return the command of an RPC server on a free port."""
    place = f"--rpc-host=127.0.0.1:{free_port()}"
    return [sys.executable, "-m", "anycable_rpc", f"benchmarks.apps:{app}", f"--rpc-engine={engine}", place, *options]


def without(module: str, command: Sequence[str]) -> list[str]:
    """Return a command of `ours` that runs as if this module were not installed."""
    python, _, program, *rest = command
    hidden = f"import runpy, sys; sys.modules[{module!r}] = None; runpy.run_module({program!r}, None, '__main__', True)"
    return [python, "-c", hidden, *rest]


@contextmanager
def serving(
    command: Sequence[str], settings: Mapping[str, str] | None = None, port: int = 0, pattern: str = LISTENING
) -> Generator[Server]:
    """Start a program, wait until it prints its address (`pattern`) or listens at `port`; kill it at the end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ANYCABLE_")}
    began = monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**clean, "PYTHONUNBUFFERED": "1", **(settings or {})},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            address = _connected(port) if port else _printed(process, pattern, errors)
            yield Server(process, address, monotonic() - began)
        finally:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            process.communicate()


def _printed(process: subprocess.Popen[str], pattern: str, errors: Any) -> str:
    lines: list[str] = []
    for line in process.stdout or ():
        lines.append(line)
        if found := re.search(pattern, line):
            return found[1]
    errors.seek(0)
    raise RuntimeError(f"a server did not start:\n{''.join(lines)}{errors.read()}")


def _connected(port: int) -> str:
    deadline = monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if monotonic() > deadline:
                raise
            sleep(0.02)
        else:
            return f"127.0.0.1:{port}"


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def output(command: Sequence[str]) -> dict[str, Any]:
    """Run a Go program and return the JSON that it prints.

    Raises:
        RuntimeError: the program failed, or one of its calls.
    """
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if printed.get("first_error"):
        raise RuntimeError(f"{' '.join(command)}: {printed['first_error']}")
    return printed


@contextmanager
def conversation(command: Sequence[str]) -> Generator[Callable[[str], dict[str, Any]]]:
    """Start a Go program that obeys orders, and yield a function that gives an order and returns the answer."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(order: str) -> dict[str, Any]:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("there are no pipes")
            process.stdin.write(f"{order}\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{' '.join(command)} has ended at {order!r}")
            answer: dict[str, Any] = json.loads(line)
            return answer

        try:
            yield ask
            process.communicate(timeout=PATIENCE)
        finally:
            process.kill()


@cache
def go_program() -> str:
    """Build the load generator and return its path.

    Raises:
        Missing: Go is not installed, or cannot build it.
    """
    go = shutil.which("go")
    if go is None:
        raise Missing("Go is not on PATH: install Go 1.25 or later (https://go.dev/dl/)")
    built = subprocess.run([go, "build", "-o", "bin/bench", "."], cwd=GO, capture_output=True, text=True)
    if built.returncode:
        raise Missing(f"benchmarks/go cannot be built: {built.stderr.strip()}")
    return str(GO / "bin" / "bench")


def anycable_go() -> str:
    """Return the path of anycable-go.

    Raises:
        Missing: anycable-go is not installed.
    """
    path = os.environ.get("ANYCABLE_GO_BIN") or shutil.which("anycable-go")
    if not path:
        raise Missing("anycable-go is neither on PATH nor named by ANYCABLE_GO_BIN")
    return path


def redis_server() -> str:
    """Return the path of redis-server.

    Raises:
        Missing: Redis is not installed.
    """
    return _program("redis-server", "apt-get install redis-server, brew install redis")


def nats_server() -> str:
    """Return the path of nats-server.

    Raises:
        Missing: NATS is not installed.
    """
    return _program("nats-server", "apt-get install nats-server, brew install nats-server")


def _program(name: str, advice: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    if path is None:
        raise Missing(f"{name} is not on PATH: {advice}")
    return path


def installed(*packages: str, advice: str) -> None:
    """Check that Python packages can be imported.

    Raises:
        Missing: one of them is not installed.
    """
    for name in packages:
        if find_spec(name) is None:
            raise Missing(f"{name} is not installed: {advice}")
