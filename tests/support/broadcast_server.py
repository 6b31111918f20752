"""A stand-in for the broadcast endpoint of anycable-go: an HTTP server that records its requests."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

__all__ = ["NO_ANSWER", "BroadcastServer", "Posted", "running"]

NO_ANSWER = 0
"""A status that is never sent: the connection is closed instead."""


@dataclass(frozen=True)
class Posted:
    """A request that the server got."""

    path: str
    headers: Message
    body: str


@dataclass
class BroadcastServer:
    """The behaviour of the server, and the requests that it got."""

    answers: list[int] = field(default_factory=list[int])
    """Statuses of the next responses, in order. After them the status is 201."""
    text: bytes = b""
    """The body of each response."""
    location: str = ""
    """The header `Location` of each response."""
    missing: int = 0
    """Bytes of the body that the server announces and never sends."""
    hangs_up: bool = False
    """True: the server closes a connection after each response, without `Connection: close`."""
    released: threading.Event = field(default_factory=threading.Event)
    """While this is not set, the server waits before it answers."""
    arrived: threading.Event = field(default_factory=threading.Event)
    """Set by the first request."""
    requests: list[Posted] = field(default_factory=list[Posted])
    connections: int = 0
    port: int = 0

    def __post_init__(self) -> None:
        self.released.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/_broadcast"

    @property
    def payloads(self) -> list[str]:
        return [request.body for request in self.requests]

    @property
    def publications(self) -> list[str]:
        """The payloads, with the elements of an array each for itself, as anycable-go reads them."""
        return [each for payload in self.payloads for each in separate(payload)]


def separate(payload: str) -> list[str]:
    """Return the elements of a JSON array as this package writes them, or the payload itself."""
    if not payload.startswith("["):
        return [payload]
    return [json.dumps(each, separators=(",", ":"), ensure_ascii=False) for each in json.loads(payload)]


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, port: int, script: BroadcastServer) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.script = script


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    @property
    def script(self) -> BroadcastServer:
        return cast(_Server, self.server).script

    def setup(self) -> None:
        super().setup()
        self.script.connections += 1

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        script = self.script
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        script.requests.append(Posted(self.path, self.headers, body))
        script.arrived.set()
        script.released.wait(10)
        status = script.answers.pop(0) if script.answers else 201
        if status:
            self.send_response(status)
            self.send_header("Content-Length", str(len(script.text) + script.missing))
            if script.location:
                self.send_header("Location", script.location)
            self.end_headers()
            with suppress(ConnectionError):  # the client may have given up
                self.wfile.write(script.text)
        self.close_connection = script.hangs_up or status == NO_ANSWER

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the parent
        """Keep the tests' output clean."""


@contextmanager
def running(port: int = 0, tls: ssl.SSLContext | None = None) -> Generator[BroadcastServer]:
    """Run a server on a free port. Close its clients before it ends."""
    script = BroadcastServer()
    with _Server(port, script) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        script.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield script
        finally:
            script.released.set()
            server.shutdown()
            thread.join()
