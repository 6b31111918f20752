"""Web servers in this process, for RPC over HTTP: uvicorn, and a WSGI server with a pool of threads."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from socketserver import TCPServer
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import WSGIApplication
from wsgiref.validate import validator

import uvicorn

__all__ = ["AsgiServer", "WsgiServer"]


class AsgiServer:
    """uvicorn on the running event loop."""

    def __init__(self, app: Any) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"
        self._listener = listener
        self._config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
        self._server = uvicorn.Server(self._config)
        self._is_stopped = False

    async def start(self) -> None:
        self._config.load()
        self._server.lifespan = self._config.lifespan_class(self._config)
        await self._server.startup(sockets=[self._listener])

    async def stop(self, grace: float) -> bool:
        """Stop, and return whether all calls have ended by then."""
        if self._is_stopped:
            return True
        self._is_stopped = True
        self._config.timeout_graceful_shutdown = grace  # type: ignore[assignment]
        await self._accept_no_more()
        tasks = set(self._server.server_state.tasks)
        await self._server.shutdown(sockets=[self._listener])
        return not any(task.cancelled() or task.cancelling() for task in tasks)

    async def _accept_no_more(self) -> None:
        """Stop listening, and let connections begin that are accepted: asyncio would leak those, open."""
        asyncio.get_running_loop().remove_reader(self._listener)
        for _ in range(5):
            await asyncio.sleep(0)


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002


class WsgiServer(WSGIServer):
    """A WSGI server with as many threads as calls may run at a time. It checks the app against the standard."""

    request_queue_size = 128

    def __init__(self, app: WSGIApplication, threads: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.set_app(validator(app))
        self.address = f"127.0.0.1:{self.server_port}"
        self._pool = ThreadPoolExecutor(threads, "web")
        self._under_way: dict[Future[None], socket.socket] = {}
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace: float) -> bool:
        """Stop, and return whether all calls have ended by then."""
        self.shutdown()
        self.server_close()
        late = wait(self._under_way, grace).not_done
        for call in late:
            with suppress(OSError):
                self._under_way[call].shutdown(socket.SHUT_RDWR)
        self._pool.shutdown(wait=not late, cancel_futures=True)
        return not late

    def process_request(self, request: Any, client_address: Any) -> None:
        self._under_way[self._pool.submit(self._work, request, client_address)] = request

    def _work(self, request: Any, client_address: Any) -> None:
        with suppress(OSError):  # the caller has gone
            self.finish_request(request, client_address)
        self.shutdown_request(request)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # without a look-up of the host's name
        self.server_name, self.server_port = "localhost", self.server_address[1]
        self.setup_environ()
