"""Publications and remote commands through Redis and NATS, to clients of a real anycable-go."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Semaphore

import pytest

from anycable_rpc import Cable
from anycable_rpc.settings.model import Settings
from app_example.chat import ChatConnection

from ..support.message_servers import Server, cluster, nats_server, redis_server, redis_version, running, sentinels
from .client import Client
from .processes import free_port
from .servers import SECRET, anycable_go_version, outside, running_anycable_go, running_rpc_server

pytestmark = pytest.mark.usefixtures("anycable_go_binary")


@contextmanager
def served(adapter: str, folder: Path) -> Generator[tuple[str, Cable]]:
    """Run anycable-go with this adapter alone; yield its WebSocket and a cable that publishes by the adapter."""
    with running(nats_server(folder) if adapter == "nats" else redis_server(folder)) as messages:
        own = {
            "redis_url": f"redis://127.0.0.1:{messages.port}",
            "nats_servers": f"nats://127.0.0.1:{messages.port}",
        }
        with served_by(adapter, **own) as (socket, cable):
            yield socket, cable


@contextmanager
def served_by(adapter: str, **own: str) -> Generator[tuple[str, Cable]]:
    """Do the same as `served`, with message servers that run already and settings for both sides."""
    server, rpc_host = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    own = {"broadcast_adapter": adapter, **own}
    variables = {f"ANYCABLE_{name.upper()}": value for name, value in own.items()}
    with (
        running_rpc_server(server, rpc_host, **variables),
        running_anycable_go(server, rpc_host, adapter=adapter, **variables),
    ):
        yield f"ws://{server}/cable", Cable(ChatConnection, settings=Settings(secret=SECRET, **own))


@pytest.mark.parametrize("adapter", ["redis", "redisx", "nats"])
def test_a_publication_and_a_remote_disconnect_arrive(adapter: str, tmp_path: Path) -> None:
    with served(adapter, tmp_path) as (socket, cable), Client(socket, cookie="Ada") as client:
        client.enter("lobby")

        cable.broadcast("chat/lobby", {"text": "from outside", "more": [1, "2", None]})
        assert client.hears("from outside") == {"text": "from outside", "more": [1, "2", None]}

        cable.disconnect(user="Ada")
        assert client.wait_for_type("disconnect")["reason"] == "remote"


def arrives(socket: str, cable: Cable) -> None:
    with Client(socket, cookie="Ada") as client:
        client.enter("lobby")

        cable.broadcast("chat/lobby", {"text": "from outside"})

        assert client.hears("from outside") == {"text": "from outside"}


def test_the_stream_is_the_one_that_this_version_reads_and_somebody_reads_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = "redisx_stream" if anycable_go_version() >= (1, 6) else "redis_channel"
    with (
        running(redis_server(tmp_path)) as redis,
        served_by("redisx", redis_url=f"redis://127.0.0.1:{redis.port}", **{name: "st"}) as (socket, cable),
    ):
        arrives(socket, cable)

    assert not [line for line in caplog.messages if "nobody listens" in line]


@pytest.mark.parametrize("adapter", ["redis", "redisx"])
def test_a_publication_arrives_through_the_primary_that_sentinels_name(adapter: str, tmp_path: Path) -> None:
    with sentinels(tmp_path) as (_, ports):
        addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
        with served_by(adapter, redis_url="redis://MyMaster", redis_sentinels=addresses) as (socket, cable):
            arrives(socket, cable)


@pytest.mark.parametrize("adapter", ["redis", "redisx"])
def test_a_publication_arrives_through_a_cluster(
    adapter: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if redis_version() < (7, 0):
        pytest.skip("the redis-server here is older than 7, which has no --cluster-port: apt-get install redis-server")
    if adapter == "redis" and anycable_go_version() < (1, 6):
        pytest.skip("the redis adapter of this anycable-go takes one URL only: use 1.6 or later")
    with cluster(tmp_path) as ports:
        url = ",".join(f"redis://127.0.0.1:{port}" for port in ports)
        with served_by(adapter, redis_url=url) as (socket, cable):
            arrives(socket, cable)

    assert not [line for line in caplog.messages if "nobody listens" in line]


def test_an_integer_beyond_a_double_is_rounded_on_its_way(tmp_path: Path) -> None:
    with served("redis", tmp_path) as (socket, cable), Client(socket, cookie="Ada") as client:
        client.enter("lobby")

        cable.broadcast("chat/lobby", {"text": "big", "exact": 2**53, "id": 1285704473650888702})

        assert client.hears("big") == {"text": "big", "exact": 2**53, "id": 1285704473650888700}


@contextmanager
def served_over(adapter: str, folder: Path) -> Generator[tuple[str, Cable]]:
    """Do the same as `served`, also over HTTP."""
    if adapter != "http":
        with served(adapter, folder) as both:
            yield both
        return
    server, rpc_host = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    with running_rpc_server(server, rpc_host), running_anycable_go(server, rpc_host):
        yield f"ws://{server}/cable", outside(server)


@pytest.mark.parametrize("adapter", ["http", "redis", "redisx", "nats"])
def test_publications_in_groups_arrive_once_and_in_the_order_of_their_callers(adapter: str, tmp_path: Path) -> None:
    with served_over(adapter, tmp_path) as (socket, cable), Client(socket, cookie="Ada") as client:
        client.enter("lobby")

        def publish(thread: int) -> None:
            for number in range(30):
                cable.broadcast("chat/lobby", {"from": ["thread", thread], "number": number})

        async def apublish(task: int) -> None:
            for number in range(10):
                await cable.abroadcast("chat/lobby", {"from": ["task", task], "number": number})

        async def tasks() -> None:
            await asyncio.gather(*map(apublish, range(30)))

        with ThreadPoolExecutor(9) as pool:
            list(pool.map(publish, range(8)))
        asyncio.run(tasks())
        cable.broadcast("chat/lobby", {"text": "the last"})
        client.hears("the last")

        heard = [message["message"] for message in client.received if "from" in (message.get("message") or {})]
    for kind, callers, count in (("thread", 8, 30), ("task", 30, 10)):
        for caller in range(callers):
            numbers = [message["number"] for message in heard if message["from"] == [kind, caller]]
            assert numbers == list(range(count)), (kind, caller)


def test_no_publication_fails_while_anycable_go_is_killed_and_started_again(
    anycable_go_binary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYCABLE_SECRET", SECRET)
    monkeypatch.setenv("ANYCABLE_DISABLE_TELEMETRY", "true")
    port, rpc_host = free_port(), f"127.0.0.1:{free_port()}"
    server = f"127.0.0.1:{port}"
    options = ["--host=127.0.0.1", f"--port={port}", f"--rpc_host={rpc_host}", "--broadcast_adapter=http"]
    anycable_go = Server([anycable_go_binary, *options], port)
    with running_rpc_server(server, rpc_host), running(anycable_go):
        cable = outside(server)
        published = Semaphore(0)

        def publish(thread: int) -> None:
            for number in range(1250):
                cable.broadcast("chat/lobby", {"from": thread, "number": number})
                published.release()

        with ThreadPoolExecutor(8) as pool:
            publishing = [pool.submit(publish, thread) for thread in range(8)]
            for _ in range(2):
                for _ in range(2500):
                    assert published.acquire(timeout=60)
                anycable_go.kill()
                anycable_go.start()
            assert [each.result(60) for each in publishing] == [None] * 8

        arrives(f"ws://{server}/cable", cable)
