"""The health of all workers over HTTP, for Kubernetes and load balancers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ..errors import BindError

__all__ = ["PATH", "health_endpoint"]

PATH = "/health"
_TIMEOUT = 5  # seconds for a request to come
Health = Callable[[], tuple[bool, str]]
"""A function that returns whether calls are answered, and a sentence about it."""


@contextmanager
def health_endpoint(port: int, health: Health, say: Callable[[str], None]) -> Iterator[None]:
    """Answer on every interface while the block runs: 200 or 503, and a line of text. With port 0 do nothing.

    Raises:
        BindError: the system refused the port.
    """
    if not port:
        yield
        return
    with _http_server(port, health) as server:
        threading.Thread(target=server.serve_forever, name="anycable_rpc health", daemon=True).start()
        say(f"Health is at http://127.0.0.1:{server.server_port}{PATH}")
        try:
            yield
        finally:
            server.shutdown()


def _http_server(port: int, health: Health) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        timeout = _TIMEOUT

        def do_GET(self) -> None:
            ok, line = health()
            status, text = (200 if ok else 503, line) if self.path == PATH else (404, f"health is at {PATH}")
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(f"{text}\n".encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            """Log nothing: probes come every few seconds."""

    try:
        return ThreadingHTTPServer(("", port), Handler)
    except OSError as error:
        raise BindError(f"cannot listen on port {port} for health: {error.strerror}") from None
