"""The gateway as an ASGI app: the WebSocket, `/_broadcast`, `/health`, and beside them a web application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ..errors import shorten
from . import http_endpoints as endpoints
from .app_calls import RPC
from .client import Client, Receive
from .core.options import GatewayOptions
from .core.publications import Publication, RoundedNumbers, read
from .handshake import SUBPROTOCOLS, Handshake, Scope, header, in_origin_form, is_allowed, route
from .node import Node
from .outbox import NoClose, Send

__all__ = ["ASGI", "Gateway"]

logger = logging.getLogger("anycable_rpc")

ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]


class Gateway:
    """What anycable-go does for clients, for development and tests; in production run anycable-go.

    Args:
        rpc: calls the app; `BytesHandler.ahandle`.
        options: see there.
        web: answers what is not the gateway's.
    """

    def __init__(self, rpc: RPC, options: GatewayOptions | None = None, web: ASGI | None = None) -> None:
        self.options = options or GatewayOptions()
        self._node = Node(rpc, self.options)
        self._web = web
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_stopping = False
        self._rounded_numbers = RoundedNumbers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as ASGI wants it."""
        self._loop = asyncio.get_running_loop()
        await _ENTRANCES[scope["type"]](self, in_origin_form(scope), receive, send)

    def publish(self, payload: str) -> None:
        """Execute a publication of this process, with no way over HTTP; from any thread.

        Before the gateway serves and after it has ended nobody is there to hear it.

        Raises:
            ProtocolError: anycable-go would drop it; the text says what is wrong.
        """
        publications = read(payload)
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._execute, publications)

    def _execute(self, publications: list[Publication]) -> None:
        self._rounded_numbers.look(publications)
        self._node.execute(publications)

    async def apublish(self, payload: str) -> None:
        """`publish`, which waits for nothing."""
        self.publish(payload)

    async def shutdown(self, timeout: float = 2.0) -> None:
        """Tell every client to come back later and the app that they are gone, in so many seconds."""
        self._is_stopping = True
        await self._node.shut_down(timeout)

    async def _serve_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_or_stop() -> Any:
            event = await receive()
            if event["type"] == "lifespan.shutdown":
                await self.shutdown()
            return event

        await (self._web or _bare_lifespan)(scope, receive_or_stop, send)

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._http_answer(scope, receive))(scope, receive, send)

    async def _http_answer(self, scope: Scope, receive: Receive) -> ASGI:
        path = route(scope)
        if path == endpoints.BROADCAST_PATH:
            key = self.options.required_broadcast_key
            return await endpoints.broadcast(Request(scope, receive), key, self._execute)
        if self.options.has_api:
            answer = await self._api_answer(path, Request(scope, receive))
            if answer:
                return answer
        if path == endpoints.HEALTH_PATH:
            return endpoints.health()
        if path in self.options.paths:
            return endpoints.not_a_websocket()
        return self._web or endpoints.not_found()

    async def _api_answer(self, path: str, request: Request) -> Response | None:
        key, stream = self.options.api_key, endpoints.presence_stream(path)
        if path == endpoints.PUBLISH_PATH:
            return await endpoints.broadcast(request, key, self._execute)
        return endpoints.presence(request, key, self._node.broker.present(stream)) if stream else None

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        handshake = Handshake(scope, self.options)
        if handshake.unknown_subprotocols:
            _tell_of_subprotocols(handshake)
        await receive()
        await send({"type": "websocket.accept", "subprotocol": handshake.subprotocol})
        client = Client(self._node, handshake)
        self._node.enter(client)
        try:
            ending = await client.run(receive, send)
        finally:
            self._node.leave(client)
        if ending is NoClose.DROP:
            raise dropped()

    def _refusal(self, scope: Scope) -> ASGI | None:
        if route(scope) not in self.options.paths:
            return self._web or _denied(endpoints.not_found())
        if self.options.allowed_origins and not is_allowed(header(scope, "origin"), self.options.allowed_origins):
            _tell_of_origin(header(scope, "origin"), self.options.allowed_origins)
            return _denied(PlainTextResponse("Forbidden\n", 403))
        if self._is_stopping:
            return _denied(PlainTextResponse("Stopping\n", 503))
        return None


_ENTRANCES = {
    "lifespan": Gateway._serve_lifespan,
    "http": Gateway._serve_http,
    "websocket": Gateway._serve_websocket,
}


async def _bare_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    while (event := await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": f"{event['type']}.complete"})


def _tell_of_origin(origin: str, allowed: tuple[str, ...]) -> None:
    page = f"a page of {shorten(origin, 100)}" if origin else "a client without the header Origin"
    logger.warning(
        "%s was refused: --allowed-origins (ANYCABLE_ALLOWED_ORIGINS) has only %s; add the host of the page there",
        page, ",".join(allowed),
    )  # fmt: skip


def _tell_of_subprotocols(handshake: Handshake) -> None:
    """The client is let in, as anycable-go does; a browser then ends the connection itself."""
    logger.warning(
        "a client offers the sub-protocols %s, of which none is known here: browsers end such a connection; "
        "set the option protocol of the client to %s [sid=%s]",
        ", ".join(shorten(name, 60) for name in handshake.unknown_subprotocols[:5]), " or ".join(SUBPROTOCOLS),
        handshake.sid,
    )  # fmt: skip


def _denied(response: Response) -> ASGI:
    """Answer an upgrade request; servers that cannot say why say 403."""

    async def deny(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if "websocket.http.response" in scope.get("extensions", {}):
            await response(scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    return deny


def dropped() -> Exception:
    """What ends the connection without a close frame.

    ASGI has no message for that. A server closes the connection on any exception, and logs it, but on the one
    that it raises itself when a client is gone. (Since 0.40 uvicorn does so also when the app just returns.)
    """
    try:
        from uvicorn.protocols.utils import ClientDisconnected
    except ImportError:
        return ConnectionResetError("the connection is dropped")
    return ClientDisconnected()
