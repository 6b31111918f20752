"""The ASGI app that answers anycable-go's calls over HTTP."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...protocol.messages import Request
from ..admission import Admission
from ..service import Service
from ..watch import Watch
from .caller import CallerGoneError, Message, Receive, while_caller_waits
from .endpoint import JSON_HEADERS, Endpoint, Head, HTTPError
from .json_codec import encode_response
from .per_process import PerProcess

if TYPE_CHECKING:
    from ...cable import Cable

__all__ = ["ASGIApp"]

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

_CLIENT_CLOSED_REQUEST = 499  # as nginx has it in its log


class ASGIApp:
    """Answers the calls of a cable; see `Cable.asgi`.

    The app needs no lifespan, since a mounted app gets none: threads are started by the first call.

    Args:
        cable: the cable that is served.
        insecure: allow an app without a key.
        service_of: makes the service, once in each process: for observers of calls.
    """

    def __init__(
        self, cable: Cable, *, insecure: bool = False, service_of: Callable[[Cable], Service] = Service.of
    ) -> None:
        self._endpoint = Endpoint.of(cable, insecure=insecure)
        self._answerer = PerProcess(lambda: _Answerer(service_of(cable)))

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
            body = await self._answerer.get().answer(request, head.metadata, receive)
            await _send(send, 200, JSON_HEADERS, body)
        except HTTPError as error:
            await _send(send, error.status, error.headers, error.body)
        except CallerGoneError:  # nobody reads an answer, but Starlette's middleware logs an app without one as failed
            await _send(send, _CLIENT_CLOSED_REQUEST, (), b"")

    async def _body(self, method: str, receive: Receive) -> bytes:
        body = self._endpoint.body(method)
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise CallerGoneError
            body.add(message.get("body", b""))
            if not message.get("more_body", False):
                return body.whole()


class _Answerer:
    """A service, and the places of its calls."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limit = service.cable.settings.rpc_pool_size
        self._places: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}
        self._watch: Watch | None = None

    async def answer(self, request: Request, metadata: Mapping[str, str], receive: Receive) -> bytes:
        """Answer a request. It waits for a place: anycable-go does not try again what is refused over HTTP.

        Raises:
            CallerGoneError: the caller does not wait any longer. An `async def` callback is cancelled then.
        """
        try:
            async with while_caller_waits(receive), self._place():
                return await self._service.aanswer(request, metadata, encode_response)
        except CallerGoneError:
            self._start_watch()
            raise

    def _start_watch(self) -> None:
        """Name `def` callbacks in the log that do not return: they keep their threads."""
        if self._watch is None:
            admission = Admission[Any](sys.maxsize, self._service.threads)
            self._watch = Watch(admission, self._service, 0, bool)
            self._watch.start()

    def _place(self) -> asyncio.Semaphore:
        """Return the semaphore of the running event loop: a test may have a loop of its own for each case."""
        loop = asyncio.get_running_loop()
        places = self._places.get(loop)
        if places is None:
            for other in self._places.copy():
                if other.is_closed():  # a weak key would not do: a semaphore that was waited for holds its event loop
                    self._places.pop(other, None)
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
