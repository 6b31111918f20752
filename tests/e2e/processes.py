"""Programs under test: their output is read as it comes, and every wait has a deadline."""

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
    """A running program. `lines` is what it has said so far, both its streams together."""

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
        """The first line that the pattern is found in."""
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
        """For programs that say that they listen before they do."""
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
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM, seconds: float = SHUTDOWN) -> int:
        """End it by a signal; the answer is its exit code."""
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
        """Wait for it to end by itself, with this exit code."""
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
        return f"({' '.join(self.command)}; {state}). It said:\n" + "\n".join(self.lines)


@contextmanager
def running(
    command: Sequence[str], settings: Mapping[str, str], folder: Path = PROJECT, *, ends_with: Sequence[int] = (0,)
) -> Generator[Program]:
    """A program that is ended by SIGTERM, and then has one of these exit codes."""
    program = Program(command, settings, folder)
    try:
        yield program
    except BaseException:
        program.stop(signal.SIGKILL)
        raise
    code = program.stop()
    assert code in ends_with, f"exit code {code} after SIGTERM; it said:\n" + "\n".join(program.lines)


def python(*arguments: str) -> list[str]:
    """This Python, with a module."""
    return [sys.executable, "-m", *arguments]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment, with these settings and no others of AnyCable's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANYCABLE_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **settings}


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
