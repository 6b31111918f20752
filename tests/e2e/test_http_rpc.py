"""Calls over HTTP from a real anycable-go: each way that web servers run an app, slow callbacks, keys, TLS."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from socket import SHUT_WR, create_connection

import pytest

from ..contract.transports import self_signed
from .client import Client, message_of
from .processes import Program, free_port
from .servers import over_http, running_anycable_go, running_web_server

pytestmark = pytest.mark.usefixtures("anycable_go_binary")

SERVERS = {
    "uvicorn": ("uvicorn",),
    "uvicorn with workers": ("uvicorn", "--workers=2"),
    "gunicorn sync": ("gunicorn", "--workers=2"),
    "gunicorn threads": ("gunicorn", "--workers=2", "--threads=4"),
    "gunicorn preload": ("gunicorn", "--workers=2", "--preload"),
    "gunicorn preload threads": ("gunicorn", "--workers=2", "--threads=4", "--preload"),
}
"""Web servers, and the options that they run with."""
CALLS = 20


@contextmanager
def serving(kind: str, *options: str, scheme: str = "http", **theirs: str) -> Generator[tuple[str, Program]]:
    """Run a web server, and anycable-go that calls it; yield the WebSocket and the web server."""
    server, port = f"127.0.0.1:{free_port()}", free_port()
    with ExitStack() as stack:
        web = stack.enter_context(
            running_web_server(kind, server, f"127.0.0.1:{port}", *options, app="tests.e2e.http_chat")
        )
        host = over_http(f"localhost:{port}").replace("http", scheme, 1)
        stack.enter_context(running_anycable_go(server, host, **theirs))
        yield f"ws://{server}/cable", web


@pytest.mark.parametrize(("kind", "options"), [(kind, options) for kind, *options in SERVERS.values()], ids=SERVERS)
def test_calls_are_answered_however_the_web_server_runs(kind: str, options: list[str]) -> None:
    with serving(kind, *options) as (socket, web), ExitStack() as stack:
        clients = [stack.enter_context(Client(socket, cookie=f"Ada {number}")) for number in range(CALLS)]
        rooms = [client.subscribe(channel="Room") for client in clients]
        for number, (client, room) in enumerate(zip(clients, rooms, strict=True)):
            client.perform(room, "count", number=number)
            client.perform(room, "where")
        heard = [client.hears(f"count {number}") for number, client in enumerate(clients)]
        places = [client.hears("here") for client in clients]

    processes = {message["pid"] for message in heard + places}
    loaded_in = {int(line.split()[-1].rstrip(">")) for line in web.lines if line.startswith("<answered once")}
    assert processes.isdisjoint(loaded_in) if "--preload" in options else processes <= loaded_in
    if kind == "gunicorn":
        assert {place["main"] for place in places} == {"--threads=4" not in options}
    assert [line for line in web.lines if "Traceback" in line] == []


@pytest.mark.parametrize(("kind", "option"), [("uvicorn", "--no-access-log"), ("gunicorn", "--threads=8")])
def test_a_callback_slower_than_anycable_go_waits_loses_its_answer_and_nothing_else(kind: str, option: str) -> None:
    slow = "slow", "blocked"
    with serving(kind, option) as (socket, web), ExitStack() as stack:
        clients = {name: stack.enter_context(Client(socket, cookie=name)) for name in slow}
        rooms = {name: client.subscribe(channel="Room") for name, client in clients.items()}
        for name, client in clients.items():
            client.perform(rooms[name], name, seconds=4)
            client.perform(rooms[name], "count", number=1)  # anycable-go sends it when it has given up the first
        for client in clients.values():
            client.hears("count 1")
        for name in slow:
            web.wait_for(f"<{name} ended in")

        messages = [client.received for client in clients.values()]
        assert [[message_of(frame).get("text") for frame in frames][-1] for frames in messages] == ["count 1"] * 2
        assert ["too slow" in str(frames) for frames in messages] == [False, False]


POST = b"POST /_anycable/connect HTTP/1.1\r\nHost: localhost\r\n"
RAW = (
    b"\0" * 1000,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GARBAGE\r\n\r\n",
    POST + b"Content-Length: 99\r\n\r\n{",
    POST + b"Content-Length: -1\r\n\r\n{}",
    POST + b"Content-Length: x\r\n\r\n{}",
    POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n{}",
    POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    POST + b"Authorization: \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
    POST + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
    POST * 100,
)
"""Bytes that are no call, and mostly no HTTP either."""


@pytest.mark.parametrize(("kind", "option"), [("uvicorn", "--no-access-log"), ("gunicorn", "--threads=8")])
def test_garbage_ends_no_process(kind: str, option: str) -> None:
    with serving(kind, option) as (socket, web):
        for data in RAW:
            with suppress(ConnectionError), create_connection(("127.0.0.1", web_port(web)), timeout=5) as connection:
                connection.sendall(data)
                connection.shutdown(SHUT_WR)
                connection.recv(1000)
        with Client(socket, cookie="Ada") as client:
            client.perform(client.subscribe(channel="Room"), "count", number=4)
            process = client.hears("count 4")["pid"]
        loaded_in = {int(line.split()[-1].rstrip(">")) for line in web.lines if line.startswith("<answered once")}

    assert loaded_in == {process}  # the app was loaded once: no worker was replaced
    assert [line for line in web.lines if "Traceback" in line] == []


def web_port(web: Program) -> int:
    """Return the port in the web server's command."""
    option = next(part for part in web.command if part.startswith(("--port=", "--bind=")))
    return int(option.replace("=", ":").rpartition(":")[2])


def test_anycable_go_with_another_key_lets_nobody_in() -> None:
    with serving("uvicorn", "--access-log", ANYCABLE_HTTP_RPC_SECRET="another key") as (socket, web):
        with Client(socket, cookie="Ada") as client:
            assert client.closed() == (1011, "Auth Error")
        web.wait_for("POST /_anycable/connect.* 401")


def test_calls_over_https(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    ours = f"--ssl-certfile={certificate}", f"--ssl-keyfile={key}"
    with (
        serving("uvicorn", *ours, scheme="https", ANYCABLE_RPC_TLS_ROOT_CA=str(certificate)) as (socket, _),
        Client(socket, cookie="Ada") as client,
    ):
        client.perform(client.subscribe(channel="Room"), "count", number=3)
        client.hears("count 3")
