"""The contract of every broadcaster, as test cases: subclass them where they run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import pytest

from anycable_rpc import Cable, Connection
from anycable_rpc.broadcasters.base import Broadcaster
from anycable_rpc.publishing.payloads import publication, remote_disconnect

__all__ = ["BroadcasterContract"]


class AsyncBroadcaster(Broadcaster, Protocol):
    """A broadcaster that has the optional method."""

    async def apublish(self, payload: str) -> None: ...


class BroadcasterContract:
    """Cases for every broadcaster. A subclass provides the broadcaster, and the payloads that have arrived."""

    @pytest.fixture
    def broadcaster(self) -> AsyncBroadcaster | Iterator[AsyncBroadcaster]:
        raise NotImplementedError

    @pytest.fixture
    def arrived(self) -> Callable[[], list[str]]:
        raise NotImplementedError

    @pytest.mark.parametrize(
        "payload",
        [
            publication("chat/1", {"text": "hi"}),
            publication("чат", "<b>€😀\u2028\0"),
            remote_disconnect('{"user_id":42}', True),
            f"[{publication('a', 1)},{publication('b', 2)}]",
            publication("big", "x" * 2**20),
        ],
        ids=["publication", "Unicode", "remote command", "several", "1 MB"],
    )
    def test_a_payload_arrives_byte_for_byte(
        self, broadcaster: AsyncBroadcaster, arrived: Callable[[], list[str]], payload: str
    ) -> None:
        broadcaster.publish(payload)

        assert arrived() == [payload]

    def test_payloads_of_one_thread_arrive_in_order(
        self, broadcaster: AsyncBroadcaster, arrived: Callable[[], list[str]]
    ) -> None:
        for number in range(20):
            broadcaster.publish(str(number))

        assert arrived() == [str(number) for number in range(20)]

    def test_all_payloads_of_eight_threads_arrive(
        self, broadcaster: AsyncBroadcaster, arrived: Callable[[], list[str]]
    ) -> None:
        def publish(thread: int) -> None:
            for number in range(250):
                broadcaster.publish(f"{thread}/{number}")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(publish, range(8)))

        assert sorted(arrived()) == sorted(f"{thread}/{number}" for thread in range(8) for number in range(250))

    def test_sync_code_may_publish_inside_a_running_event_loop(
        self, broadcaster: AsyncBroadcaster, arrived: Callable[[], list[str]]
    ) -> None:
        async def handler() -> None:
            broadcaster.publish("from an event loop")

        asyncio.run(handler())

        assert arrived() == ["from an event loop"]

    def test_async_code_publishes_in_one_event_loop_after_another(
        self, broadcaster: AsyncBroadcaster, arrived: Callable[[], list[str]]
    ) -> None:
        asyncio.run(broadcaster.apublish("first loop"))
        asyncio.run(broadcaster.apublish("second loop"))

        assert arrived() == ["first loop", "second loop"]

    def test_async_code_publishes_at_the_same_time(
        self, broadcaster: AsyncBroadcaster, arrived: Callable[[], list[str]]
    ) -> None:
        async def handler() -> None:
            await asyncio.gather(*(broadcaster.apublish(str(number)) for number in range(20)))

        asyncio.run(handler())

        assert sorted(arrived()) == sorted(str(number) for number in range(20))

    def test_publications_of_two_hundred_tasks_arrive_in_the_order_of_each(
        self, broadcaster: AsyncBroadcaster, arrived: Callable[[], list[str]]
    ) -> None:
        async def task(name: int) -> None:
            for number in range(10):
                await broadcaster.apublish(publication("s", [name, number]))

        async def handler() -> None:
            await asyncio.gather(*map(task, range(200)))

        asyncio.run(handler())

        seen = data_of(arrived())
        assert len(seen) == 2000
        for name in range(200):
            assert [each for each in seen if each[0] == name] == [[name, number] for number in range(10)]

    def test_a_large_publication_goes_among_small_ones(
        self, broadcaster: AsyncBroadcaster, arrived: Callable[[], list[str]]
    ) -> None:
        sizes = [10] * 30 + [900_000] + [10] * 30

        def publish(number: int) -> None:
            broadcaster.publish(publication("s", [number, "x" * sizes[number]]))

        async def handler() -> None:
            await asyncio.gather(
                *(broadcaster.apublish(publication("s", [number, "x" * size])) for number, size in enumerate(sizes))
            )

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(publish, range(len(sizes))))
        asyncio.run(handler())

        assert sorted(data_of(arrived())) == sorted([[number, "x" * size] for number, size in enumerate(sizes)] * 2)

    def test_one_that_is_cancelled_harms_no_other(
        self, broadcaster: AsyncBroadcaster, arrived: Callable[[], list[str]]
    ) -> None:
        async def handler() -> None:
            tasks = [asyncio.create_task(broadcaster.apublish(publication("s", number))) for number in range(50)]
            await asyncio.sleep(0)
            for task in tasks[1::5]:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert [each for each in outcomes if each and not isinstance(each, asyncio.CancelledError)] == []
            await broadcaster.apublish(publication("s", 50))

        asyncio.run(handler())

        seen = data_of(arrived())
        assert len(seen) == len(set(seen))
        assert set(seen) >= {number for number in range(51) if number % 5 != 1 or number == 50}

    def test_an_event_loop_that_ends_while_some_wait_stops_nobody_else(
        self, broadcaster: AsyncBroadcaster, arrived: Callable[[], list[str]]
    ) -> None:
        problems: list[object] = []

        async def ends() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))
            await broadcaster.apublish(publication("s", "first"))
            tasks = [asyncio.create_task(broadcaster.apublish(publication("s", "cut"))) for _ in range(50)]
            await asyncio.sleep(0)
            del tasks

        asyncio.run(ends())
        broadcaster.publish(publication("s", "from a thread"))
        asyncio.run(broadcaster.apublish(publication("s", "from another event loop")))

        assert problems == []
        kept = [each for each in data_of(arrived()) if each != "cut"]
        assert kept == ["first", "from a thread", "from another event loop"]

    def test_event_loops_in_several_threads_publish_at_the_same_time(
        self, broadcaster: AsyncBroadcaster, arrived: Callable[[], list[str]]
    ) -> None:
        async def handler(name: int) -> None:
            await asyncio.gather(*(broadcaster.apublish(publication("s", [name, number])) for number in range(50)))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: asyncio.run(handler(name)), range(4)))

        assert sorted(data_of(arrived())) == [[name, number] for name in range(4) for number in range(50)]

    def test_a_batch_stays_together_among_others(
        self, broadcaster: AsyncBroadcaster, arrived: Callable[[], list[str]]
    ) -> None:
        cable = Cable(Connection, broadcaster=broadcaster)

        def publish(thread: int) -> None:
            for number in range(20):
                with cable.batch():
                    for part in range(3):
                        cable.broadcast("s", [thread, number, part])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(publish, range(4)))

        seen = data_of(arrived())
        assert len(seen) == 240
        assert all(seen[start + 1][:2] == seen[start][:2] == seen[start + 2][:2] for start in range(0, 240, 3))
        assert [each[2] for each in seen] == [0, 1, 2] * 80


def data_of(payloads: list[str]) -> list[Any]:
    """Return the data of publications, in arrays or not."""
    read = [json.loads(payload) for payload in payloads]
    publications = [each for value in read for each in (value if isinstance(value, list) else [value])]
    return [json.loads(each["data"]) for each in publications]
