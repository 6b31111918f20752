"""Group commit among threads: one of those who travel sends for all, while the others sleep.

There is no thread of its own that could die or be missing after a fork. A trip ends by waking the thread that leads the
next one: the one with the latest deadline, so that nobody is held beyond their own.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import monotonic

from .group_commit import LIMITS, Limits, Queue, QueueFull, Trip
from .trips import CROWDED, INTERRUPTED, LATE, Carrier, Failed

__all__ = ["ThreadTrips"]


class _Member:
    """A publication of a thread that waits for `woken`."""

    __slots__ = ("error", "leads", "payload", "size", "until", "woken")

    def __init__(self, payload: str, size: int, until: float) -> None:
        self.payload = payload
        self.size = size
        self.until = until
        self.error: Exception | None = None
        self.leads: Trip[_Member] | None = None
        # Looked up now, since gevent may have replaced it after the import of this module.
        self.woken = threading.Lock()
        self.woken.acquire()


class ThreadTrips:
    """The trips of all threads of a process.

    Args:
        carrier: sends the publications.
        failed: makes the errors of publications that nobody has sent.
        limits: how many travel and wait.
    """

    def __init__(self, carrier: Carrier, failed: Failed, limits: Limits = LIMITS) -> None:
        self.carrier = carrier
        self._failed = failed
        self._queue: Queue[_Member] = Queue(limits)
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """The number of publications that wait."""
        return len(self._queue)

    def carry(self, payload: str, size: int, seconds: float) -> None:
        """Publish a payload of `size` bytes, at once or with others.

        Raises:
            BroadcastFailed: it was not accepted in time.
        """
        member = _Member(payload, size, monotonic() + seconds)
        trip = self._join(member)
        if trip is None:
            trip = self._wait(member)
        if trip is not None:
            self._lead(trip)
        if member.error is not None:
            raise member.error

    def _join(self, member: _Member) -> Trip[_Member] | None:
        try:
            with self._lock:
                return self._queue.join(member)
        except QueueFull as full:
            raise self._failed(str(full), True) from None

    def _wait(self, member: _Member) -> Trip[_Member] | None:
        """Sleep until the publication has arrived. Return the trip to lead, if it is this thread's turn to lead."""
        try:
            return self._sleep(member)
        except BaseException:
            with self._lock:
                leads = not self._queue.withdraw(member) and member.leads
            if leads:  # others depend on this thread
                member.woken.acquire(blocking=False)  # it was perhaps interrupted before it could do so
                self._lead(leads)
            raise

    def _sleep(self, member: _Member) -> Trip[_Member] | None:
        patience = max(0.0, member.until - monotonic()) / 2
        if not member.woken.acquire(timeout=patience):
            with self._lock:
                if member in self._queue:
                    self._wake_leader(self._queue.overtake())
            if not member.woken.acquire(timeout=max(0.0, member.until - monotonic())):
                return self._give_up(member)
        return member.leads

    def _give_up(self, member: _Member) -> Trip[_Member] | None:
        with self._lock:
            if self._queue.withdraw(member):
                raise self._failed(CROWDED, True)
        if not member.woken.acquire(blocking=False):
            raise self._failed(LATE, False)
        return member.leads

    def _lead(self, trip: Trip[_Member]) -> None:
        outcomes: Sequence[Exception | None] | None = None
        try:
            outcomes = self._send(trip.members)
        finally:
            with self._lock:
                self._wake_leader(self._queue.finish(trip))
            for place, member in enumerate(trip.members):
                member.error = outcomes[place] if outcomes else self._failed(INTERRUPTED, True)
                member.woken.release()

    def _send(self, members: list[_Member]) -> Sequence[Exception | None]:
        seconds = max(0.0, max(member.until for member in members) - monotonic())
        try:
            if len(members) == 1:
                self.carrier.send_one(members[0].payload, seconds)
                return [None]
            return self.carrier.send_many([member.payload for member in members], seconds)
        except Exception as error:
            return [error] * len(members)

    def _wake_leader(self, trip: Trip[_Member] | None) -> None:
        """Let the member lead that can wait longest. The caller holds the lock, so that no member leaves meanwhile."""
        if trip is not None:
            leader = max(trip.members, key=lambda member: member.until)
            leader.leads = trip
            leader.woken.release()
