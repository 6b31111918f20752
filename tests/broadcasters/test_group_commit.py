"""Group commit on data: who travels with whom."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycable_rpc.broadcasters.group_commit import LIMITS, Limits, Queue, QueueFull, Trip


@dataclass(eq=False)
class One:
    """A publication."""

    name: str
    size: int = 1


def queue_of(*members: One, limits: Limits = LIMITS) -> tuple[Queue[One], Trip[One]]:
    """Return a queue where `members` wait for the trip of another, and that trip."""
    queue: Queue[One] = Queue(limits)
    trip = queue.join(One("first"))
    assert trip is not None
    for member in members:
        assert queue.join(member) is None
    return queue, trip


def names(trip: Trip[One] | None) -> list[str]:
    return [member.name for member in trip.members] if trip else []


class TestJoining:
    def test_a_lone_publication_leaves_at_once(self) -> None:
        queue: Queue[One] = Queue()

        assert names(queue.join(One("a"))) == ["a"]

    def test_those_that_come_meanwhile_leave_together_in_their_order(self) -> None:
        queue, trip = queue_of(One("a"), One("b"), One("c"))

        assert names(queue.finish(trip)) == ["a", "b", "c"]

    def test_after_the_last_trip_a_lone_publication_leaves_at_once_again(self) -> None:
        queue, trip = queue_of()

        assert queue.finish(trip) is None
        assert names(queue.join(One("a"))) == ["a"]

    def test_one_that_withdraws_does_not_travel(self) -> None:
        gone = One("b")
        queue, trip = queue_of(One("a"), gone, One("c"))

        assert queue.withdraw(gone)
        assert not queue.withdraw(gone)
        assert names(queue.finish(trip)) == ["a", "c"]

    def test_one_that_travels_cannot_withdraw(self) -> None:
        member = One("a")
        queue, trip = queue_of(member)
        queue.finish(trip)

        assert not queue.withdraw(member)


class TestLimits:
    def test_a_trip_takes_so_many(self) -> None:
        queue, trip = queue_of(One("a"), One("b"), One("c"), limits=Limits(trip=2))

        second = queue.finish(trip)
        assert names(second) == ["a", "b"]
        assert second
        assert names(queue.finish(second)) == ["c"]

    def test_a_trip_takes_so_many_bytes(self) -> None:
        queue, trip = queue_of(One("a", 6), One("b", 4), One("c", 1), limits=Limits(trip_bytes=10))

        assert names(queue.finish(trip)) == ["a", "b"]

    def test_a_large_one_travels_alone_and_in_its_turn(self) -> None:
        queue, trip = queue_of(One("a"), One("large", 900), One("b"), One("c"), limits=Limits(trip_bytes=10))

        seen = []
        following = queue.finish(trip)
        while following:
            seen.append(names(following))
            following = queue.finish(following)
        assert seen == [["a"], ["large"], ["b", "c"]]

    def test_so_many_wait_and_no_more(self) -> None:
        queue, trip = queue_of(One("a"), One("b"), limits=Limits(queue=2))

        with pytest.raises(QueueFull, match="2 other publications of 2 bytes are waiting already"):
            queue.join(One("c"))
        assert names(queue.finish(trip)) == ["a", "b"]

    def test_so_many_bytes_wait_and_no_more(self) -> None:
        queue, _ = queue_of(One("a", 6), limits=Limits(queue_bytes=10))

        with pytest.raises(QueueFull):
            queue.join(One("b", 5))
        assert queue.join(One("c", 4)) is None

    def test_a_single_one_may_have_any_size(self) -> None:
        queue, trip = queue_of(One("a", 1000), limits=Limits(queue_bytes=10, trip_bytes=10))

        assert names(queue.finish(trip)) == ["a"]

    def test_whoever_has_left_makes_room(self) -> None:
        member = One("a", 10)
        queue, _ = queue_of(member, limits=Limits(queue_bytes=10))
        queue.withdraw(member)

        assert queue.join(One("b", 10)) is None


class TestOvertaking:
    def test_those_who_wait_leave_although_a_trip_is_under_way(self) -> None:
        queue, _ = queue_of(One("a"), One("b"))

        assert names(queue.overtake()) == ["a", "b"]

    def test_a_trip_that_was_overtaken_is_followed_by_none(self) -> None:
        queue, slow = queue_of(One("a"))
        second = queue.overtake()
        queue.join(One("b"))

        assert queue.finish(slow) is None
        assert second
        assert names(queue.finish(second)) == ["b"]

    def test_where_nobody_waits_nobody_overtakes(self) -> None:
        queue, trip = queue_of()

        assert queue.overtake() is None
        assert queue.current is trip


@given(st.lists(st.sampled_from(["join", "finish", "overtake", "withdraw"])), st.integers(1, 3), st.integers(1, 5))
def test_each_leaves_exactly_once_and_in_order(steps: list[str], count: int, size: int) -> None:
    queue: Queue[One] = Queue(Limits(trip=count, trip_bytes=size, queue=4, queue_bytes=8))
    left: list[One] = []
    joined: list[One] = []
    trips: list[Trip[One]] = []

    def start(trip: Trip[One] | None) -> None:
        if trip:
            trips.append(trip)
            left.extend(trip.members)
            assert len(trip.members) <= count
            assert len(trip.members) == 1 or sum(member.size for member in trip.members) <= size

    for number, step in enumerate(steps):
        waiting = [member for member in joined if member in queue]
        if step == "join":
            member = One(str(number), number % 4)
            try:
                start(queue.join(member))
                joined.append(member)
            except QueueFull:
                assert waiting
        elif step == "withdraw" and waiting:
            assert queue.withdraw(waiting[0])
            joined.remove(waiting[0])
        elif step == "overtake":
            start(queue.overtake())
        elif step == "finish" and trips:
            start(queue.finish(trips.pop(0)))
    while trips:
        start(queue.finish(trips.pop(0)))

    assert left == joined
    assert len(queue) == 0
