"""The contract of broadcasters on real Redis and NATS servers, and the cases of each."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any, cast
from uuid import uuid4

import pytest
from redis import Redis

from anycable_rpc.broadcasters.adapters import Broadcaster
from anycable_rpc.broadcasters.http import HTTPBroadcaster
from anycable_rpc.broadcasters.nats import NATSBroadcaster
from anycable_rpc.broadcasters.redis import RedisBroadcaster, RedisStreamsBroadcaster
from anycable_rpc.errors import BroadcastFailed, ConfigurationError

from ..contract.broadcasters import BroadcasterContract
from ..support.broadcast_server import running as http_running
from ..support.message_servers import Server, Subscriber, nats_server, redis_server, running
from ..support.paths import PROJECT
from ..support.publishing_ways import WAYS, publishing

Entries = list[tuple[bytes, dict[bytes, bytes]]]
SENTINEL = "a-password-that-nobody-may-see"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(redis_server(tmp_path_factory.mktemp("redis"))) as server:
        yield server


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(nats_server(tmp_path_factory.mktemp("nats"))) as server:
        yield server


@pytest.fixture
def channel() -> str:
    return f"test-{uuid4().hex}"


def entries(port: int, channel: str) -> list[str]:
    with Redis(port=port) as client:
        return [fields[b"payload"].decode() for _, fields in cast("Entries", client.xrange(channel))]


class TestRedisBroadcaster(BroadcasterContract):
    @pytest.fixture
    def broadcaster(self, redis: Server, channel: str) -> Iterator[RedisBroadcaster]:
        broadcaster = RedisBroadcaster(f"redis://127.0.0.1:{redis.port}", channel)
        yield broadcaster
        broadcaster.close()

    @pytest.fixture
    def arrived(self, redis: Server, channel: str) -> Iterator[Callable[[], list[str]]]:
        with Redis(port=redis.port) as client, client.pubsub(ignore_subscribe_messages=True) as subscription:
            subscription.subscribe(channel)
            subscription.get_message(ignore_subscribe_messages=False, timeout=10)
            yield lambda: list(_until_end(client, subscription, channel))

    def test_a_channel_that_nobody_listens_to_is_warned_of_once(
        self, redis: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        broadcaster = RedisBroadcaster(f"redis://127.0.0.1:{redis.port}", "elsewhere")

        broadcaster.publish("1")
        broadcaster.publish("2")
        broadcaster.close()

        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warnings) == 1
        assert warnings[0].startswith(
            f"nobody listens to elsewhere at redis://127.0.0.1:{redis.port}: does anycable-go"
        )


def _until_end(client: Redis, subscription: object, channel: str) -> Iterator[str]:
    end = uuid4().hex
    client.publish(channel, end)
    while True:
        message = subscription.get_message(timeout=10)  # type: ignore[attr-defined]
        assert message, "Redis did not deliver what it took"
        if message["data"].decode() == end:
            return
        yield message["data"].decode()


class TestRedisStreamsBroadcaster(BroadcasterContract):
    @pytest.fixture
    def broadcaster(self, redis: Server, channel: str) -> Iterator[RedisStreamsBroadcaster]:
        broadcaster = RedisStreamsBroadcaster(f"redis://127.0.0.1:{redis.port}", channel)
        yield broadcaster
        broadcaster.close()

    @pytest.fixture
    def arrived(self, redis: Server, channel: str) -> Callable[[], list[str]]:
        return lambda: entries(redis.port, channel)

    def test_the_stream_is_trimmed(self, redis: Server, channel: str) -> None:
        broadcaster = RedisStreamsBroadcaster(f"redis://127.0.0.1:{redis.port}", channel, max_len=100)

        for number in range(1000):
            broadcaster.publish(str(number))
        broadcaster.close()

        kept = entries(redis.port, channel)
        assert 100 <= len(kept) <= 300
        assert kept[-1] == "999"

    def test_a_key_of_another_type_is_an_error(self, redis: Server, channel: str) -> None:
        broadcaster = RedisStreamsBroadcaster(f"redis://127.0.0.1:{redis.port}", channel)
        with Redis(port=redis.port) as client:
            client.set(channel, "a string")

        with pytest.raises(BroadcastFailed, match=r"it answered .*wrong kind of value") as caught:
            broadcaster.publish("{}")
        broadcaster.close()

        assert not caught.value.transient


def threads_of_nats() -> int:
    return sum(thread.name == "anycable_rpc nats" for thread in threading.enumerate())


class TestNATSBroadcaster(BroadcasterContract):
    @pytest.fixture
    def broadcaster(self, nats: Server, channel: str) -> Iterator[NATSBroadcaster]:
        broadcaster = NATSBroadcaster(f"nats://127.0.0.1:{nats.port}", channel)
        yield broadcaster
        broadcaster.close()

    @pytest.fixture
    def arrived(self, nats: Server, channel: str) -> Iterator[Callable[[], list[str]]]:
        subscriber = Subscriber(nats.port, channel)
        yield subscriber.payloads
        subscriber.close()

    def test_a_payload_beyond_the_limit_is_an_error(self, tmp_path: Path) -> None:
        with running(nats_server(tmp_path, max_payload=1000)) as server:
            broadcaster = NATSBroadcaster(f"nats://127.0.0.1:{server.port}")
            with pytest.raises(BroadcastFailed, match="larger than NATS accepts"):
                broadcaster.publish("x" * 1001)
            broadcaster.publish("x" * 1000)
            broadcaster.close()

    def test_threads_that_publish_first_at_the_same_time_share_one_thread_of_nats(
        self, broadcaster: NATSBroadcaster, arrived: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        together = threading.Barrier(8)
        carrier = broadcaster._carrier

        def carrier_at_the_same_time() -> Any:
            together.wait(10)
            return carrier()

        monkeypatch.setattr(broadcaster, "_carrier", carrier_at_the_same_time)
        before = threads_of_nats()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(broadcaster.publish, "abcdefgh"))

        assert threads_of_nats() == before + 1
        assert sorted(arrived()) == list("abcdefgh")

    def test_after_close_a_new_thread_starts(
        self, broadcaster: NATSBroadcaster, arrived: Callable[[], list[str]]
    ) -> None:
        before = threads_of_nats()
        broadcaster.publish("a")
        broadcaster.close()
        assert threads_of_nats() == before
        broadcaster.publish("b")

        assert arrived() == ["a", "b"]

    def test_the_second_server_takes_over(self, nats: Server, channel: str) -> None:
        subscriber = Subscriber(nats.port, channel)
        broadcaster = NATSBroadcaster(f"nats://127.0.0.1:9, nats://127.0.0.1:{nats.port}", channel)

        broadcaster.publish("{}")
        broadcaster.close()

        assert subscriber.payloads() == ["{}"]
        subscriber.close()


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Publish from sync and from async code."""
    with publishing(request.param, monkeypatch):
        yield request.param


