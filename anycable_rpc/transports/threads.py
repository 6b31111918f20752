"""A thread pool for `def` callbacks that uses as few threads as the work allows.

Only one thread runs Python at a time, because of the GIL. Thirty busy threads hand it to each other at every turn, and
together do half as much as two. But callbacks that wait for a database need a thread each. So the pool starts with two
threads, and a watcher changes their number. It looks while jobs wait, after 5 ms at first and then up to every 50 ms:

    jobs wait?  CPU time used since the last look               so the threads        the pool
    no          -                                               are enough            stays; after 30 s uses two again
    yes         no job was started, or < 0.2 by the pool        all wait              doubles
    yes         the process used < 0.8 of a core                wait for I/O          doubles
    yes         the process used >= 0.8 of a core               compete for the GIL   loses one thread
    yes         >= 0.8 of a core per thread (or of all cores)   compute without it    doubles
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple

__all__ = ["Job", "ThreadStatistics", "Threads", "next_size"]

logger = logging.getLogger("anycable_rpc")

Job = Callable[[], object]

_FEW = 2
_FIRST_CHECK, _LAST_CHECK = 0.005, 0.05  # seconds between two looks while jobs wait: each look waits twice as long
_SHRINK_AFTER = 30  # seconds without a waiting job until two threads are used again
_BUSY = 0.8  # the share of a core from which on it counts as busy
_OWN_SHARE = 0.2  # of a core: below that, other threads of the process are busy, and those of the pool wait
_CORES = max(2, os.cpu_count() or 2)


def next_size(target: int, limit: int, share: float) -> int:
    """Return how many threads to use, given that jobs wait for the `target` threads used so far.

    Args:
        target: how many threads were used.
        limit: how many may be used.
        share: the CPU time of the process since the last look, in cores. Near 1.0 the GIL is the bottleneck: use fewer
            threads. Below that, callbacks are blocked: use more. One core per thread (or all cores) means that
            callbacks compute in C without the GIL: more may still help.
    """
    if _BUSY <= share < _BUSY * min(target, _CORES):
        return max(target - 1, min(_FEW, limit))
    return min(target * 2, limit)


class ThreadStatistics(NamedTuple):
    """The number of threads in use (`target`), of busy and of idle ones, and of jobs that wait for a thread."""

    target: int
    busy: int
    idle: int
    waiting: int


class Threads:
    """Run jobs on up to `limit` threads, in the order in which they come."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._is_closed = False
        # the jobs
        self._jobs: deque[Job] = deque()
        self._started_jobs = 0
        # the threads: `_target` is how many may run jobs now; each one is busy, or idle until `_wake_ups` has an item
        self._target = min(_FEW, limit)
        self._started = 0
        self._busy = 0
        self._idle = 0
        self._wake_ups: SimpleQueue[None] = SimpleQueue()
        self._clocks: list[int] = []  # of their CPU time, where the system has such clocks
        # the watcher: it sleeps until `_alarms` has an item
        self._is_watched = False
        self._alarms: SimpleQueue[None] = SimpleQueue()

    def statistics(self) -> ThreadStatistics:
        """Return the numbers of this moment. No lock is taken, so they may not quite fit together."""
        return ThreadStatistics(self._target, self._busy, self._idle, len(self._jobs))

    def submit(self, jobs: Sequence[Job]) -> None:
        """Run jobs as soon as threads are free."""
        self._jobs.extend(jobs)
        # Fast path under load, without the lock: all threads are busy and the watcher is awake. None of these jobs is
        # forgotten, because a thread that goes to rest and a watcher that goes to sleep first change `_busy` or
        # `_is_watched` and only then look for jobs, while here it is the other way round.
        if self._is_watched and self._busy >= self._target:
            return
        with self._lock:
            self._wake()
            if self._jobs and self._busy >= self._target and not self._is_watched:
                self._is_watched = True
                self._alarms.put(None)

    def close(self) -> None:
        """Let the threads end when all jobs are done."""
        with self._lock:
            self._is_closed = True
            self._alarms.put(None)
            for _ in range(self._idle):
                self._wake_ups.put(None)
            self._busy, self._idle = self._busy + self._idle, 0

    def _wake(self) -> None:
        """Wake or start a thread for each waiting job, up to the target; the caller holds the lock."""
        for _ in range(min(len(self._jobs), self._target - self._busy)):
            if self._idle:
                self._idle -= 1
                self._wake_ups.put(None)
            elif not self._start():
                return
            self._busy += 1  # counted here and not in the thread, so that the next submit does not wake another one

    def _start(self) -> bool:
        """Start a thread; return False if the system refuses."""
        try:
            if not self._started:
                threading.Thread(target=self._watch, name="anycable_rpc pool", daemon=True).start()
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
            self._started_jobs += 1  # not exact without a lock, but the watcher only asks whether it has changed
            try:
                job()
            except BaseException:
                logger.exception("a call could not be answered")
            del job  # otherwise its request and response stay in memory until the next job

    def _next(self) -> Job | None:
        """Return a job, or None if there is none, or if this thread is one too many since the target fell."""
        try:
            return self._jobs.popleft() if self._busy <= self._target else None
        except IndexError:
            return None

    def _may_rest(self) -> bool:
        with self._lock:
            self._busy -= 1  # before the look at the jobs: see submit
            if self._jobs and self._busy < self._target:
                self._busy += 1
                return False
            self._idle += 1
            return True

    def _watch(self) -> None:
        """Change the target while jobs wait, by the table at the top of this module."""
        while not self._is_closed:
            try:
                self._alarms.get(timeout=_SHRINK_AFTER)
            except Empty:
                if not self._shrink():
                    continue
                self._alarms.get()
            pause = _FIRST_CHECK
            while self._is_watched and not self._is_closed:
                has_changed = self._adjust(self._measure(pause))
                pause = _FIRST_CHECK if has_changed else min(pause * 2, _LAST_CHECK)

    def _measure(self, pause: float) -> float:
        """Return the CPU share of the process during a pause, in cores; 0 if the pool makes no progress."""
        began, started_jobs, process, own = time.perf_counter(), self._started_jobs, time.process_time(), self._used()
        time.sleep(pause)
        passed = max(time.perf_counter() - began, 0.001)
        share, own_share = (time.process_time() - process) / passed, (self._used() - own) / passed
        # a busy process says nothing about the pool when other threads are the busy ones
        is_stuck = self._started_jobs == started_jobs or (bool(self._clocks) and own_share < _OWN_SHARE)
        return 0 if is_stuck else share

    def _shrink(self) -> bool:
        """Use two threads again; return False if jobs wait at this moment."""
        with self._lock:
            if not self._jobs:
                self._target = min(_FEW, self.limit)
            return not self._jobs

    def _used(self) -> float:
        """Return the CPU seconds of the pool's threads; 0 where the system does not tell."""
        try:
            return sum(time.clock_gettime(clock) for clock in self._clocks)
        except OSError:  # one of the threads has ended
            return 0

    def _adjust(self, share: float) -> bool:
        """Set the next target, or stop watching if no job waits; return whether the target has changed."""
        with self._lock:
            self._is_watched = False  # before the look at the jobs: see submit
            if not self._jobs:
                return False
            self._is_watched = True
            before, self._target = self._target, next_size(self._target, self.limit, share)
            self._wake()
            return self._target != before
