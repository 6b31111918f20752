"""Redis with Sentinels and Redis Cluster, on real servers; and streams and channels that nobody reads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from redis import Redis, RedisCluster

from anycable_rpc.broadcasters import redis_clients, redis_listeners
from anycable_rpc.broadcasters.adapters import broadcaster_for
from anycable_rpc.broadcasters.redis import RedisBroadcaster, RedisStreamsBroadcaster
from anycable_rpc.errors import BroadcastFailed, ConfigurationError
from anycable_rpc.settings.model import load

from ..support.message_servers import cluster, redis_server, redis_version, running, sentinels
from ..support.publishing_ways import WAYS, publishing

SECRET = "a-password-that-nobody-may-see"
Made = RedisBroadcaster | RedisStreamsBroadcaster
BOTH = pytest.mark.parametrize("made", [RedisBroadcaster, RedisStreamsBroadcaster])


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Publish from sync and from async code."""
    with publishing(request.param, monkeypatch):
        yield request.param


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    if redis_version() < (7, 0):
        pytest.skip("the redis-server here is older than 7, which has no --cluster-port: apt-get install redis-server")
    with cluster(tmp_path_factory.mktemp("cluster")) as ports:
        yield ports


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def entries(port: int, stream: str) -> list[str]:
    with Redis(port=port) as client:
        found = cast("list[tuple[bytes, dict[bytes, bytes]]]", client.xrange(stream))
        return [fields[b"payload"].decode() for _, fields in found]


class TestSentinel:
    def test_publications_follow_the_primary_through_a_failover(self, tmp_path: Path) -> None:
        with sentinels(tmp_path) as (primary, ports):
            addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
            broadcaster = RedisStreamsBroadcaster("redis://MyMaster/0", "st", sentinels=addresses, deadline=20)
            broadcaster.publish("before")
            asyncio.run(broadcaster.apublish("before, by async code"))
            assert entries(primary.port, "st") == ["before", "before, by async code"]

            primary.stop()
            broadcaster.publish("after")

            with Redis(port=ports[0]) as sentinel:
                _, port = cast(
                    "list[bytes]", sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "MyMaster")
                )
            assert int(port) != primary.port
            assert entries(int(port), "st")[-1] == "after"
            broadcaster.close()

    def test_the_primary_and_a_sentinel_have_passwords_of_their_own(self, tmp_path: Path) -> None:
        options = ["--requirepass", "p1", "--masterauth", "p1"]
        with sentinels(tmp_path, *options, password="p1") as (primary, ports):
            addresses = f":s1@127.0.0.1:9,:s1@127.0.0.1:{ports[1]}"
            settings = load(broadcast_adapter="redisx", redis_url="redis://:p1@MyMaster/3", redis_sentinels=addresses)
            broadcaster = broadcaster_for(settings)
            broadcaster.publish("{}")

            with Redis(port=primary.port, password="p1", db=3) as client:
                assert client.xlen("__anycable__") == 1

    def test_a_name_that_no_sentinel_knows_says_so(self, tmp_path: Path) -> None:
        with sentinels(tmp_path) as (_, ports):
            broadcaster = RedisBroadcaster("redis://mymaster", sentinels=f"127.0.0.1:{ports[0]}", deadline=1)

            with pytest.raises(BroadcastFailed, match="no Sentinel knows a primary of that name") as caught:
                broadcaster.publish("{}")

            assert f"redis://mymaster (Sentinels: 127.0.0.1:{ports[0]})" in str(caught.value)

    @pytest.mark.parametrize("url", ["redis://a,redis://b", "unix:///a"])
    def test_a_url_that_names_no_primary_is_refused(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match="the host of the URL is the Sentinels' name"):
            RedisBroadcaster(url, sentinels="localhost:26379")

    def test_no_password_is_shown(self) -> None:
        sentinel = f":{SECRET}@localhost:26379,redis://u:{SECRET}@[::1]:26379"

        broadcaster = RedisBroadcaster(f"rediss://u:{SECRET}@Primary/2", sentinels=sentinel)

        assert broadcaster.address == "rediss://Primary (Sentinels: localhost:26379,[::1]:26379)"

    def test_tls_is_spoken_with_those_whose_url_asks_for_it(self) -> None:
        client = redis_clients.client("rediss://u:p@m/2", "a:1,rediss://:q@b:2", 1)

        assert isinstance(client, Redis)
        pool = client.connection_pool
        assert pool.connection_class.__name__ == "SentinelManagedSSLConnection"
        assert (pool.connection_kwargs["db"], pool.connection_kwargs["ssl_check_hostname"]) == (2, True)
        plain, encrypted = pool.sentinel_manager.sentinels  # type: ignore[attr-defined]
        assert plain.connection_pool.connection_class.__name__ == "Connection"
        assert encrypted.connection_pool.connection_class.__name__ == "SSLConnection"
        assert encrypted.connection_pool.connection_kwargs["password"] == "q"


