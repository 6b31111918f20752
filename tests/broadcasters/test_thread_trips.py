"""Group commit among threads, with a carrier that the test holds back."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest

from anycable_rpc.broadcasters.group_commit import LIMITS, Limits
from anycable_rpc.broadcasters.thread_trips import ThreadTrips
from anycable_rpc.broadcasters.trips import CROWDED, LATE, Outcomes
from anycable_rpc.errors import BroadcastFailed

LONG = 30.0


def failed(reason: str, transient: bool) -> BroadcastFailed:
    return BroadcastFailed(reason, "there", transient)


class Held:
    """A carrier that records trips. The first, or all, wait for `released`."""

    def __init__(self) -> None:
        self.trips: list[list[str]] = []
        self.begun = threading.Event()
        self.released = threading.Event()
        self.holds_all = False
        self.refused: dict[str, Exception] = {}
        self.interruption: BaseException | None = None

    def send_one(self, payload: str, seconds: float) -> None:
        (outcome,) = self.send_many([payload], seconds)
        if outcome:
            raise outcome

    def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
        self.trips.append(list(payloads))
        if self.holds_all or not self.begun.is_set():
            self.begun.set()
            assert self.released.wait(LONG)
        if len(payloads) > 1 and self.interruption:
            raise self.interruption
        for payload in payloads:
            error = self.refused.get(payload)
            if error and not isinstance(error, BroadcastFailed):
                raise error
        return [self.refused.get(payload) for payload in payloads]  # type: ignore[misc]

    def close(self) -> None: ...


class Case:
    """Threads that publish while the first trip is held back."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.carrier = Held()
        self.trips = ThreadTrips(self.carrier, failed, limits)
        self.pool = ThreadPoolExecutor(20)
        self.lone = self.publish("lone")
        assert self.carrier.begun.wait(LONG)

    def publish(self, payload: str, seconds: float = LONG) -> Future[None]:
        return self.pool.submit(self.trips.carry, payload, len(payload), seconds)

    def publish_in_order(self, *publications: tuple[str, float]) -> list[Future[None]]:
        """Publish each when the one before waits."""
        made: list[Future[None]] = []
        for payload, seconds in publications:
            made.append(self.publish(payload, seconds))
            until(lambda: self.trips.waiting == len(made))
        return made


def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    end = monotonic() + LONG
    while not condition():
        assert monotonic() < end


@pytest.fixture
def case() -> Case:
    return Case()


def test_those_who_come_meanwhile_travel_together(case: Case) -> None:
    others = case.publish_in_order(("a", LONG), ("b", LONG), ("c", LONG))
    case.carrier.released.set()

    assert [each.result(LONG) for each in (case.lone, *others)] == [None] * 4
    assert case.carrier.trips == [["lone"], ["a", "b", "c"]]


def test_each_has_its_own_error(case: Case) -> None:
    case.carrier.refused = {"lone": failed("no", False), "b": failed("not b", False)}
    others = case.publish_in_order(("a", LONG), ("b", LONG))
    case.carrier.released.set()

    assert others[0].result(LONG) is None
    assert str(others[1].exception(LONG)) == "not b"
    assert str(case.lone.exception(LONG)) == "no"


def test_an_error_that_nobody_expects_reaches_all_who_travel_and_no_others(case: Case) -> None:
    case.carrier.refused = {"b": ValueError("a bug")}
    others = case.publish_in_order(("a", LONG), ("b", LONG))
    case.carrier.released.set()

    assert [type(each.exception(LONG)) for each in others] == [ValueError, ValueError]
    assert case.lone.result(LONG) is None
    assert case.publish("next").result(LONG) is None


def test_one_with_an_earlier_deadline_leaves_at_its_own(case: Case) -> None:
    hurried = case.publish("hurried", 0.05)

    error = hurried.exception(LONG)
    case.carrier.released.set()

    # After half of its time those who wait overtake the trip that takes too long.
    assert error is None
    assert case.carrier.trips == [["lone"], ["hurried"]]
    assert case.lone.result(LONG) is None


def test_one_that_was_never_sent_says_so_and_may_be_sent_again() -> None:
    case = Case(Limits(trip=1))
    case.carrier.holds_all = True
    patient, hurried = case.publish_in_order(("patient", LONG), ("hurried", 0.2))

    error = hurried.exception(LONG)
    case.carrier.released.set()

    assert isinstance(error, BroadcastFailed)
    assert (str(error), error.transient) == (CROWDED, True)
    assert patient.result(LONG) is None
    assert case.carrier.trips == [["lone"], ["patient"]]


