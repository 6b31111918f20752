"""The features of channels, with AnyCable's client in Node, through the gateway and through anycable-go."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anycable_rpc import Cable
from anycable_rpc.settings.model import Settings

from . import servers
from .features import User
from .processes import Program, free_port
from .servers import SECRET, anycable_go_version, broadcast_url

APP = {"ANYCABLE_APP": "tests.e2e.features:cable"}
OPTIONS = {"ANYCABLE_PUBLIC_STREAMS": "true", "ANYCABLE_PRESENCE_TTL": "1"}
PATIENCE = 60
STEPS = [
    "presence",
    "middleware and state",
    "streams of objects",
    "whisper",
    "others and batch",
    "transient",
    "resumed",
    "public stream",
    "signed stream",
    "forged stream",
    "left",
]


def steps(way: str) -> list[str]:
    """Return the steps of the client. A client with a token does not call `connect`, so the app cannot refuse it."""
    return [*STEPS[:-1], "refused with a reason", STEPS[-1]] if way == "connect" else STEPS


@contextmanager
def gateway() -> Generator[str]:
    with servers.gateway(0, **APP, **OPTIONS) as chat:
        yield chat.server


@contextmanager
def anycable_go() -> Generator[str]:
    server, rpc_host = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    broker = {"ANYCABLE_BROKER": "memory"}
    with (
        servers.running_rpc_server(server, rpc_host, **APP),
        servers.running_anycable_go(server, rpc_host, **broker, **OPTIONS),
    ):
        yield server


@pytest.mark.parametrize("way", ["connect", "token"])
def test_through_the_gateway(node: str, node_clients: Path, way: str) -> None:
    with gateway() as server:
        assert run(server, [node, str(node_clients / "features.mjs")], way) == steps(way)


@pytest.mark.parametrize("way", ["connect", "token"])
def test_through_anycable_go(anycable_go_binary: str, node: str, node_clients: Path, way: str) -> None:
    if anycable_go_version() < (1, 6):
        pytest.skip("presence came with anycable-go 1.6")
    with anycable_go() as server:
        assert run(server, [node, str(node_clients / "features.mjs")], way) == steps(way)


def run(server: str, command: list[str], way: str) -> list[str]:
    """Run the client to its end and return the steps that it completed."""
    cable = Cable(User, settings=Settings(secret=SECRET, http_broadcast_url=broadcast_url(server)))
    signed = cable.signed_stream_name("signed news")
    client = Program(
        command,
        {
            "SOCKET": f"ws://{server}/cable",
            "BROADCAST": broadcast_url(server),
            "BROADCAST_KEY": cable.settings.keys.broadcast or "",
            "WAY": way,
            "TOKENS": json.dumps({user: cable.token(user=user) for user in ("ada", "grace")}),
            "SIGNED": signed,
            "FORGED": signed[:-1] + ("0" if signed[-1] != "0" else "1"),
        },
    )
    client.expect_exit(0, PATIENCE)
    return [line.removeprefix("ok ") for line in client.lines if line.startswith("ok ")]