@pytest.mark.usefixtures("way")
class TestCluster:
    @BOTH
    def test_publications_reach_the_node_that_has_the_slot(
        self, made: type[Made], nodes: list[int], caplog: pytest.LogCaptureFixture
    ) -> None:
        url = ",".join(f"redis://127.0.0.1:{port}" for port in nodes)
        with RedisCluster.from_url(f"redis://127.0.0.1:{nodes[0]}") as client:
            subscription = client.pubsub()
            subscription.subscribe("__anycable__")
            for _ in range(9):
                name = f"s-{uuid4().hex}" if made is RedisStreamsBroadcaster else "__anycable__"
                broadcaster = made(url, name)
                broadcaster.publish("1")
                asyncio.run(broadcaster.apublish("2"))
                broadcaster.close()
                broadcaster.publish("3")
                broadcaster.close()
                if made is RedisStreamsBroadcaster:
                    assert client.xlen(name) == 3
            if made is RedisBroadcaster:
                got = [subscription.get_message(timeout=5) for _ in range(28)]
                assert [message["data"] for message in got if message and message["type"] == "message"] == [
                    *[b"1", b"2", b"3"] * 9
                ]
                assert warnings(caplog) == []
            subscription.close()

    def test_a_channel_of_a_cluster_that_nobody_listens_to_is_warned_of_once(
        self, nodes: list[int], caplog: pytest.LogCaptureFixture
    ) -> None:
        broadcaster = RedisBroadcaster(f"redis://127.0.0.1:{nodes[0]},127.0.0.1:{nodes[1]}", "elsewhere")

        broadcaster.publish("1")
        broadcaster.publish("2")
        broadcaster.close()

        assert [line[:30] for line in warnings(caplog)] == ["nobody listens to elsewhere at"]

    def test_the_other_nodes_are_asked_where_one_is_gone(self, nodes: list[int]) -> None:
        broadcaster = RedisStreamsBroadcaster(f"redis://127.0.0.1:9,redis://127.0.0.1:{nodes[2]}", "st")

        broadcaster.publish("1")
        broadcaster.close()

    def test_a_redis_that_is_no_cluster_says_so(self, tmp_path: Path) -> None:
        with running(redis_server(tmp_path)) as alone:
            broadcaster = RedisBroadcaster(f"redis://127.0.0.1:9,redis://127.0.0.1:{alone.port}", deadline=1)

            with pytest.raises(BroadcastFailed, match="no cluster answers: do these servers run with cluster-enabled"):
                broadcaster.publish("{}")
            broadcaster.close()

    def test_addresses_are_shown_without_passwords_and_a_comma_may_be_in_one(self) -> None:
        several = redis_clients.address(f"redis://u:{SECRET},x@a,rediss://u:{SECRET}@b:1")

        assert several == "redis://a:6379,rediss://b:1"
        assert redis_clients.address(f"redis://:{SECRET},x@a:1/2") == "redis://a:1/2"
        with pytest.raises(ConfigurationError):
            redis_clients.address("redis://a,unix:///b")


@pytest.mark.usefixtures("way")
class TestReaders:
    def test_a_stream_that_nobody_reads_is_warned_of_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with running(redis_server(tmp_path)) as server, Redis(port=server.port) as client:
            broadcaster = RedisStreamsBroadcaster(f"redis://127.0.0.1:{server.port}", "st")
            broadcaster.publish("1")
            broadcaster.publish("2")
            assert warnings(caplog) == [
                f"nobody listens to st at redis://127.0.0.1:{server.port}: does anycable-go run with "
                "--broadcast_adapter=redisx and the same --redis_url and --redisx_stream (before 1.6: --redis_channel)?"
            ]

            client.xgroup_create("st", "bx", "0")
            client.xreadgroup("bx", "consumer", {"st": ">"})
            monkeypatch.setattr(redis_listeners, "_BETWEEN_CHECKS", 0)
            heard = RedisStreamsBroadcaster(f"redis://127.0.0.1:{server.port}", "st")
            heard.publish("3")
            assert len(warnings(caplog)) == 1

            client.xgroup_delconsumer("st", "bx", "consumer")
            heard.publish("4")
            assert len(warnings(caplog)) == 2
            broadcaster.close()
            heard.close()

    def test_readers_are_looked_for_once_a_minute_and_not_each_time(self, tmp_path: Path) -> None:
        with running(redis_server(tmp_path)) as server, Redis(port=server.port) as client:
            broadcaster = RedisStreamsBroadcaster(f"redis://127.0.0.1:{server.port}", "st")

            for _ in range(20):
                broadcaster.publish("{}")
            broadcaster.close()

            statistics = client.info("commandstats").items()
            assert [value["calls"] for name, value in statistics if name.startswith("cmdstat_xinfo")] == [1]

    def test_a_user_who_may_only_write_publishes(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with running(redis_server(tmp_path, "--user", *["w", "on", ">p", "~*", "+xadd", "+client"])) as server:
            broadcaster = RedisStreamsBroadcaster(f"redis://w:p@127.0.0.1:{server.port}", "st")

            broadcaster.publish("{}")
            broadcaster.close()

            assert entries(server.port, "st") == ["{}"]
        assert warnings(caplog) == []

    @pytest.mark.parametrize(
        ("given", "stream"),
        [
            ({}, "__anycable__"),
            ({"redis_channel": "old"}, "old"),
            ({"redisx_stream": "st"}, "st"),
            ({"redis_channel": "old", "redisx_stream": "st"}, "st"),
        ],
    )
    def test_the_stream_has_a_setting_that_falls_back_to_the_channel(
        self, given: dict[str, str], stream: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in given.items():
            monkeypatch.setenv(f"ANYCABLE_{name.upper()}", value)

        broadcaster = broadcaster_for(load(broadcast_adapter="redisx"))

        assert isinstance(broadcaster, RedisStreamsBroadcaster)
        assert broadcaster.channel == stream


def test_passwords_in_addresses_of_settings_are_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(redis_sentinels=f":{SECRET}@a:1, :{SECRET}@b:x")

    assert SECRET not in str(caught.value)
