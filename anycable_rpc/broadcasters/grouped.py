"""The base of the broadcasters over a network: group commit, retries, threads, event loops and forks."""

from __future__ import annotations

import asyncio
import logging
import os

from ..errors import BroadcastFailed
from .group_commit import LIMITS
from .per_loop import PerLoop
from .retries import DEADLINE, aretry_until, retry_until
from .task_trips import TaskTrips
from .thread_trips import ThreadTrips
from .trips import AsyncCarrier, Carrier

__all__ = ["GroupedBroadcaster"]

_logger = logging.getLogger("anycable_rpc")


class GroupedBroadcaster:
    """A broadcaster for any thread, with or without an event loop, also after a fork.

    Publications that come while others are on their way travel together (`group_commit.py`). Each returns when it has
    been accepted, and has its own error and deadline. After a failure that looks like a restart it is tried again, so
    it may arrive twice. Those of one thread or task arrive in the order of the calls.

    Args:
        address: where to publish, as errors may show it.
        deadline: seconds that a publication may take in all.
    """

    _limits = LIMITS

    def __init__(self, address: str, deadline: float = DEADLINE) -> None:
        self.address = address
        self.deadline = deadline
        self._of_processes: dict[int, ThreadTrips] = {}
        self._of_loops: PerLoop[TaskTrips] = PerLoop(self._task_trips, lambda trips: trips.carrier.close())

    def publish(self, payload: str) -> None:
        """Send the payload.

        Raises:
            BroadcastFailed: it was not accepted before the deadline. The message says what to check.
        """
        size = len(payload.encode())
        last = self._last_attempt
        retry_until(self.deadline - last, lambda seconds: self._trips().carry(payload, size, seconds + last))
        _logger.debug("published to %s: %s", self._destination, payload)

    async def apublish(self, payload: str) -> None:
        """`publish` for async code, on the sockets of the running event loop.

        Where only `publish` was replaced, by a subclass or on this object, it runs in a thread.
        """
        if self._has_its_own_publish:
            return await asyncio.to_thread(self.publish, payload)
        size = len(payload.encode())
        last = self._last_attempt

        async def attempt(seconds: float) -> None:
            trips = await self._of_loops.get()
            await trips.carry(payload, size, seconds + last)

        await aretry_until(self.deadline - last, attempt)
        _logger.debug("published to %s: %s", self._destination, payload)
        return None

    def close(self) -> None:
        """Close the kept connections. The next publication opens new ones."""
        trips = self._of_processes.get(os.getpid())
        if trips:
            trips.carrier.close()
        self._of_loops.close()

    @property
    def _destination(self) -> str:
        return self.address

    @property
    def _has_its_own_publish(self) -> bool:
        is_ours = getattr(self.publish, "__func__", None) is GroupedBroadcaster.publish
        return not is_ours and type(self).apublish is GroupedBroadcaster.apublish

    @property
    def _last_attempt(self) -> float:
        """Seconds of the deadline that are left for the last attempt, where an attempt cannot be made shorter."""
        return 0

    def _trips(self) -> ThreadTrips:
        pid = os.getpid()  # a forked child must not write into its parent's connections
        trips = self._of_processes.get(pid)
        if trips is None:
            # Of several threads that come first, one wins. A lock could be held while another thread forks.
            trips = self._of_processes.setdefault(pid, ThreadTrips(self._carrier(), self._failed, self._limits))
            for parent in self._of_processes.keys() - {pid}:
                self._of_processes.pop(parent, None)
        return trips

    def _task_trips(self) -> TaskTrips:
        return TaskTrips(self._async_carrier(), self._failed, self._limits)

    def _failed(self, reason: str, transient: bool) -> BroadcastFailed:
        return BroadcastFailed(f"cannot publish to {self.address}: {reason}", self.address, transient)

    def _carrier(self) -> Carrier:
        """Return a carrier that has not begun anything yet, since it may be thrown away."""
        raise NotImplementedError

    def _async_carrier(self) -> AsyncCarrier:
        raise NotImplementedError