@pytest.fixture(params=["redis", "redisx", "nats"])
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def own_server(adapter: str, tmp_path: Path) -> Iterator[Server]:
    """A server for tests that stop it."""
    with running(nats_server(tmp_path) if adapter == "nats" else redis_server(tmp_path)) as server:
        yield server


Made = RedisBroadcaster | RedisStreamsBroadcaster | NATSBroadcaster
MAKE: dict[str, type[Made]] = {
    "redis": RedisBroadcaster,
    "redisx": RedisStreamsBroadcaster,
    "nats": NATSBroadcaster,
}


def url(adapter: str, port: int, user: str = "") -> str:
    return f"{'nats' if adapter == 'nats' else 'redis'}://{user}127.0.0.1:{port}"


@pytest.fixture
def broadcaster(adapter: str, own_server: Server) -> Iterator[Made]:
    broadcaster = MAKE[adapter](url(adapter, own_server.port))
    yield broadcaster
    broadcaster.close()


@pytest.mark.usefixtures("way")
class TestOutages:
    def test_after_a_restart_the_next_publication_goes_through(self, broadcaster: Made, own_server: Server) -> None:
        broadcaster.publish("before")
        own_server.stop()
        own_server.start()

        broadcaster.publish("after")

    def test_a_server_that_restarts_meanwhile_gets_the_payload(self, broadcaster: Made, own_server: Server) -> None:
        broadcaster.publish("before")
        own_server.stop()
        back = threading.Timer(0.3, own_server.start)
        back.start()

        broadcaster.publish("meanwhile")
        back.join()

    def test_a_stopped_server_is_named_in_time_and_works_later(self, broadcaster: Made, own_server: Server) -> None:
        own_server.stop()
        began = monotonic()

        with pytest.raises(
            BroadcastFailed, match=f"cannot publish to .*127.0.0.1:{own_server.port}.*: no connection"
        ) as caught:
            broadcaster.publish("{}")

        assert monotonic() - began < 5
        assert caught.value.transient
        own_server.start()
        broadcaster.publish("{}")

    def test_a_server_that_does_not_answer_is_given_up_in_time(self, adapter: str) -> None:
        with http_running() as silent:
            silent.released.clear()
            broadcaster = MAKE[adapter](url(adapter, silent.port), deadline=1)
            began = monotonic()

            with pytest.raises(BroadcastFailed):
                broadcaster.publish("{}")
            broadcaster.close()
            silent.released.set()

        assert monotonic() - began < 5


