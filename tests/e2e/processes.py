"""Programs under test. Their output is read as it arrives, and every wait has a deadline."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from ..support.paths import PROJECT

STARTUP = 30.0
SHUTDOWN = 20.0


class Program:
    """A running program. `lines` holds its output so far, of both streams together."""

    def __init__(self, command: Sequence[str], settings: Mapping[str, str], folder: Path = PROJECT) -> None:
        self.command = list(command)
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            self.command,
            cwd=folder,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: str, seconds: float = STARTUP) -> re.Match[str]:
        """Wait for the first line that has the pattern and return the match."""
        deadline = monotonic() + seconds
        with self._news:
            while True:
                for line in self.lines:
                    if found := re.search(pattern, line):
                        return found
                ended = self._process.poll() is not None and not self._reader.is_alive()
                if ended or not self._news.wait(deadline - monotonic()):
                    raise AssertionError(f"no line has {pattern!r} {self._story()}")

    def wait_until_it_listens(self, port: int, seconds: float = STARTUP) -> None:
        """Wait until the port accepts connections, for programs that announce the port too early."""
        deadline = monotonic() + seconds
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=seconds).close()
            except ConnectionRefusedError:
                if monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError(f"nothing listens on port {port} {self._story()}") from None
                sleep(0.02)
            else:
                return

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM, seconds: float = SHUTDOWN) -> int:
        """End the program by a signal and return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"did not end within {seconds:g} s {self._story()}") from None
        finally:
            self._reader.join()

    def expect_exit(self, expected: int, seconds: float) -> None:
        """Wait for the program to end by itself, with this exit code."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop(signal.SIGKILL)
            raise AssertionError(f"still ran after {seconds:g} s {self._story()}") from None
        self._reader.join()
        assert code == expected, f"exit code {code} {self._story()}"

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as stream:
            for line in stream:
                with self._news:
                    self.lines.append(line.rstrip("\n"))
                    self._news.notify_all()
        self._process.wait()
        with self._news:
            self._news.notify_all()

    def _story(self) -> str:
        code = self._process.poll()
        state = "running" if code is None else f"exit code {code}"
        return f"({' '.join(self.command)}; {state}). Its output:\n" + "\n".join(self.lines)


@contextmanager
def running(
    command: Sequence[str], settings: Mapping[str, str], folder: Path = PROJECT, *, ends_with: Sequence[int] = (0,)
) -> Generator[Program]:
    """Run a program, end it by SIGTERM, and assert that its exit code is one of `ends_with`."""
    program = Program(command, settings, folder)
    try:
        yield program
    except BaseException:
        program.stop(signal.SIGKILL)
        raise
    code = program.stop()
    assert code in ends_with, f"exit code {code} after SIGTERM; the output:\n" + "\n".join(program.lines)


def python(*arguments: str) -> list[str]:
    """Return the command that runs a module with this Python."""
    return [sys.executable, "-m", *arguments]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of this process with these settings, and no other ANYCABLE_* variable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANYCABLE_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **settings}


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
