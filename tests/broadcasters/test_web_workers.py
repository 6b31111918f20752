"""Broadcasts of gunicorn's workers, forked from a process that has already broadcast."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import redis

from ..e2e.processes import Program, free_port, running
from ..support.broadcast_server import running as running_http
from ..support.message_servers import Subscriber, nats_server, redis_server
from ..support.message_servers import running as running_server

Heard = Callable[[], list[str]]
REQUESTS = 40
PATIENCE = 20.0


@contextmanager
def over_http(folder: Path) -> Generator[tuple[dict[str, str], Heard]]:
    with running_http() as server:
        server.answers = [201] * (REQUESTS + 10)
        url = f"http://127.0.0.1:{server.port}/_broadcast"
        yield {"ANYCABLE_HTTP_BROADCAST_URL": url}, lambda: server.publications


@contextmanager
def over_redis(folder: Path) -> Generator[tuple[dict[str, str], Heard]]:
    with running_server(redis_server(folder)) as server, redis.Redis(port=server.port) as client:
        heard: list[str] = []
        with client.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe("__anycable__")
            channel.get_message(timeout=PATIENCE)

            def listen() -> list[str]:
                while message := channel.get_message(timeout=0.2):
                    heard.append(message["data"].decode())
                return heard

            yield {"ANYCABLE_REDIS_URL": f"redis://127.0.0.1:{server.port}"}, listen


@contextmanager
def over_redisx(folder: Path) -> Generator[tuple[dict[str, str], Heard]]:
    with running_server(redis_server(folder)) as server, redis.Redis(port=server.port) as client:

        def kept() -> list[str]:
            entries: Any = client.xrange("__anycable__")
            return [fields[b"payload"].decode() for _, fields in entries]

        yield {"ANYCABLE_REDIS_URL": f"redis://127.0.0.1:{server.port}"}, kept


@contextmanager
def over_nats(folder: Path) -> Generator[tuple[dict[str, str], Heard]]:
    with running_server(nats_server(folder)) as server:
        subscriber = Subscriber(server.port, "__anycable__")
        try:
            yield {"ANYCABLE_NATS_SERVERS": f"nats://127.0.0.1:{server.port}"}, subscriber.payloads
        finally:
            subscriber.close()


WAYS = {"http": over_http, "redis": over_redis, "redisx": over_redisx, "nats": over_nats}


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs a system that forks")
@pytest.mark.parametrize("adapter", WAYS)
def test_all_broadcasts_of_forked_workers_arrive(adapter: str, tmp_path: Path) -> None:
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "tests.support.web_workers:app"),
        *("--preload", "--workers=2", "--threads=4", f"--bind=127.0.0.1:{port}", "--graceful-timeout=5"),
    ]
    with WAYS[adapter](tmp_path) as (variables, heard):
        with running(command, {"ANYCABLE_BROADCAST_ADAPTER": adapter, **variables}) as gunicorn:
            gunicorn.wait_until_it_listens(port)
            workers = ask(port, [f"/{mode}/{number}" for number in range(REQUESTS // 2) for mode in ("sync", "async")])
        loaded, *texts = (json.loads(json.loads(payload)["data"]) for payload in heard())

        assert sorted(texts) == sorted(str(number) for number in range(REQUESTS // 2) for _ in range(2))
        assert loaded.removeprefix("loaded ") not in workers
        assert_quiet(gunicorn)


def ask(port: int, paths: list[str]) -> set[str]:
    """Request each path once, eight at a time, and return the responses."""
    with ThreadPoolExecutor(8) as threads:
        return set(threads.map(lambda path: answer(port, path), paths))


def answer(port: int, path: str) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read().decode()
        assert response.status == 200, text
        return text
    finally:
        connection.close()


def assert_quiet(gunicorn: Program) -> None:
    """Assert that gunicorn has printed no error."""
    output = "\n".join(gunicorn.lines)
    assert "Traceback" not in output
    assert "Event loop is closed" not in output
    assert "Exception" not in output
