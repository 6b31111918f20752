"""Threads for `def` callbacks: as few as the work allows.

Only one thread runs Python at a time. Thirty that want to hand it to each other at every turn, and do half as much as
two; but callbacks that wait for a database need as many threads as there are of them. So two are used until calls wait
while the processor is idle.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from time import monotonic, process_time, sleep

__all__ = ["Job", "Threads", "adjusted"]

logger = logging.getLogger("anycable_rpc")

Job = Callable[[], object]

_FEW = 2
_SHORT, _LONG = 0.005, 0.05  # seconds between looks at jobs that wait
_CALM = 30  # seconds without one until few threads are tried again
_BUSY = 0.8  # of a core, from which on one counts as busy
_CORES = max(2, os.cpu_count() or 2)


def adjusted(wanted: int, most: int, share: float) -> int:
    """How many threads to use, when jobs wait for `wanted` of them.

    Args:
        wanted: how many have been used.
        most: how many may be.
        share: of a core that the process has used. About one says that Python itself is the limit: fewer do better.
            Less says that callbacks wait, and as many as there are threads or cores that they compute in C: more may
            do better.
    """
    if _BUSY <= share < _BUSY * min(wanted, _CORES):
        return max(wanted - 1, min(_FEW, most))
    return min(wanted * 2, most)


class Threads:
    """Runs jobs on up to `most` threads, in the order in which they come."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._wanted = min(_FEW, most)
        self._started = 0
        self._busy = 0
        self._idle = 0
        self._is_watched = False
        self._is_closed = False
        self._jobs: deque[Job] = deque()
        self._wake_ups: SimpleQueue[None] = SimpleQueue()
        self._alarms: SimpleQueue[None] = SimpleQueue()
        self._lock = threading.Lock()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Run them, soon."""
        self._jobs.extend(jobs)
        if self._is_watched and self._busy >= self._wanted:  # whoever goes to rest now will see them
            return
        with self._lock:
            self._wake()
            if self._jobs and self._busy >= self._wanted and not self._is_watched:
                self._is_watched = True
                self._alarms.put(None)

    def close(self) -> None:
        """Let the threads end when nothing is left to do."""
        with self._lock:
            self._is_closed = True
            self._alarms.put(None)
            for _ in range(self._idle):
                self._wake_ups.put(None)

    def _wake(self) -> None:
        """As many more as are wanted and have something to do; with the lock."""
        for _ in range(min(len(self._jobs), self._wanted - self._busy)):
            self._busy += 1
            if self._idle:
                self._idle -= 1
                self._wake_ups.put(None)
            else:
                if not self._started:
                    self._start("watch", self._watch)
                self._started += 1
                self._start(str(self._started), self._work)

    def _start(self, name: str, function: Job) -> None:
        threading.Thread(target=function, name=f"anycable_rpc {name}", daemon=True).start()

    def _work(self) -> None:
        while True:
            job = self._next()
            if job is None:
                if not self._may_rest():
                    continue
                if self._is_closed:
                    return
                self._wake_ups.get()
                continue
            try:
                job()
            except BaseException:
                logger.exception("a call could not be answered")
            del job  # it would be kept until the next one comes

    def _next(self) -> Job | None:
        try:
            return self._jobs.popleft() if self._busy <= self._wanted else None
        except IndexError:
            return None

    def _may_rest(self) -> bool:
        with self._lock:
            self._busy -= 1
            if self._jobs and self._busy < self._wanted:
                self._busy += 1
                return False
            self._idle += 1
            return True

    def _watch(self) -> None:
        """Look after jobs that wait."""
        while not self._is_closed:
            try:
                self._alarms.get(timeout=_CALM)
            except Empty:
                self._wanted = min(_FEW, self._most)
                self._alarms.get()
            pause = _SHORT
            while self._is_watched and not self._is_closed:
                began, before = monotonic(), process_time()
                sleep(pause)
                has_changed = self._adjust((process_time() - before) / (monotonic() - began))
                pause = _SHORT if has_changed else min(pause * 2, _LONG)

    def _adjust(self, share: float) -> bool:
        with self._lock:
            self._is_watched = bool(self._jobs)
            if not self._is_watched:
                return False
            before, self._wanted = self._wanted, adjusted(self._wanted, self._most, share)
            self._wake()
            return self._wanted != before
