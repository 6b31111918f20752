"""The watch over a server's calls: what the log is told, and when health turns."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

import anycable_rpc
from anycable_rpc import Cable, Channel, Connection
from anycable_rpc.protocol.messages import CommandMessage
from anycable_rpc.transports import runner
from anycable_rpc.transports.admission import Admission
from anycable_rpc.transports.asyncio.calls import CallQueue, PendingCall
from anycable_rpc.transports.bytes_handler import BytesHandler
from anycable_rpc.transports.protobuf import encode_request
from anycable_rpc.transports.service import Service
from anycable_rpc.transports.watch import UnderWay, Watch, where

from ..support.both_ways import settings

METADATA = {"sid": "s1", "protov": "v1"}
STUCK = encode_request(CommandMessage("subscribe", '{"channel":"Stuck"}', "{}"))


class Place:
    """A call that holds a place and has not begun."""

    thread = coroutine = None
    is_late = False


def service(*channels: type[Channel]) -> Service:
    return Service(Cable(Connection, channels, settings=settings()))


class TestHealth:
    def turns(self, patience: float = 30) -> tuple[Watch, Admission[Any], Service, list[bool]]:
        app, said = service(), list[bool]()
        pool = Admission[Any](2, app.threads)
        return Watch(pool, app, patience, said.append), pool, app, said

    def test_it_turns_when_no_place_comes_free_and_back_when_one_does(self) -> None:
        watch, pool, app, said = self.turns()
        above = list[bool]()
        app.on_health_change = above.append
        first = Place()
        pool.under_way |= {first, Place()}
        for now in (100, 129, 130, 131):
            watch.look(now)
        before = list(said)
        pool.under_way.discard(first)
        watch.look(132)

        assert (before, said, above) == ([False], [False, True], [False, True])

    def test_a_pool_that_is_full_of_other_calls_each_time_serves(self) -> None:
        watch, pool, _, said = self.turns()
        for now in range(0, 200, 10):
            pool.under_way = {Place(), Place()}
            watch.look(now)

        assert said == []

    def test_callbacks_that_outlive_their_calls_hold_places_too(self) -> None:
        watch, _, app, said = self.turns()
        app.threads.jobs |= {runner.CallbackJob(), runner.CallbackJob()}
        watch.look(0)
        watch.look(30)

        assert said == [False]

    def test_without_patience_it_never_turns(self) -> None:
        watch, pool, _, said = self.turns(patience=0)
        pool.under_way |= {Place(), Place()}
        watch.look(0)
        watch.look(1000)

        assert said == []


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def stuck(release: threading.Event, way: str) -> type[Channel]:
    """A channel whose `subscribed` waits for `release` in that way."""

    class Thread(Channel):
        name = "Stuck"

        def subscribed(self) -> None:
            release.wait(20)

    class Mixed(Thread):
        name = "Stuck"

        async def unsubscribed(self) -> None: ...

    class Loop(Channel):
        name = "Stuck"

        async def subscribed(self) -> None:
            while not release.is_set():
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    continue

    class Blocks(Channel):
        name = "Stuck"

        async def subscribed(self) -> None:
            release.wait(20)

    return {"def": Thread, "def in an async app": Mixed, "ignores its end": Loop, "blocks the loop": Blocks}[way]


def look(watch: Watch, under_way: Callable[[], Iterable[UnderWay]], count: int, release: threading.Event) -> None:
    """Look once so many callbacks are late, while the event loop is blocked too; and then let callbacks go on."""
    deadline = time.monotonic() + 20
    while sum(call.is_late and bool(where(call)[1]) for call in under_way()) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    for now in range(5):
        watch.look(now)
    release.set()


async def run_late(app: Service, calls_at_a_time: int, release: threading.Event) -> None:
    """Run calls that all outlive their deadline."""
    calls = CallQueue(BytesHandler(app), calls_at_a_time)
    watch = Watch(calls.admission, app, 30, bool)
    for stream in range(calls_at_a_time):
        calls.admit(PendingCall(stream, "Command", STUCK, METADATA, 0.05, lambda *_: None))
    looking = threading.Thread(
        target=look,
        args=(watch, lambda: [*calls.admission.under_way, *app.threads.jobs], calls_at_a_time, release),
    )
    looking.start()
    calls.start_admitted()
    calls.close()
    assert await calls.wait_idle(20)
    await asyncio.to_thread(looking.join)
    calls.cancel_all()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "has not returned" in record.getMessage()]


@pytest.mark.parametrize("way", ["def", "def in an async app", "ignores its end", "blocks the loop"])
def test_a_callback_that_outlives_its_deadline_is_named_once_with_its_stack(
    release: threading.Event, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    channel = stuck(release, way)

    asyncio.run(run_late(service(channel), 1, release))

    (said,) = told(caplog)
    assert said.startswith(f"{channel.__name__}.subscribed has not returned")
    assert "in subscribed" in said
    assert "release.wait(20)" in said or "asyncio.sleep(0.01)" in said
    assert os.path.dirname(anycable_rpc.__file__) not in said


def test_no_more_than_ten_stacks_are_told_a_minute(release: threading.Event, caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(run_late(service(stuck(release, "ignores its end")), 15, release))

    assert len(told(caplog)) == 10
