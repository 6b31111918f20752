"""Group commit: publications that wait while others are on their way travel together.

A lone publication leaves at once. Those that come while a trip is under way wait for its end, and leave as one. So the
more there is to publish, the less a publication costs, and no timer delays anything.

This module decides who travels together. It does no input or output, knows no clock, and its callers serialize the
calls.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

__all__ = ["LIMITS", "Limits", "Member", "Queue", "QueueFull", "Trip"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Publications and bytes that leave on one trip, and that wait for one. A larger publication travels alone."""

    trip: int = 1_000
    trip_bytes: int = 2**19
    queue: int = 100_000
    queue_bytes: int = 2**26


LIMITS = Limits()
"""The default limits.

anycable-go reads a body of any size (`broadcast/http.go`; its `--max_message_size` is about messages of clients). A
proxy before it may not: nginx takes 1 MiB unless `client_max_body_size` says another number. Half of that leaves room.
"""


class QueueFull(Exception):
    """As many publications wait as the limits allow. The message says so."""


class Member(Protocol):
    """A publication, alone or in a queue. `size` is the number of its bytes."""

    size: int


M = TypeVar("M", bound=Member)


class Trip(Generic[M]):
    """Publications that travel together, in the order of their calls."""

    __slots__ = ("members",)

    def __init__(self, members: list[M]) -> None:
        self.members = members


class Queue(Generic[M]):
    """Publications that wait for a trip, oldest first."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.current: Trip[M] | None = None
        self._limits = limits
        self._waiting: OrderedDict[M, None] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, member: M) -> bool:
        return member in self._waiting

    def join(self, member: M) -> Trip[M] | None:
        """Return the trip on which the member leaves alone and at once, or None when it has to wait.

        Raises:
            QueueFull: too many are waiting already.
        """
        if self.current is None:
            self.current = Trip([member])
            return self.current
        self._check_room(member)
        self._waiting[member] = None
        self._bytes += member.size
        return None

    def finish(self, trip: Trip[M]) -> Trip[M] | None:
        """End a trip. Return the next one, or None when nothing waits or the trip has been overtaken."""
        return self._depart() if trip is self.current else None

    def overtake(self) -> Trip[M] | None:
        """Return a trip for the waiting, though another is under way: that one takes too long."""
        return self._depart() if self._waiting else None

    def withdraw(self, member: M) -> bool:
        """Remove a member. Return False when it does not wait, since it is on a trip."""
        if member not in self._waiting:
            return False
        del self._waiting[member]
        self._bytes -= member.size
        return True

    def _check_room(self, member: M) -> None:
        count, limits = len(self._waiting), self._limits
        if count >= limits.queue or (count and self._bytes + member.size > limits.queue_bytes):
            raise QueueFull(
                f"{count} other publications of {self._bytes} bytes are waiting already: this program publishes "
                "faster than they are accepted"
            )

    def _depart(self) -> Trip[M] | None:
        members: list[M] = []
        size = 0
        while self._waiting and len(members) < self._limits.trip:
            member = next(iter(self._waiting))
            size += member.size
            if members and size > self._limits.trip_bytes:
                break
            self.withdraw(member)
            members.append(member)
        self.current = Trip(members) if members else None
        return self.current
