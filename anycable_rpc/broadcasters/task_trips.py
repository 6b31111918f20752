"""Group commit among the tasks of an event loop.

A lone publication is sent by its own task. Several are sent by a task of the trip, so that nobody who is cancelled
takes the others along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import Context

from .group_commit import LIMITS, Limits, Queue, QueueFull, Trip
from .trips import CROWDED, INTERRUPTED, LATE, AsyncCarrier, Failed

__all__ = ["TaskTrips"]


class _Member:
    """A publication of a task that waits for `outcome`: its error, or None."""

    __slots__ = ("outcome", "payload", "size", "until")

    def __init__(self, payload: str, size: int, until: float, outcome: asyncio.Future[Exception | None]) -> None:
        self.payload = payload
        self.size = size
        self.until = until
        self.outcome = outcome

    def arrive(self, error: Exception | None) -> None:
        """Wake the task, unless it has left."""
        if not self.outcome.done():
            self.outcome.set_result(error)


class TaskTrips:
    """The trips of all tasks of the running event loop.

    Args:
        carrier: sends the publications.
        failed: makes the errors of publications that nobody has sent.
        limits: how many travel and wait.
    """

    def __init__(self, carrier: AsyncCarrier, failed: Failed, limits: Limits = LIMITS) -> None:
        self.carrier = carrier
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._queue: Queue[_Member] = Queue(limits)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """The number of publications that wait."""
        return len(self._queue)

    async def carry(self, payload: str, size: int, seconds: float) -> None:
        """Publish a payload of `size` bytes, at once or with others.

        Raises:
            BroadcastFailed: it was not accepted in time.
        """
        member = _Member(payload, size, self._loop.time() + seconds, self._loop.create_future())
        try:
            trip = self._queue.join(member)
        except QueueFull as full:
            raise self._failed(str(full), True) from None
        if trip is None:
            await self._wait(member)
        else:
            await self._go_alone(trip, payload, seconds)

    async def _go_alone(self, trip: Trip[_Member], payload: str, seconds: float) -> None:
        patience = self._loop.call_later(seconds / 2, self._overtake, trip)
        try:
            await self.carrier.send_one(payload, seconds)
        except Exception:
            self._go_on(trip)
            raise
        except BaseException:
            self._go_on_later(trip)
            raise
        else:
            self._go_on(trip)
        finally:
            patience.cancel()

    async def _wait(self, member: _Member) -> None:
        expiry = self._loop.call_at(member.until, self._expire, member)
        try:
            error = await member.outcome
        finally:
            expiry.cancel()
            self._queue.withdraw(member)
        if error is not None:
            raise error

    def _expire(self, member: _Member) -> None:
        was_waiting = self._queue.withdraw(member)
        member.arrive(self._failed(CROWDED, True) if was_waiting else self._failed(LATE, False))

    def _go_on(self, trip: Trip[_Member]) -> None:
        self._start(self._queue.finish(trip))

    def _go_on_later(self, trip: Trip[_Member]) -> None:
        """Go on after this task has been cancelled. An event loop that ends cancels all, and begins no task."""
        if not self._loop.is_closed():
            self._loop.call_soon(self._go_on, trip)

    def _overtake(self, trip: Trip[_Member]) -> None:
        """Let those who wait go, although the trip is still under way."""
        if trip is self._queue.current:
            self._start(self._queue.overtake())

    def _start(self, trip: Trip[_Member] | None) -> None:
        if trip is not None:
            # A context of its own: the trip belongs to no single one of those who travel. Not as an argument, since
            # some task factories take none.
            task = Context().run(self._loop.create_task, self._travel(trip))
            task.set_name("anycable_rpc broadcasts")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _travel(self, trip: Trip[_Member]) -> None:
        seconds = max(0.0, max(member.until for member in trip.members) - self._loop.time())
        patience = self._loop.call_later(seconds / 2, self._overtake, trip)
        outcomes: Sequence[Exception | None] | None = None
        try:
            outcomes = await self._send(trip.members, seconds)
        finally:
            patience.cancel()
            for place, member in enumerate(trip.members):
                member.arrive(outcomes[place] if outcomes else self._failed(INTERRUPTED, True))
            if outcomes:
                self._go_on(trip)
            else:
                self._go_on_later(trip)

    async def _send(self, members: list[_Member], seconds: float) -> Sequence[Exception | None]:
        try:
            if len(members) == 1:
                await self.carrier.send_one(members[0].payload, seconds)
                return [None]
            return await self.carrier.send_many([member.payload for member in members], seconds)
        except Exception as error:
            return [error] * len(members)