class TestClose:
    """Closing while others publish."""

    def test_it_harms_no_publication_of_other_threads(self, broadcaster: Made) -> None:
        def publish(number: int) -> None:
            broadcaster.publish(str(number))
            if not number % 20:
                broadcaster.close()

        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(publish, range(600)))

        assert outcomes == [None] * 600

    def test_it_harms_no_publication_of_other_tasks(self, broadcaster: Made) -> None:
        async def publish(number: int) -> None:
            await broadcaster.apublish(str(number))
            if not number % 100:
                broadcaster.close()

        async def main() -> list[None]:
            return await asyncio.gather(*map(publish, range(600)))

        assert asyncio.run(main()) == [None] * 600

    def test_it_loses_none_on_redis_streams(self, redis: Server, channel: str) -> None:
        broadcaster = RedisStreamsBroadcaster(f"redis://127.0.0.1:{redis.port}", channel, max_len=10_000)

        def publish(number: int) -> None:
            broadcaster.publish(str(number))
            if not number % 20:
                broadcaster.close()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(publish, range(1000)))
        broadcaster.close()

        assert sorted(entries(redis.port, channel)) == sorted(map(str, range(1000)))


class TestProcesses:
    def run(self, broadcaster: Made, script: str, port: int, adapter: str) -> subprocess.CompletedProcess[str]:
        module = "nats" if adapter == "nats" else "redis"
        lines = ["import asyncio, os, sys", f"from anycable_rpc.broadcasters.{module} import *"]
        lines += [f"broadcaster = {type(broadcaster).__name__}(sys.argv[1])", *script.splitlines()]
        return subprocess.run(
            [sys.executable, "-c", "\n".join(lines), url(adapter, port)],
            cwd=PROJECT, check=True, timeout=30, capture_output=True, text=True,
        )  # fmt: skip

    def test_a_plain_script_publishes_and_ends_in_silence(
        self, broadcaster: Made, own_server: Server, adapter: str
    ) -> None:
        done = self.run(
            broadcaster, "broadcaster.publish('1')\nassert 'grpc' not in sys.modules", own_server.port, adapter
        )

        assert [line for line in (done.stdout + done.stderr).splitlines() if "nobody listens" not in line] == []

    def test_a_forked_child_and_its_parent_both_publish(
        self, broadcaster: Made, own_server: Server, adapter: str
    ) -> None:
        script = (
            "broadcaster.publish('parent')\n"
            "child = os.fork()\n"
            "broadcaster.publish('parent again' if child else 'child')\n"
            "asyncio.run(broadcaster.apublish('later'))\n"
            "if not child: os._exit(0)\n"
            "assert os.waitpid(child, 0)[1] == 0\n"
            "broadcaster.publish('parent at last')\n"
        )

        self.run(broadcaster, script, own_server.port, adapter)

        if adapter == "redisx":
            arrived = sorted(entries(own_server.port, "__anycable__"))
            assert arrived == ["child", "later", "later", "parent", "parent again", "parent at last"]


class TestMany:
    """10,000 publications of 8 threads."""

    def publish(self, broadcaster: Broadcaster) -> list[str]:
        def some(thread: int) -> None:
            for number in range(1250):
                broadcaster.publish(f"{thread}/{number}")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(some, range(8)))
        return sorted(f"{thread}/{number}" for thread in range(8) for number in range(1250))

    def test_none_is_lost_on_redis_streams(self, redis: Server, channel: str) -> None:
        broadcaster = RedisStreamsBroadcaster(f"redis://127.0.0.1:{redis.port}", channel)

        published = self.publish(broadcaster)
        broadcaster.close()

        assert sorted(entries(redis.port, channel)) == published

    def test_none_is_lost_over_http(self) -> None:
        with http_running() as server:
            broadcaster = HTTPBroadcaster(server.url)
            published = self.publish(broadcaster)
            broadcaster.close()

            assert sorted(server.payloads) == published


@pytest.mark.usefixtures("way")
class TestSecrets:
    def test_a_wrong_password_is_named_and_not_shown(self, tmp_path: Path, adapter: str) -> None:
        users = 'authorization { user: me, password: "right" }'
        server = nats_server(tmp_path, users=users) if adapter == "nats" else redis_server(
            tmp_path, "--requirepass", "right"
        )  # fmt: skip
        with running(server):
            broadcaster = MAKE[adapter](url(adapter, server.port, f"me:{SENTINEL}@"))
            with pytest.raises(BroadcastFailed, match="authentication failed: check") as caught:
                broadcaster.publish("{}")
            broadcaster.close()

            assert SENTINEL not in f"{caught.value}{caught.value.address}{broadcaster!r}"
            user = "me" if adapter == "nats" else ""
            good = MAKE[adapter](url(adapter, server.port, f"{user}:right@"))
            good.publish("{}")
            good.close()

    @pytest.mark.parametrize("made", [*MAKE.values()])
    @pytest.mark.parametrize(
        "address",
        ["", "x", f"http://u:{SENTINEL}@h", f"redis://u:{SENTINEL}@h:x", f"nats://u:{SENTINEL}@h:99999", "\0"],
    )
    def test_a_url_that_cannot_be_used_is_not_shown(self, made: type[Made], address: str) -> None:
        with pytest.raises(ConfigurationError, match=r"ANYCABLE_(REDIS_URL|NATS_SERVERS)") as caught:
            made(address)

        assert SENTINEL not in str(caught.value)
