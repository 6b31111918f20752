"""The thread pool: each job runs once, on as many threads as the work needs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import pytest

from anycable_rpc.transports import threads as module
from anycable_rpc.transports.threads import Threads, next_size


@pytest.mark.parametrize(
    ("target", "share", "expected"),
    [
        pytest.param(2, 0.1, 4, id="callbacks wait"),
        pytest.param(16, 0.1, 30, id="never more than there may be"),
        pytest.param(30, 0.1, 30, id="all of them wait"),
        pytest.param(2, 1.2, 2, id="Python is the limit"),
        pytest.param(30, 1.2, 29, id="and was not before"),
        pytest.param(2, 1.9, 4, id="both compute in C"),
        pytest.param(4, 3.9, 8, id="all four do"),
        pytest.param(4, 2.1, 3, id="two of four do"),
        pytest.param(1, 0.9, 2, id="one does"),
    ],
)
def test_next_size(monkeypatch: pytest.MonkeyPatch, target: int, share: float, expected: int) -> None:
    monkeypatch.setattr(module, "_CORES", 8)

    assert next_size(target, 30, share) == expected


def test_next_size_may_exceed_the_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CORES", 2)

    assert next_size(4, 30, 1.9) == 8


def test_next_size_is_one_if_the_limit_is_one() -> None:
    assert [next_size(1, 1, share) for share in (0.1, 0.9, 1.5)] == [1, 1, 1]


def test_every_job_runs_once() -> None:
    threads, done, ended = Threads(8), list[int](), threading.Event()

    def job(number: int) -> Callable[[], object]:
        def run() -> None:
            done.append(number)
            if len(done) == 5_000:
                ended.set()

        return run

    for start in range(0, 5_000, 50):
        threads.submit([job(number) for number in range(start, start + 50)])

    assert ended.wait(20)
    threads.close()
    assert sorted(done) == list(range(5_000))


def test_blocked_jobs_do_not_stop_others() -> None:
    threads, gate, done = Threads(3), threading.Event(), threading.Semaphore(0)
    threads.submit([lambda: gate.wait(20), lambda: gate.wait(20), *[lambda: done.release()] * 10])

    for _ in range(10):
        assert done.acquire(timeout=10)
    gate.set()
    threads.close()


def test_never_more_threads_than_the_limit() -> None:
    threads, gate, running = Threads(2), threading.Event(), threading.Semaphore(0)

    def job() -> None:
        running.release()
        gate.wait(20)

    threads.submit([job] * 5)

    assert running.acquire(timeout=10)
    assert running.acquire(timeout=10)
    assert not running.acquire(timeout=0.1)
    gate.set()
    for _ in range(3):
        assert running.acquire(timeout=10)
    threads.close()


def test_waiting_callbacks_get_a_thread_each() -> None:
    threads, running, gate = Threads(30), threading.Semaphore(0), threading.Event()

    def job() -> None:
        running.release()
        gate.wait(20)

    for _ in range(30):
        threads.submit([job])

    assert all(running.acquire(timeout=10) for _ in range(30))
    gate.set()
    threads.close()


def test_statistics_count_threads_and_waiting_jobs() -> None:
    threads, running, gate = Threads(2), threading.Semaphore(0), threading.Event()

    def job() -> None:
        running.release()
        gate.wait(20)

    before = threads.statistics()
    threads.submit([job] * 3)
    assert all(running.acquire(timeout=10) for _ in range(2))
    under_load = threads.statistics()
    gate.set()

    assert before == (2, 0, 0, 0)
    assert under_load == (2, 2, 0, 1)
    until(lambda: threads.statistics() == (2, 0, 2, 0))
    threads.close()


def test_computing_jobs_do_not_stop_others() -> None:
    threads, stop, done = Threads(8), threading.Event(), threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(range(1000))

    threads.submit([compute, compute, done.set])

    assert done.wait(10)
    stop.set()
    threads.close()


def test_existing_threads_go_on_if_the_system_refuses_new_ones(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threads, gate, done = Threads(8), threading.Event(), threading.Semaphore(0)
    threads.submit([lambda: gate.wait(20)])
    with monkeypatch.context() as system:
        system.setattr(threading.Thread, "start", refuse)
        threads.submit([done.release] * 5)
        assert not done.acquire(timeout=0.1)
        gate.set()
        assert all(done.acquire(timeout=10) for _ in range(5))
    assert "calls have to wait: can't start new thread" in caplog.text

    threads.submit([lambda: time.sleep(0.02), lambda: time.sleep(0.02), done.release])
    assert done.acquire(timeout=10)
    threads.close()


def test_job_submitted_while_the_last_thread_goes_to_rest_is_done() -> None:
    threads, done = Threads(1), threading.Semaphore(0)

    for _ in range(5_000):
        threads.submit([done.release])
        assert done.acquire(timeout=10)
    threads.close()


def test_exception_of_a_job_is_logged_and_its_thread_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    threads, done = Threads(1), threading.Event()

    def fail() -> None:
        raise SystemExit

    with caplog.at_level(logging.ERROR, "anycable_rpc"):
        threads.submit([fail, done.set])
        assert done.wait(10)

    assert [record.exc_info is not None for record in caplog.records] == [True]
    threads.close()


def test_pool_shrinks_when_no_job_has_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SHRINK_AFTER", 0.1)
    threads, gate = Threads(8), threading.Event()
    threads.submit([lambda: gate.wait(20)] * 8)
    until(lambda: threads.statistics().target == 8)

    gate.set()

    until(lambda: threads.statistics().target == 2)
    threads.submit([lambda: time.sleep(0.05)] * 8)
    until(lambda: threads.statistics().target > 2)
    threads.close()


def test_closed_pool_ends_when_all_jobs_are_done() -> None:
    before = set(threading.enumerate())
    threads, done = Threads(4), threading.Semaphore(0)
    threads.submit([lambda: time.sleep(0.1), lambda: time.sleep(0.1), *[done.release] * 10])

    threads.close()

    assert all(done.acquire(timeout=10) for _ in range(10))
    until(lambda: set(threading.enumerate()) <= before)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
