"""A worker: the port that it has, the process that listens there, and the work of that process.

Workers are spawned, never forked: gRPC does not survive a fork.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from time import monotonic
from typing import TYPE_CHECKING, Any

from ...errors import AnyCableError, BindError, ConfigurationError

if TYPE_CHECKING:
    from ...cable import Cable
    from ...settings.model import Settings

__all__ = ["Load", "Worker", "restart_delay"]

Load = Callable[["Settings"], "Cable"]
"""A function of a module that imports the app in a new process."""

_LONGEST_DELAY = 30.0  # seconds between two starts
_STEADY = 10.0  # seconds that a process must last to count as one that has started well


def restart_delay(failures: int) -> float:
    """Return the seconds to wait before a start that follows `failures` processes in a row that ended at once."""
    return min(_LONGEST_DELAY, 0.5 * 2 ** min(failures - 1, 10)) if failures else 0


@dataclass(slots=True, eq=False)
class Worker:
    """A port, and the process that listens there now.

    `is_ready`: it accepts calls. `is_draining`: it was told to end. `is_stuck`: its health is NOT_SERVING.
    `due` and `started` are times of `monotonic`: when the next process starts, and when the last one did.
    """

    number: int
    load: Load
    settings: Settings
    is_ready: bool = False
    is_draining: bool = False
    is_stuck: bool = False
    failures: int = 0
    due: float = inf
    error: AnyCableError | None = None
    pipe: Any = None
    started: float = field(init=False)
    process: SpawnProcess = field(init=False)

    def start(self) -> None:
        """Start a process. `pipe` brings its lines, its health, the error that it ends with, and its end."""
        ends: tuple[Any, Any] = multiprocessing.Pipe(duplex=False)
        self.pipe, theirs = ends
        self.process = multiprocessing.get_context("spawn").Process(
            target=_work,
            args=(self.number, self.load, self.settings, theirs),
            name=f"anycable_rpc worker {self.number}",
        )
        self.is_ready = self.is_draining = self.is_stuck = False
        self.due, self.error, self.started = inf, None, monotonic()
        self.process.start()
        theirs.close()

    @property
    def is_alive(self) -> bool:
        """Return whether there is a process whose exit was not recorded yet."""
        return self.pipe is not None and not self.pipe.closed

    def drain(self) -> None:
        """Let the calls under way end, and then the process."""
        if self.is_alive and not self.is_draining:  # a second signal would cut the calls
            self.is_draining, self.is_ready = True, False
            self.process.terminate()

    def kill(self) -> None:
        """End the process now."""
        if self.is_alive:
            self.process.kill()

    def record_exit(self) -> None:
        """Note that the process has ended, and when the next one is due."""
        self.process.kill()  # it may have closed its pipe only
        self.process.join()
        self.pipe.close()
        self.is_ready = False
        steady = self.is_draining or monotonic() - self.started > _STEADY
        self.failures = 0 if steady else self.failures + 1
        self.due = monotonic() + restart_delay(self.failures)

    def exit_reason(self) -> str:
        """Return the error that the process told, else its signal or exit code."""
        code = self.process.exitcode or 0
        return str(self.error or (f"signal {-code}" if code < 0 else f"exit code {code}"))


def _work(number: int, load: Load, settings: Settings, pipe: Any) -> None:
    """Serve in this new process until a signal comes."""
    if settings.worker_cpu_affinity:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[(number - 1) % len(cores)]})  # and all threads that come from this one
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # a terminal's Ctrl-C is for the supervisor, which lets us end then
    threading.Thread(target=_end_with_parent, name="anycable_rpc parent", daemon=True).start()

    def tell(message: object) -> None:
        with suppress(OSError):  # the supervisor is gone
            pipe.send(message)

    for name in ("anycable_rpc", "grpc"):
        logging.getLogger(name).addFilter(_Numbered(number))

    from ..server import serve  # not above: the supervisor needs no gRPC
    from ..signals import exit_if_stuck, stop_on_signals

    try:
        cable = load(settings)
        exit_if_stuck(serve(cable, tell, stop_on_signals(settings.shutdown_timeout), tell))
    except AnyCableError as error:
        kind = BindError if isinstance(error, BindError) else ConfigurationError
        tell(kind(str(error)))
        sys.exit(1)


class _Numbered(logging.Filter):
    """A log filter that puts the number of the worker in front of each line, whoever has set up the log."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = f"worker {self._number}: {record.msg}"
        return True


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
