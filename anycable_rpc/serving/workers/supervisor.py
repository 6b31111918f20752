"""The process above the workers: it starts, watches, replaces and ends them. It runs no call and loads no gRPC."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from multiprocessing.connection import wait
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, cast

from ...errors import AnyCableError, ConfigurationError
from ...observability.health import health_endpoint
from ..lines import stopping_line
from .process import Worker

if TYPE_CHECKING:
    from ...settings.model import Settings

__all__ = ["Statistics", "Supervisor"]

logger = logging.getLogger("anycable_rpc")

_MARGIN = 5.0  # seconds beyond the shutdown timeout before a worker is killed
_SUCCESSOR_GRACE = 2.0, 1.5
"""The time that a new worker serves before the next one is replaced: seconds, or a multiple of the time of its start.

The longer of the two counts: until then anycable-go has connected to the new worker.
"""

_END = (signal.SIGTERM, signal.SIGINT)
_REPLACE = getattr(signal, "SIGHUP", None)  # Windows has none


@dataclass(frozen=True, slots=True)
class Statistics:
    """The state of the workers. `next_step` is in how many seconds the supervisor acts by itself; None is never."""

    workers: int
    serving: int
    to_replace: int
    is_ending: bool
    next_step: float | None


class Supervisor:
    """The loop that watches the workers: their pipes, their ends, and the signals of this process."""

    def __init__(
        self, workers: Sequence[Worker], settings: Settings, say: Callable[[str], None], ready: Iterable[str]
    ) -> None:
        self._workers = workers
        self._settings = settings
        self._say = say
        self._ready = ready
        self._to_replace: deque[Worker] = deque()
        self._replaced: Worker | None = None
        self._next_at = inf  # when the next one may be replaced: not before all serve
        self._kill_at = inf
        self._ending = False

    def run(self) -> None:
        """Serve with all workers until a signal comes.

        Raises:
            AnyCableError: a worker could not start, or the system refused the port for health.
        """
        self._signals = _signals()
        try:
            with health_endpoint(self._settings.http_health_port, self.health, self._say):
                self.start()
                while not self._ending:
                    self._start_due()
                    self._replace_next()
                    self._step()
                self._end()
        finally:
            for worker in self._workers:
                worker.kill()

    def statistics(self) -> Statistics:
        """Return the state of the workers now."""
        serving = sum(worker.is_ready and not worker.is_stuck for worker in self._workers)
        seconds = self._seconds_until_next()
        return Statistics(len(self._workers), serving, len(self._to_replace), self._ending, seconds)

    def health(self) -> tuple[bool, str]:
        """Return whether calls are answered, and a line that says by how many workers."""
        now = self.statistics()
        return now.serving > 0 and not now.is_ending, f"{now.serving} of {now.workers} workers are serving"

    def start(self) -> None:
        """Start all workers and wait until each serves.

        Raises:
            AnyCableError: a worker has ended instead. Later on such a worker would be started again.
        """
        for worker in self._workers:
            worker.start()
        while not self._ending and not all(worker.is_ready for worker in self._workers):
            self._step()
            broken = next((worker for worker in self._workers if not worker.is_alive), None)
            if broken and not self._ending:
                reason = f"worker {broken.number} did not start: {broken.exit_reason()}"
                raise broken.error or ConfigurationError(reason)
        self._next_at = 0.0
        for line in () if self._ending else self._ready:
            self._say(line)

    def on_signal(self, number: int) -> None:
        """End the workers, end them at once, or replace them: as the signal says."""
        if number in _END and self._ending:
            self._end_at_once()
        elif number in _END:
            self._ending = True
            self._to_replace.clear()
        elif number == _REPLACE and not self._ending:
            self._say("Replacing the workers one at a time")
            self._to_replace = deque(self._workers)

    def _step(self) -> None:
        """Wait for the next event and handle it."""
        pipes = {worker.pipe: worker for worker in self._workers if worker.is_alive}
        for source in cast("list[Any]", wait([self._signals, *pipes], self._seconds_until_next())):
            if source is self._signals:
                self.on_signal(self._signals.recv(1)[0])
            else:
                self._read_pipe(pipes[source])
        if monotonic() >= self._kill_at:
            self._kill()

    def _seconds_until_next(self) -> float | None:
        """Return the seconds until there is something to do without an event; None is never."""
        due = [] if self._ending else [worker.due for worker in self._workers]
        if self._to_replace and not self._replaced:
            due.append(self._next_at)
        until = min(self._kill_at, *due) if due else self._kill_at
        return None if until == inf else max(0, until - monotonic())

    def _read_pipe(self, worker: Worker) -> None:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            self._on_exit(worker)
            return
        if isinstance(message, AnyCableError):
            worker.error = message
        elif isinstance(message, bool):  # its health
            worker.is_stuck = not message
        elif not worker.is_ready and not worker.is_draining:
            worker.is_ready = True
            self._say(f"Worker {worker.number}: {message}")

    def _on_exit(self, worker: Worker) -> None:
        was_expected = worker.is_draining or self._ending
        worker.record_exit()
        if was_expected:
            return
        pause, reason = max(0, worker.due - monotonic()), worker.exit_reason()
        logger.error("worker %d has ended (%s); the next one starts in %.1f s", worker.number, reason, pause)
        if worker is self._replaced and self._to_replace:
            self._to_replace.clear()
            logger.error("the other workers are not replaced: the new worker %d does not start", worker.number)

    def _start_due(self) -> None:
        for worker in self._workers:
            if worker.due <= monotonic():
                worker.start()

    def _replace_next(self) -> None:
        """Drain the next worker to replace, after anycable-go had time to connect to the last new one.

        A client that finds nobody on a port tries again after a second, then after 1.6 times as long, a fifth more or
        less (grpc-go's back-off). While it waits, the other workers must be there.
        """
        now = monotonic()
        if self._replaced and self._replaced.is_ready:
            least, times = _SUCCESSOR_GRACE
            self._next_at = now + max(least, times * (now - self._replaced.started))
            self._replaced, self._kill_at = None, inf
        while self._to_replace and not self._replaced and now >= self._next_at:
            worker = self._to_replace.popleft()
            if worker.is_ready:
                self._replaced = worker
                self._drain([worker])

    def _end(self) -> None:
        self._say(stopping_line(self._settings))
        self._drain(self._workers)
        while any(worker.is_alive for worker in self._workers):
            self._step()

    def _drain(self, workers: Sequence[Worker]) -> None:
        self._kill_at = monotonic() + self._settings.shutdown_timeout + _MARGIN
        for worker in workers:
            worker.drain()

    def _kill(self) -> None:
        """Kill the workers that did not end in time."""
        self._kill_at = inf
        for worker in self._workers:
            if worker.is_draining and worker.is_alive:
                logger.warning("worker %d did not end in time: it is killed", worker.number)
                worker.kill()

    def _end_at_once(self) -> NoReturn:
        for worker in self._workers:
            worker.kill()
        os._exit(1)


def _signals() -> socket.socket:
    """Return a socket that receives a byte for each signal that comes from now on."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    for number in (*_END, *([_REPLACE] if _REPLACE else ())):
        signal.signal(number, lambda number, frame: None)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    return reader