def test_one_that_is_under_way_for_too_long_may_have_arrived(case: Case) -> None:
    case.carrier.holds_all = True
    hurried, patient = case.publish_in_order(("hurried", 0.2), ("patient", LONG))

    error = hurried.exception(LONG)
    case.carrier.released.set()

    assert isinstance(error, BroadcastFailed)
    assert (str(error), error.transient) == (LATE, False)
    assert patient.result(LONG) is None
    assert case.carrier.trips == [["lone"], ["hurried", "patient"]]


def test_a_full_queue_is_an_error_that_may_pass() -> None:
    case = Case(Limits(queue=1))
    (waiting,) = case.publish_in_order(("waiting", LONG))

    error = case.publish("too many").exception(LONG)
    case.carrier.released.set()

    assert isinstance(error, BroadcastFailed)
    assert "1 other publications of 7 bytes are waiting already" in str(error)
    assert error.transient
    assert waiting.result(LONG) is None


class Interruption(BaseException):
    """An error that no code expects, such as KeyboardInterrupt."""


def test_a_leader_that_is_interrupted_hands_over(case: Case) -> None:
    case.carrier.interruption = Interruption()
    others = case.publish_in_order(("a", LONG), ("b", LONG - 1))
    case.carrier.released.set()

    outcomes = [each.exception(LONG) for each in others]
    assert sorted(type(each).__name__ for each in outcomes) == ["BroadcastFailed", "Interruption"]
    assert case.publish("next").result(LONG) is None


@pytest.fixture
def interrupts() -> Iterator[threading.Event]:
    """While the event is not set, each SIGUSR1 raises an Interruption in the main thread."""
    is_over = threading.Event()

    def interrupt(*_: object) -> None:
        if not is_over.is_set():
            is_over.set()
            raise Interruption

    before = signal.signal(signal.SIGUSR1, interrupt)
    yield is_over
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(sys.platform == "win32", reason="signals to threads need pthread_kill")
def test_a_thread_that_is_interrupted_while_it_waits_takes_only_its_own_along(
    case: Case, interrupts: threading.Event
) -> None:
    (other,) = case.publish_in_order(("other", LONG))
    main = threading.get_ident()

    def interrupt() -> None:
        until(lambda: case.trips.waiting == 2)
        while not interrupts.is_set():  # a signal right before the thread sleeps is noticed after its sleep
            signal.pthread_kill(main, signal.SIGUSR1)
            interrupts.wait(0.01)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(Interruption):
        case.trips.carry("mine", 4, LONG)
    interrupting.join()
    case.carrier.released.set()

    assert other.result(LONG) is None
    assert case.lone.result(LONG) is None
    assert case.carrier.trips == [["lone"], ["other"]]


def test_a_leader_that_is_interrupted_before_it_begins_sends_for_the_others(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = case.trips._sleep

    def interrupted(member: Any) -> Any:
        if member.payload != "leader":
            return sleep(member)
        until(lambda: member.leads is not None)
        raise Interruption

    monkeypatch.setattr(case.trips, "_sleep", interrupted)
    leader, *others = case.publish_in_order(("leader", LONG), ("a", LONG / 2), ("b", LONG / 2))
    case.carrier.released.set()

    assert type(leader.exception(LONG)) is Interruption
    assert [each.result(LONG) for each in others] == [None, None]
    assert case.carrier.trips == [["lone"], ["leader", "a", "b"]]


def test_locks_that_are_replaced_after_the_import_are_used(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gevent replaces them, perhaps late: gunicorn's workers do so after `--preload`."""
    made: list[object] = []
    lock = threading.Lock

    def recorded() -> object:
        made.append(lock())
        return made[-1]

    monkeypatch.setattr(threading, "Lock", recorded)
    ThreadTrips(case.carrier, failed).carry("a", 1, 0)
    case.carrier.released.set()

    assert len(made) == 2


def test_ten_thousand_of_eight_threads_keep_the_order_of_each_thread() -> None:
    arrived: list[str] = []

    class Recording(Held):
        def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
            arrived.extend(payloads)
            return [None] * len(payloads)

    trips = ThreadTrips(Recording(), failed)

    def publish(thread: int) -> None:
        for number in range(1250):
            trips.carry(f"{thread}/{number}", 1, LONG)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(publish, range(8)))

    for thread in range(8):
        of_thread = [payload for payload in arrived if payload.startswith(f"{thread}/")]
        assert of_thread == [f"{thread}/{number}" for number in range(1250)]
    assert len(arrived) == 10_000
