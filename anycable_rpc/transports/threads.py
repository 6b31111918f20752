"""Threads for `def` callbacks: as few as the work allows.

Only one thread runs Python at a time. Thirty that want to hand it to each other at every turn, and do half as much as
two; but callbacks that wait for a database need as many threads as there are of them. So two are used until calls wait
while the processor is idle.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

__all__ = ["Job", "Threads", "next_size"]

logger = logging.getLogger("anycable_rpc")

Job = Callable[[], object]

_FEW = 2
_SHORT, _LONG = 0.005, 0.05  # seconds between looks at jobs that wait
_SHRINK_AFTER = 30  # seconds without one until few threads are tried again
_BUSY = 0.8  # of a core, from which on one counts as busy
_OURS = 0.2  # of a core that these threads must use for it to be they who are busy
_CORES = max(2, os.cpu_count() or 2)


def next_size(wanted: int, most: int, share: float) -> int:
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
        self._target = min(_FEW, most)
        self._started = 0
        self._busy = 0
        self._idle = 0
        self._taken = 0
        self._is_watched = False
        self._is_closed = False
        self._jobs: deque[Job] = deque()
        self._clocks: list[int] = []
        self._wake_ups: SimpleQueue[None] = SimpleQueue()
        self._alarms: SimpleQueue[None] = SimpleQueue()
        self._lock = threading.Lock()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Run them, soon."""
        self._jobs.extend(jobs)
        if self._is_watched and self._busy >= self._target:  # whoever goes to rest or looks now will see them
            return
        with self._lock:
            self._wake()
            if self._jobs and self._busy >= self._target and not self._is_watched:
                self._is_watched = True
                self._alarms.put(None)

    def close(self) -> None:
        """Let the threads end when nothing is left to do."""
        with self._lock:
            self._is_closed = True
            self._alarms.put(None)
            for _ in range(self._idle):
                self._wake_ups.put(None)
            self._busy, self._idle = self._busy + self._idle, 0

    def _wake(self) -> None:
        """As many more as are wanted and have something to do; with the lock."""
        for _ in range(min(len(self._jobs), self._target - self._busy)):
            if self._idle:
                self._idle -= 1
                self._wake_ups.put(None)
            elif not self._start():
                return
            self._busy += 1

    def _start(self) -> bool:
        """Whether the system lets another thread be."""
        try:
            if not self._started:
                threading.Thread(target=self._watch, name="anycable_rpc watch", daemon=True).start()
            self._started += 1
            threading.Thread(target=self._work, name=f"anycable_rpc {self._started}", daemon=True).start()
        except RuntimeError as error:
            logger.error("calls have to wait: %s", error)
            return False
        return True

    def _work(self) -> None:
        if hasattr(time, "pthread_getcpuclockid"):
            self._clocks.append(time.pthread_getcpuclockid(threading.get_ident()))
        while True:
            job = self._next()
            if job is None:
                if not self._may_rest():
                    continue
                if self._is_closed:
                    return
                self._wake_ups.get()
                continue
            self._taken += 1
            try:
                job()
            except BaseException:
                logger.exception("a call could not be answered")
            del job  # it would be kept until the next one comes

    def _next(self) -> Job | None:
        try:
            return self._jobs.popleft() if self._busy <= self._target else None
        except IndexError:
            return None

    def _may_rest(self) -> bool:
        with self._lock:
            self._busy -= 1
            if self._jobs and self._busy < self._target:
                self._busy += 1
                return False
            self._idle += 1
            return True

    def _watch(self) -> None:
        """Look after jobs that wait."""
        while not self._is_closed:
            try:
                self._alarms.get(timeout=_SHRINK_AFTER)
            except Empty:
                if not self._calm_down():
                    continue
                self._alarms.get()
            pause = _SHORT
            while self._is_watched and not self._is_closed:
                began, taken, process, own = time.perf_counter(), self._taken, time.process_time(), self._used()
                time.sleep(pause)
                passed = max(time.perf_counter() - began, 0.001)
                share, ours = (time.process_time() - process) / passed, (self._used() - own) / passed
                is_stuck = self._taken == taken or (bool(self._clocks) and ours < _OURS)
                has_changed = self._adjust(0 if is_stuck else share)
                pause = _SHORT if has_changed else min(pause * 2, _LONG)

    def _calm_down(self) -> bool:
        """Use few threads again, unless some job waits just now."""
        with self._lock:
            if not self._jobs:
                self._target = min(_FEW, self._most)
            return not self._jobs

    def _used(self) -> float:
        """Seconds of CPU time of these threads, where the system tells."""
        try:
            return sum(time.clock_gettime(clock) for clock in self._clocks)
        except OSError:  # one of them has ended
            return 0

    def _adjust(self, share: float) -> bool:
        with self._lock:
            self._is_watched = False  # before the look: see submit
            if not self._jobs:
                return False
            self._is_watched = True
            before, self._target = self._target, next_size(self._target, self._most, share)
            self._wake()
            return self._target != before
