"""Publications and remote commands through Redis and NATS, to clients of a real anycable-go."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anycable_rpc import Cable
from anycable_rpc.settings import Settings
from app_example.chat import ChatConnection

from ..message_servers import nats_server, redis_server, running
from .client import Client
from .processes import free_port
from .servers import SECRET, running_anycable_go, running_rpc_server

pytestmark = pytest.mark.usefixtures("anycable_go_binary")


@contextmanager
def served(adapter: str, folder: Path) -> Generator[tuple[str, Cable]]:
    """anycable-go that hears of publications by the adapter alone, and a cable that publishes by it."""
    with running(nats_server(folder) if adapter == "nats" else redis_server(folder)) as messages:
        server, rpc_host = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        own = {
            "broadcast_adapter": adapter,
            "redis_url": f"redis://127.0.0.1:{messages.port}",
            "nats_servers": f"nats://127.0.0.1:{messages.port}",
        }
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
