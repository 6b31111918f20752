"""Publications and remote commands through Redis and NATS, to clients of a real anycable-go."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anycable_rpc import Cable
from anycable_rpc.settings.model import Settings
from app_example.chat import ChatConnection

from ..support.message_servers import cluster, nats_server, redis_server, redis_version, running, sentinels
from .client import Client
from .processes import free_port
from .servers import SECRET, anycable_go_version, running_anycable_go, running_rpc_server

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
