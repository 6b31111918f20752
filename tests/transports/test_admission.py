"""Admission: places, refusals, and who hears of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from anycable_rpc.transports.admission import Admission, Refusal


class Threads:
    busy = 0


def full(limit: int = 2, observers: Sequence[Callable[[Refusal], object]] = ()) -> Admission[str]:
    admission = Admission[str](limit, Threads(), observers)
    for number in range(limit):
        assert admission.enter(f"call {number}") is None
    return admission


def test_calls_beyond_the_limit_are_refused_until_one_leaves() -> None:
    admission = full()
    refusal = admission.enter("one more")
    admission.leave("call 0")

    assert refusal is not None
    assert refusal.status == "RESOURCE_EXHAUSTED"
    assert "all 2 places are taken" in refusal.text
    assert admission.enter("one more") is None


def test_callbacks_of_calls_that_were_cut_count() -> None:
    threads = Threads()
    admission = Admission[str](2, threads)
    threads.busy = 2

    assert str(admission.enter("call")).startswith("Refusal(status='RESOURCE_EXHAUSTED'")


def test_nothing_is_admitted_once_closed() -> None:
    admission = full(1)
    admission.close()

    assert admission.enter("late") == Refusal("UNAVAILABLE", "the server is shutting down")
    assert not admission.is_idle()
    assert not admission.wait_idle(0)
    admission.leave("call 0")
    assert admission.wait_idle(0)


def test_a_call_that_enters_while_another_thread_closes_is_refused() -> None:
    class Closing(set[str]):
        def add(self, call: str) -> None:
            super().add(call)
            admission.close()

    admission = Admission[str](2, Threads())
    admission.under_way = Closing()

    assert admission.enter("call") == Refusal("UNAVAILABLE", "the server is shutting down")
    assert admission.is_idle()


def test_a_call_that_is_late_is_refused_last() -> None:
    assert Admission[str](1, Threads()).enter("late", is_late=True) == Refusal(
        "DEADLINE_EXCEEDED", "the deadline has passed"
    )
    assert str(full().enter("late", is_late=True)).startswith("Refusal(status='RESOURCE_EXHAUSTED'")


def test_observers_see_every_refusal_and_no_admitted_call() -> None:
    seen: list[str] = []
    admission = full(1, [lambda refusal: seen.append(refusal.status)])
    admission.enter("one more")
    admission.leave("call 0")
    admission.enter("admitted")
    admission.close()
    admission.enter("late")

    assert seen == ["RESOURCE_EXHAUSTED", "UNAVAILABLE"]


def test_refusals_are_logged_once_a_minute_with_their_count(caplog: pytest.LogCaptureFixture) -> None:
    admission = full()
    admission.log_refusals(0)
    for _ in range(273):
        admission.enter("refused")
    admission.log_refusals(1)
    admission.enter("refused")
    for now in (2, 60.5, 61, 200):
        admission.log_refusals(now)

    assert [record.message.split(" refused")[0] for record in caplog.records] == ["273 calls were", "1 call was"]
    assert "ANYCABLE_RPC_POOL_SIZE (2 here)" in caplog.text
    assert "--rpc_concurrency of anycable-go" in caplog.text


def test_an_observer_that_fails_does_not_harm_the_call(caplog: pytest.LogCaptureFixture) -> None:
    refusal = full(1, [lambda refusal: 1 / 0]).enter("one more")

    assert refusal is not None
    assert "an observer of refusals failed" in caplog.text
