"""The process above the workers: starts, watches, replaces and ends them; it runs no call and loads no gRPC."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from math import inf
from multiprocessing.connection import wait
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, cast

from ...errors import AnyCableError, ConfigurationError
from ...observability.health import answering
from .process import Worker

if TYPE_CHECKING:
    from ...settings.model import Settings

__all__ = ["Supervisor"]

logger = logging.getLogger("anycable_rpc")

_MARGIN = 5.0  # seconds beyond the shutdown timeout before a worker is killed
_SETTLING = 2.0, 1.5  # seconds that a successor serves, or times what its start took: anycable-go is back by then
_END = (signal.SIGTERM, signal.SIGINT)
_REPLACE = getattr(signal, "SIGHUP", None)  # Windows has none


class Supervisor:
    """Watches the workers in one loop: what they say, when they end, and the signals of this process."""

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
        """Serve until a signal.

        Raises:
            AnyCableError: a worker could not start, or the system refused the port for health.
        """
        self._signals = _signals()
        try:
            with answering(self._settings.http_health_port, self.health, self._say):
                self._start()
                while not self._ending:
                    self._start_due()
                    self._replace_next()
                    self._step()
                self._end()
        finally:
            for worker in self._workers:
                worker.kill()

    def health(self) -> tuple[bool, str]:
        """Whether calls are answered, and by how many workers."""
        ready = sum(worker.is_ready and not worker.is_stuck for worker in self._workers)
        return ready > 0 and not self._ending, f"{ready} of {len(self._workers)} workers are serving"

    def _start(self) -> None:
        """Start all; at this point one that cannot start is an error of whoever starts us."""
        for worker in self._workers:
            worker.start()
        while not self._ending and not all(worker.is_ready for worker in self._workers):
            self._step()
            broken = next((worker for worker in self._workers if not worker.is_alive), None)
            if broken and not self._ending:
                raise broken.error or ConfigurationError(f"worker {broken.number} did not start: {broken.why()}")
        self._next_at = 0.0
        for line in () if self._ending else self._ready:
            self._say(line)

    def _step(self) -> None:
        """Wait for what happens next, and take note of it."""
        news = {worker.news: worker for worker in self._workers if worker.is_alive}
        for source in cast("list[Any]", wait([self._signals, *news], self._patience())):
            if source is self._signals:
                self._take_signal(self._signals.recv(1)[0])
            else:
                self._hear(news[source])
        if monotonic() >= self._kill_at:
            self._kill()

    def _patience(self) -> float | None:
        """Seconds until there is something to do."""
        due = [] if self._ending else [worker.due for worker in self._workers]
        if self._to_replace and not self._replaced:
            due.append(self._next_at)
        until = min(self._kill_at, *due) if due else self._kill_at
        return None if until == inf else max(0, until - monotonic())

    def _take_signal(self, number: int) -> None:
        if number in _END and self._ending:
            self._end_at_once()
        elif number in _END:
            self._ending = True
            self._to_replace.clear()
        elif number == _REPLACE and not self._ending:
            self._say("Replacing the workers one at a time")
            self._to_replace = deque(self._workers)

    def _hear(self, worker: Worker) -> None:
        try:
            said = worker.news.recv()
        except (EOFError, OSError):
            self._take_end(worker)
            return
        if isinstance(said, AnyCableError):
            worker.error = said
        elif isinstance(said, bool):  # its health
            worker.is_stuck = not said
        elif not worker.is_ready and not worker.is_leaving:
            worker.is_ready = True
            self._say(f"Worker {worker.number}: {said}")

    def _take_end(self, worker: Worker) -> None:
        was_expected = worker.is_leaving or self._ending
        worker.ended()
        if was_expected:
            return
        pause = max(0, worker.due - monotonic())
        logger.error("worker %d has ended (%s); the next one starts in %.1f s", worker.number, worker.why(), pause)
        if worker is self._replaced and self._to_replace:
            self._to_replace.clear()
            logger.error("the other workers are not replaced: the new worker %d does not start", worker.number)

    def _start_due(self) -> None:
        for worker in self._workers:
            if worker.due <= monotonic():
                worker.start()

    def _replace_next(self) -> None:
        """The next one leaves when the one before has a successor that anycable-go has connected to.

        Who finds nobody on a port comes again after a second, then after 1.6 times as long, a fifth more or less
        (grpc-go's back-off): while it waits, the others must be there.
        """
        now = monotonic()
        if self._replaced and self._replaced.is_ready:
            least, times = _SETTLING
            self._next_at = now + max(least, times * (now - self._replaced.started))
            self._replaced, self._kill_at = None, inf
        while self._to_replace and not self._replaced and now >= self._next_at:
            worker = self._to_replace.popleft()
            if worker.is_ready:
                self._replaced = worker
                self._let_end([worker])

    def _end(self) -> None:
        timeout = self._settings.shutdown_timeout
        self._say(f"Stopping: calls under way have {timeout:g} s to end; a second signal ends them now")
        self._let_end(self._workers)
        while any(worker.is_alive for worker in self._workers):
            self._step()

    def _let_end(self, workers: Sequence[Worker]) -> None:
        self._kill_at = monotonic() + self._settings.shutdown_timeout + _MARGIN
        for worker in workers:
            worker.leave()

    def _kill(self) -> None:
        """Those that should have ended."""
        self._kill_at = inf
        for worker in self._workers:
            if worker.is_leaving and worker.is_alive:
                logger.warning("worker %d did not end in time: it is killed", worker.number)
                worker.kill()

    def _end_at_once(self) -> NoReturn:
        for worker in self._workers:
            worker.kill()
        os._exit(1)


def _signals() -> socket.socket:
    """Has a byte for each signal that comes from now on."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    for number in (*_END, *([_REPLACE] if _REPLACE else ())):
        signal.signal(number, lambda number, frame: None)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    return reader
