"""One worker: its place among the others, and what it does in a process of its own.

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

__all__ = ["Load", "Worker", "delay"]

Load = Callable[["Settings"], "Cable"]
"""Imports the app in a new process; a function of a module."""

_LONGEST_DELAY = 30.0  # seconds between two starts
_STEADY = 10.0  # seconds after which a worker has not ended at once


def delay(failures: int) -> float:
    """Seconds before a worker that has ended at once `failures` times in a row starts anew."""
    return min(_LONGEST_DELAY, 0.5 * 2 ** min(failures - 1, 10)) if failures else 0


@dataclass(slots=True, eq=False)
class Worker:
    """A port, and the process that listens there now; times are those of `monotonic`."""

    number: int
    load: Load
    settings: Settings
    is_ready: bool = False
    is_leaving: bool = False
    is_stuck: bool = False
    failures: int = 0
    due: float = inf
    error: AnyCableError | None = None
    news: Any = None
    started: float = field(init=False)
    process: SpawnProcess = field(init=False)

    def start(self) -> None:
        """Start a process; `news` brings the lines that it says, the error that it ends with, and its end."""
        pipe: tuple[Any, Any] = multiprocessing.Pipe(duplex=False)
        self.news, theirs = pipe
        self.process = multiprocessing.get_context("spawn").Process(
            target=_work,
            args=(self.number, self.load, self.settings, theirs),
            name=f"anycable_rpc worker {self.number}",
        )
        self.is_ready, self.is_leaving, self.due, self.error, self.started = False, False, inf, None, monotonic()
        self.is_stuck = False
        self.process.start()
        theirs.close()

    @property
    def is_alive(self) -> bool:
        """Whether there is a process whose end we have not heard of."""
        return self.news is not None and not self.news.closed

    def leave(self) -> None:
        """Let calls end, and then the process. Once: the second signal would cut them."""
        if self.is_alive and not self.is_leaving:
            self.is_leaving, self.is_ready = True, False
            self.process.terminate()

    def kill(self) -> None:
        """End it now."""
        if self.is_alive:
            self.process.kill()

    def ended(self) -> None:
        """Note that it has, and when the next one is due."""
        self.process.kill()  # one that has only closed its pipe
        self.process.join()
        self.news.close()
        self.is_ready = False
        steady = self.is_leaving or monotonic() - self.started > _STEADY
        self.failures = 0 if steady else self.failures + 1
        self.due = monotonic() + delay(self.failures)

    def why(self) -> str:
        """What is known about the end."""
        code = self.process.exitcode or 0
        return str(self.error or (f"signal {-code}" if code < 0 else f"exit code {code}"))


def _work(number: int, load: Load, settings: Settings, news: Any) -> None:
    """What a worker does."""
    if settings.worker_cpu_affinity:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[(number - 1) % len(cores)]})  # and all threads that come from this one
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # a terminal's Ctrl-C is for the supervisor, which lets us end then
    threading.Thread(target=_end_with_parent, name="anycable_rpc parent", daemon=True).start()

    def tell(said: object) -> None:
        with suppress(OSError):  # nobody listens any more
            news.send(said)

    for name in ("anycable_rpc", "grpc"):
        logging.getLogger(name).addFilter(_Numbered(number))

    from ..server import serve  # not in the supervisor: it needs no gRPC

    try:
        serve(load(settings), settings, tell, tell)
    except AnyCableError as error:
        kind = BindError if isinstance(error, BindError) else ConfigurationError
        tell(kind(str(error)))
        sys.exit(1)


class _Numbered(logging.Filter):
    """Says in each line which worker wrote it, whoever has set up the log."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every line through."""
        record.msg = f"worker {self._number}: {record.msg}"
        return True


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
