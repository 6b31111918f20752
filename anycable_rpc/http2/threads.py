"""Threads for `def` callbacks: one works through what waits, and wakes the next in case it is held up."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Threads"]

Job = Callable[[], object]
"""It deals with its own errors."""


class Threads:
    """Runs jobs on up to `most` threads, in the order in which they come.

    A waiting thread is woken for each job that no other is about to take: while one runs Python alone, the others
    could not run anyway; when it waits for a database, the one that was woken goes on with the next job.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._started = 0
        self._waiting = 0
        self._woken = 0
        self._is_closed = False
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition(threading.Lock())

    def submit(self, jobs: list[Job]) -> None:
        """Run them, soon."""
        with self._changed:
            self._jobs.extend(jobs)
            self._wake()

    def close(self) -> None:
        """Let the threads end when nothing is left to do."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _wake(self) -> None:
        """One thread more, unless one is on its way."""
        if self._woken:
            return
        if self._waiting:
            self._woken += 1
            self._changed.notify()
        elif self._started < self._most:
            self._started += 1
            self._woken += 1
            threading.Thread(target=self._work, name=f"anycable_rpc {self._started}", daemon=True).start()

    def _work(self) -> None:
        with self._changed:
            self._woken -= 1
        while job := self._next():
            job()

    def _next(self) -> Job | None:
        with self._changed:
            while not self._jobs:
                if self._is_closed:
                    return None
                self._waiting += 1
                self._changed.wait()
                self._waiting -= 1
                self._woken = 0
            job = self._jobs.popleft()
            if self._jobs:
                self._wake()
            return job
