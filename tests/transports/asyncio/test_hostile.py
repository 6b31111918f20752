"""Hostile peers over real sockets: each one is disconnected, and another peer is served meanwhile."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from anycable_rpc import Cable, Connection
from anycable_rpc.errors import ConfigurationError
from anycable_rpc.transports import asyncio as http2
from anycable_rpc.transports.asyncio.server import limits
from anycable_rpc.transports.http2 import frames
from anycable_rpc.transports.http2.frames import PREFACE, Type, frame, window_update
from anycable_rpc.transports.http2.limits import Limits
from anycable_rpc.transports.service import Service

from ...contract.transports import METADATA, LoopThread, self_signed, unary
from ...support.both_ways import settings
from ..http2.frames import ACKNOWLEDGED, HELLO, SETTINGS, block, call, data, describe, headers, resized

Serve = Callable[..., http2.Server]


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    one = LoopThread()
    yield one
    one.close()


@pytest.fixture
def serve(loop: LoopThread) -> Iterator[Serve]:
    servers: list[http2.Server] = []

    def serve(**values: object) -> http2.Server:
        async def start() -> http2.Server:
            chosen = settings(rpc_host="127.0.0.1:0", **values)
            server = http2.Server(Service(Cable(Connection, settings=chosen)))
            await server.start()
            return server

        servers.append(loop(start()))
        return servers[-1]

    yield serve
    for server in servers:
        loop(server.stop(5))


def connected(server: http2.Server) -> socket.socket:
    host, _, port = server.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def last_words(one: socket.socket) -> list[str]:
    """Read until the server disconnects; return the names of the frames."""
    heard = b""
    with suppress(ConnectionError):
        while piece := one.recv(65_536):
            heard += piece
    return describe(heard)


def is_served(server: http2.Server) -> bool:
    with grpc.insecure_channel(server.address) as channel:
        return bool(unary(channel, "Connect")(b"", metadata=METADATA, timeout=10))


FLOODS = {
    "rapid reset": b"".join(
        call(stream) + frames.reset(stream, frames.ErrorCode.CANCEL) for stream in range(1, 9001, 2)
    ),
    "continuation": headers(1, flags=0) + frame(Type.CONTINUATION, 0, 1, b"") * 5000,
    "a bomb of headers": headers(1, flags=0) + frame(Type.CONTINUATION, 0, 1, b"\x82" * 16_000) * 10,
    "settings": SETTINGS * 5000,
    "pings": frame(Type.PING, 0, 0, bytes(8)) * 5000,
    "windows": window_update(0, 1) * 5000,
    "data of nothing": headers(1) + data(1, b"", 0) * 5000,
    "no requests": b"".join(headers(stream, block([("x", "y")])) for stream in range(1, 9001, 2)),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_ends_with_the_connection_and_another_is_served(serve: Serve, flood: str) -> None:
    server = serve()
    with closing(connected(server)) as one:
        with suppress(ConnectionError):
            one.sendall(HELLO + FLOODS[flood])
        assert is_served(server)
        words = last_words(one)

    assert not words or "GoAway 0 ENHANCE_YOUR_CALM" in words  # none, when the system has dropped them


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1", bytes(99), PREFACE + b"x" * 99],
)
def test_other_protocols_are_disconnected(serve: Serve, garbage: bytes) -> None:
    server = serve()
    with closing(connected(server)) as one:
        one.sendall(garbage)
        assert is_served(server)
        words = last_words(one)

    assert not words or words[-1].startswith("GoAway 0")


def test_peer_that_never_reads_does_not_stop_others(serve: Serve) -> None:
    server = serve()
    with closing(connected(server)) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.sendall(PREFACE + resized(2**31 - 1) + ACKNOWLEDGED + window_update(0, 2**30))
        one.settimeout(2)
        pings = (call(1) + frame(Type.PING, 0, 0, bytes(8))) * 50
        with suppress(OSError):
            for _ in range(2000):
                one.sendall(pings)
        assert is_served(server)
    assert is_served(server)


def test_disconnected_peers_leave_nothing_behind(serve: Serve) -> None:
    server = serve()
    for _ in range(20):
        with closing(connected(server)) as one:
            one.sendall(HELLO + call(1) + headers(3))
    assert is_served(server)
    deadline = time.monotonic() + 10
    while server.statistics().connections and time.monotonic() < deadline:
        time.sleep(0.01)

    assert server.statistics() == (0, 0, 0)


def test_incomplete_requests_of_many_connections_are_bounded_and_freed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    trimmed = threading.Event()
    monkeypatch.setattr("anycable_rpc.transports.asyncio.server.trim", trimmed.set)
    server = serve()
    request = b"".join(
        headers(stream) + data(stream, b"\0\0\x40\0\0", 0) + data(stream, bytes(16_000), 0) * 240
        for stream in (1, 3, 5)
    )
    peers = [connected(server) for _ in range(8)]
    for one in peers:
        one.sendall(HELLO + ACKNOWLEDGED + request)
        assert server.statistics().buffered <= Limits().budget + 2**20  # a read is counted when it has been taken
    assert is_served(server)
    for one in peers:
        one.close()
    deadline = time.monotonic() + 10
    while server.statistics().buffered and time.monotonic() < deadline:
        time.sleep(0.01)

    assert server.statistics().buffered == 0
    assert trimmed.wait(10)


def test_unknown_streaming_call_is_refused_at_once(serve: Serve) -> None:
    server, ended = serve(), threading.Event()

    def requests() -> Iterator[bytes]:
        yield b""
        ended.wait(20)

    with grpc.insecure_channel(server.address) as channel:
        method: Any = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        with pytest.raises(grpc.RpcError) as error:
            next(method(requests(), timeout=5))
        ended.set()

    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_half_closed_connection_is_answered(serve: Serve) -> None:
    server = serve()
    with closing(connected(server)) as one:
        one.sendall(HELLO + ACKNOWLEDGED + call(1, b""))
        one.shutdown(socket.SHUT_WR)
        words = last_words(one)

    assert "Headers 1 END_HEADERS END_STREAM" in words


def test_old_connection_is_drained(serve: Serve) -> None:
    server = serve(rpc_max_connection_age=1)
    with closing(connected(server)) as one:
        one.sendall(HELLO + ACKNOWLEDGED)
        heard = b""
        while b"draining" not in heard:
            heard += one.recv(65_536)
        one.sendall(call(1, b"") + frame(Type.PING, frames.ACK, 0, b"draining"))
        words = last_words(one)

    assert "Headers 1 END_HEADERS END_STREAM" in words
    assert "GoAway 0 NO_ERROR" in words


def test_browser_gets_plain_text(serve: Serve) -> None:
    server = serve()
    request = block([(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "x")])
    with closing(connected(server)) as one:
        one.sendall(HELLO + headers(1, request, frames.END_HEADERS | frames.END_STREAM))
        one.shutdown(socket.SHUT_WR)
        heard = b""
        with suppress(ConnectionError):
            while piece := one.recv(65_536):
                heard += piece

    assert b"Only gRPC calls are answered here." in heard


def test_without_alpn_there_is_no_tls_connection(serve: Serve, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    server = serve(rpc_tls_cert=str(certificate), rpc_tls_key=key.read_text())
    context = ssl.create_default_context(cafile=str(certificate))
    heard = b""
    with suppress(ConnectionError, ssl.SSLError), closing(connected(server)) as raw:
        one = context.wrap_socket(raw, server_hostname="localhost")
        with one:
            one.sendall(HELLO)
            heard = one.recv(100)

    assert heard == b""


class TestArguments:
    def test_known_arguments(self) -> None:
        args = {"grpc.max_receive_message_length": 100, "max_metadata_size": 200, "max_concurrent_streams": 3}
        changed = limits(settings(rpc_server_args=args))

        assert (changed.message, changed.headers, changed.streams) == (100, 200, 3)

    @pytest.mark.parametrize("value", [0, -1, 2**30, "many"])
    def test_a_limit_is_a_number(self, value: object) -> None:
        with pytest.raises(ConfigurationError, match="max_metadata_size must be a number from 1"):
            limits(settings(rpc_server_args={"max_metadata_size": value}))

    def test_unknown_arguments_are_refused_with_the_known_ones(self) -> None:
        with pytest.raises(ConfigurationError, match=r"knows max_receive_message_length, .*; leave out others"):
            limits(settings(rpc_server_args={"so_reuseport": 1}))

    def test_key_of_another_certificate(self, tmp_path: Path) -> None:
        one, other = tmp_path / "one", tmp_path / "other"
        one.mkdir()
        other.mkdir()
        (certificate, _), (_, key) = self_signed(one), self_signed(other)
        chosen = settings(rpc_host="127.0.0.1:0", rpc_tls_cert=str(certificate), rpc_tls_key=key.read_text())

        async def start() -> None:
            http2.Server(Service(Cable(Connection, settings=chosen)))

        with pytest.raises(ConfigurationError, match="not a certificate and its key"):
            asyncio.run(start())
