"""The ASGI app that answers anycable-go's calls over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..service import Service
from .endpoint import JSON_HEADERS, Endpoint, Head, HTTPError
from .json_codec import encode_response
from .per_process import PerProcess

if TYPE_CHECKING:
    from ...cable import Cable

__all__ = ["ASGIApp"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class _ClientGoneError(Exception):
    """The caller has closed the connection before the body has come."""


class ASGIApp:
    """Answers the calls of a cable; see `Cable.asgi`.

    The app needs no lifespan, since a mounted app gets none: threads are started by the first call.
    """

    def __init__(self, cable: Cable, *, insecure: bool = False) -> None:
        self._endpoint = Endpoint.of(cable, insecure=insecure)
        self._service = PerProcess(lambda: Service.of(cable))
        self._limit = cable.settings.rpc_pool_size
        self._places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(_head(scope), receive, send)
        elif scope["type"] == "lifespan":
            await _complete_lifespan(receive, send)
        else:
            await receive()
            await send({"type": "websocket.close"})

    async def _serve(self, head: Head, receive: Receive, send: Send) -> None:
        try:
            method = self._endpoint.admit(head)
            request = self._endpoint.read(method, await self._body(method, receive))
            async with self._place():  # calls wait here: anycable-go does not try again what is refused over HTTP
                body = await self._service.get().aanswer(request, head.metadata, encode_response)
            await _send(send, 200, JSON_HEADERS, body)
        except HTTPError as error:
            await _send(send, error.status, error.headers, error.body)
        except _ClientGoneError:
            return

    async def _body(self, method: str, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _ClientGoneError
            body += message.get("body", b"")
            self._endpoint.check_size(method, len(body))
            if not message.get("more_body", False):
                return bytes(body)

    def _place(self) -> asyncio.Semaphore:
        """Return the semaphore of the running event loop: a test may have a loop of its own for each case."""
        loop = asyncio.get_running_loop()
        places = self._places.get(loop)
        if places is None:
            places = self._places[loop] = asyncio.Semaphore(self._limit)
        return places


def _head(scope: Scope) -> Head:
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    return Head(
        scope["method"],
        scope["path"],
        authorization=headers.get(b"authorization", b"").decode("latin-1"),
        sid=headers.get(b"x-anycable-meta-sid", b"").decode("latin-1"),
        protov=headers.get(b"x-anycable-meta-protov", b"").decode("latin-1"),
        length=headers.get(b"content-length", b"").decode("latin-1"),
    )


async def _send(send: Send, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
    encoded = [(name.encode(), value.encode()) for name, value in (*headers, ("content-length", str(len(body))))]
    with suppress(OSError):  # the caller has gone, and the server says so: the answer is for nobody
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})


async def _complete_lifespan(receive: Receive, send: Send) -> None:
    while (event := await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": f"{event['type']}.complete"})
