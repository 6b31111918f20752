"""Group commit among tasks, with a carrier that the test holds back."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

import pytest

from anycable_rpc.broadcasters.group_commit import LIMITS, Limits
from anycable_rpc.broadcasters.task_trips import TaskTrips
from anycable_rpc.broadcasters.trips import CROWDED, INTERRUPTED, LATE, Outcomes
from anycable_rpc.errors import BroadcastFailed

LONG = 30.0
WHO: ContextVar[str] = ContextVar("who", default="nobody")


def failed(reason: str, transient: bool) -> BroadcastFailed:
    return BroadcastFailed(reason, "there", transient)


class Held:
    """A carrier that records trips. The first, or all, wait for `released`."""

    def __init__(self) -> None:
        self.trips: list[list[str]] = []
        self.begun = asyncio.Event()
        self.released = asyncio.Event()
        self.holds_all = False
        self.refused: dict[str, Exception] = {}
        self.seen: list[str] = []

    async def send_one(self, payload: str, seconds: float) -> None:
        (outcome,) = await self.send_many([payload], seconds)
        if outcome:
            raise outcome

    async def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
        self.trips.append(list(payloads))
        self.seen.append(WHO.get())
        if self.holds_all or not self.begun.is_set():
            self.begun.set()
            await self.released.wait()
        for payload in payloads:
            error = self.refused.get(payload)
            if error and not isinstance(error, BroadcastFailed):
                raise error
        return [self.refused.get(payload) for payload in payloads]  # type: ignore[misc]

    async def close(self) -> None: ...


class Case:
    """Tasks that publish while the first trip is held back."""

    def __init__(self, limits: Limits, lone: float = LONG) -> None:
        self.carrier = Held()
        self.trips = TaskTrips(self.carrier, failed, limits)
        self.lone = self.publish("lone", lone)

    def publish(self, payload: str, seconds: float = LONG) -> asyncio.Task[None]:
        return asyncio.create_task(self.trips.carry(payload, len(payload), seconds))

    async def publish_all(self, *payloads: str) -> list[asyncio.Task[None]]:
        made = [self.publish(payload) for payload in payloads]
        await asyncio.sleep(0)
        return made

    async def until_trip(self, number: int) -> None:
        """Wait until so many trips have begun."""
        async with asyncio.timeout(LONG):
            while len(self.carrier.trips) < number:
                await asyncio.sleep(0.001)


def run(test: Callable[[Case], Awaitable[None]], limits: Limits = LIMITS, lone: float = LONG) -> Case:
    """Run a test while a first publication is under way, with `lone` seconds. No task may remain after it."""

    async def main() -> Case:
        case = Case(limits, lone)
        await case.carrier.begun.wait()
        await test(case)
        case.carrier.released.set()
        await asyncio.wait([case.lone])
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return case

    return asyncio.run(main())


async def outcome_of(task: asyncio.Task[None]) -> BaseException | None:
    await asyncio.wait([task], timeout=LONG)
    return task.exception()


def test_those_who_come_meanwhile_travel_together() -> None:
    async def test(case: Case) -> None:
        others = await case.publish_all("a", "b", "c")
        case.carrier.released.set()
        await asyncio.gather(case.lone, *others)

    assert run(test).carrier.trips == [["lone"], ["a", "b", "c"]]


def test_a_lone_publication_begins_no_task_of_its_own() -> None:
    async def test(case: Case) -> None:
        case.carrier.released.set()
        await case.lone

        assert len(asyncio.all_tasks()) == 1

    run(test)


def test_each_has_its_own_error() -> None:
    async def test(case: Case) -> None:
        case.carrier.refused = {"lone": failed("no", False), "b": failed("not b", False)}
        first, second = await case.publish_all("a", "b")
        case.carrier.released.set()

        assert await outcome_of(first) is None
        assert str(await outcome_of(second)) == "not b"
        assert str(await outcome_of(case.lone)) == "no"

    run(test)


def test_an_error_that_nobody_expects_reaches_all_who_travel_and_no_others() -> None:
    async def test(case: Case) -> None:
        case.carrier.refused = {"b": ValueError("a bug")}
        others = await case.publish_all("a", "b")
        case.carrier.released.set()

        assert [type(await outcome_of(each)) for each in others] == [ValueError, ValueError]
        assert await outcome_of(case.lone) is None
        await case.trips.carry("next", 4, LONG)

    run(test)


def test_one_that_is_cancelled_while_it_waits_does_not_travel() -> None:
    async def test(case: Case) -> None:
        first, second = await case.publish_all("a", "b")
        first.cancel()
        await asyncio.wait([first])
        case.carrier.released.set()
        await second

    assert run(test).carrier.trips == [["lone"], ["b"]]


def test_one_that_is_cancelled_under_way_harms_no_other() -> None:
    async def test(case: Case) -> None:
        case.carrier.holds_all = True
        first, second = await case.publish_all("a", "b")
        await case.until_trip(2)
        first.cancel()
        await asyncio.wait([first])
        case.carrier.released.set()

        assert await outcome_of(second) is None
        assert first.cancelled()

    assert run(test, lone=0.02).carrier.trips == [["lone"], ["a", "b"]]


def test_a_lone_one_that_is_cancelled_lets_the_others_go() -> None:
    async def test(case: Case) -> None:
        others = await case.publish_all("a", "b")
        case.lone.cancel()

        assert [await outcome_of(each) for each in others] == [None, None]

    assert run(test).carrier.trips == [["lone"], ["a", "b"]]


def test_those_who_wait_overtake_a_trip_that_takes_too_long() -> None:
    async def test(case: Case) -> None:
        others = await case.publish_all("a", "b")

        assert [await outcome_of(each) for each in others] == [None, None]
        assert not case.lone.done()

    assert run(test, lone=0.02).carrier.trips == [["lone"], ["a", "b"]]


def test_one_that_was_never_sent_says_so_and_may_be_sent_again() -> None:
    async def test(case: Case) -> None:
        error = await outcome_of(case.publish("hurried", 0.02))

        assert isinstance(error, BroadcastFailed)
        assert (str(error), error.transient) == (CROWDED, True)

    assert run(test).carrier.trips == [["lone"]]


def test_one_that_is_under_way_for_too_long_may_have_arrived() -> None:
    async def test(case: Case) -> None:
        case.carrier.holds_all = True
        hurried, patient = case.publish("hurried", 0.1), case.publish("patient")
        await case.until_trip(2)

        error = await outcome_of(hurried)
        case.carrier.released.set()

        assert isinstance(error, BroadcastFailed)
        assert (str(error), error.transient) == (LATE, False)
        assert await outcome_of(patient) is None

    assert run(test, lone=0.02).carrier.trips == [["lone"], ["hurried", "patient"]]


def test_a_full_queue_is_an_error_that_may_pass() -> None:
    async def test(case: Case) -> None:
        (waiting,) = await case.publish_all("waiting")

        error = await outcome_of(case.publish("too many"))
        case.carrier.released.set()

        assert isinstance(error, BroadcastFailed)
        assert "1 other publications of 7 bytes are waiting already" in str(error)
        assert error.transient
        assert await outcome_of(waiting) is None

    run(test, Limits(queue=1))


def test_a_trip_that_somebody_cancels_tells_those_who_travel_and_lets_the_others_go() -> None:
    async def test(case: Case) -> None:
        case.carrier.holds_all = True
        first, second = await case.publish_all("a", "b")
        await case.until_trip(2)
        (last,) = await case.publish_all("last")
        (trip,) = [task for task in asyncio.all_tasks() if task.get_name() == "anycable_rpc broadcasts"]
        case.carrier.holds_all = False
        trip.cancel()

        errors = [await outcome_of(each) for each in (first, second)]
        assert [str(error) for error in errors] == [INTERRUPTED] * 2
        assert errors[0] is not errors[1]
        assert await outcome_of(last) is None

    run(test, lone=0.02)


def test_a_trip_of_several_belongs_to_no_context() -> None:
    async def test(case: Case) -> None:
        WHO.set("the one who ends the first trip")
        others = await case.publish_all("a", "b")
        case.carrier.released.set()
        await asyncio.gather(*others)

        assert case.carrier.seen[1:] == ["nobody"]

    run(test)


def test_a_task_factory_that_takes_only_a_coroutine_will_do() -> None:
    async def test(case: Case) -> None:
        asyncio.get_running_loop().set_task_factory(lambda loop, work: asyncio.Task(work, loop=loop))
        others = await case.publish_all("a", "b")
        case.carrier.released.set()
        await asyncio.gather(case.lone, *others)

    assert run(test).carrier.trips == [["lone"], ["a", "b"]]


def test_an_event_loop_that_ends_leaves_nothing_behind(recwarn: pytest.WarningsRecorder) -> None:
    problems: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))
        case = Case(LIMITS)
        await case.carrier.begun.wait()
        case.carrier.holds_all = True
        await case.publish_all(*map(str, range(10)))
        case.carrier.begun.clear()

    asyncio.run(main())
    gc.collect()

    assert problems == []
    assert [str(warning.message) for warning in recwarn] == []


def test_ten_thousand_of_two_hundred_tasks_keep_the_order_of_each_task() -> None:
    arrived: list[str] = []

    class Recording(Held):
        async def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
            await asyncio.sleep(0)
            arrived.extend(payloads)
            return [None] * len(payloads)

    async def main() -> None:
        trips = TaskTrips(Recording(), failed)

        async def publish(task: int) -> None:
            for number in range(50):
                await trips.carry(f"{task}/{number}", 1, LONG)

        await asyncio.gather(*map(publish, range(200)))

    asyncio.run(main())

    for task in range(200):
        of_task = [payload for payload in arrived if payload.startswith(f"{task}/")]
        assert of_task == [f"{task}/{number}" for number in range(50)]
    assert len(arrived) == 10_000
