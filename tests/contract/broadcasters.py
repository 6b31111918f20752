"""The contract of every broadcaster, as test cases: subclass them where they run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import pytest

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
