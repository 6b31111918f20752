"""10,000 publications while the server is killed and started again: none that was accepted is lost."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from redis import Redis

from anycable_rpc.broadcasters.grouped import GroupedBroadcaster
from anycable_rpc.broadcasters.http import HTTPBroadcaster
from anycable_rpc.broadcasters.nats import NATSBroadcaster
from anycable_rpc.broadcasters.redis import RedisStreamsBroadcaster
from anycable_rpc.errors import BroadcastFailed
from anycable_rpc.publishing.payloads import publication

from ..support.message_servers import Server, Subscriber, nats_server, recording_server, redis_server, running

COUNT = 10_000
KILLS = 3
PAYLOADS = [publication("s", number) for number in range(COUNT)]


def by_threads(broadcaster: GroupedBroadcaster, published: Callable[[], None]) -> None:
    def publish(payload: str) -> None:
        broadcaster.publish(payload)
        published()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(publish, PAYLOADS))


def by_tasks(broadcaster: GroupedBroadcaster, published: Callable[[], None]) -> None:
    async def some(first: int) -> None:
        for payload in PAYLOADS[first::200]:
            await broadcaster.apublish(payload)
            published()

    async def main() -> None:
        await asyncio.gather(*map(some, range(200)))

    asyncio.run(main())


BY = pytest.mark.parametrize("publish", [by_threads, by_tasks])
Publish = Callable[[GroupedBroadcaster, Callable[[], None]], None]


@contextmanager
def dying(server: Server) -> Generator[Callable[[], None]]:
    """Kill the server each time that another part of the publications is done, and start it again a moment later."""
    done = 0
    lock = threading.Lock()
    is_time = threading.Semaphore(0)

    def published() -> None:
        nonlocal done
        with lock:
            done += 1
            if done in {COUNT * (number + 1) // (KILLS + 2) for number in range(KILLS)}:
                is_time.release()

    def kill() -> None:
        for _ in range(KILLS):
            assert is_time.acquire(timeout=60)
            server.kill()
            server.start()

    killer = threading.Thread(target=kill)
    killer.start()
    yield published
    killer.join()


@BY
def test_none_is_lost_over_http(publish: Publish, tmp_path: Path) -> None:
    record = tmp_path / "record"
    with running(recording_server(record)) as server:
        broadcaster = HTTPBroadcaster(f"http://127.0.0.1:{server.port}/_broadcast")
        with dying(server) as published:
            publish(broadcaster, published)
        broadcaster.close()

    assert set(numbers(record.read_text().splitlines())) == set(range(COUNT))


@BY
def test_none_is_lost_on_redis_streams(publish: Publish, tmp_path: Path) -> None:
    # A Redis that writes each command to disk before it answers.
    with running(redis_server(tmp_path, "--appendonly", "yes", "--appendfsync", "always")) as server:
        broadcaster = RedisStreamsBroadcaster(f"redis://127.0.0.1:{server.port}", "st", max_len=10 * COUNT)
        with dying(server) as published:
            publish(broadcaster, published)
        broadcaster.close()
        with Redis(port=server.port) as client:
            entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", client.xrange("st"))

    assert set(numbers(fields[b"payload"].decode() for _, fields in entries)) == set(range(COUNT))


@BY
def test_nats_takes_all_although_those_who_listen_may_miss_some(publish: Publish, tmp_path: Path) -> None:
    with running(nats_server(tmp_path)) as server:
        broadcaster = NATSBroadcaster(f"nats://127.0.0.1:{server.port}")
        with dying(server) as published:
            publish(broadcaster, published)
        subscriber = Subscriber(server.port, "__anycable__")
        broadcaster.publish(publication("s", "after"))
        broadcaster.close()

        assert subscriber.payloads() == [publication("s", "after")]
        subscriber.close()


def test_a_server_that_stays_away_fails_all_that_wait_and_none_is_stuck(tmp_path: Path) -> None:
    with running(recording_server(tmp_path / "record")) as server:
        broadcaster = HTTPBroadcaster(f"http://127.0.0.1:{server.port}/_broadcast", deadline=0.5)
        broadcaster.publish(PAYLOADS[0])
        server.kill()

        with ThreadPoolExecutor(8) as pool:
            failures = list(pool.map(lambda payload: failure_of(broadcaster, payload), PAYLOADS[:32]))

        assert all(failure.transient and "no connection" in str(failure) for failure in failures)
        server.start()
        broadcaster.publish(PAYLOADS[0])
        broadcaster.close()


def failure_of(broadcaster: GroupedBroadcaster, payload: str) -> BroadcastFailed:
    with pytest.raises(BroadcastFailed) as caught:
        broadcaster.publish(payload)
    return caught.value


def numbers(payloads: object) -> Generator[int]:
    """Yield the data of publications, in arrays or not. A line that a crash has cut is left out."""
    for payload in cast("list[str]", payloads):
        try:
            value = json.loads(payload)
        except ValueError:
            continue
        for each in value if isinstance(value, list) else [value]:
            yield int(each["data"])
