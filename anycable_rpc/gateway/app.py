"""The gateway as an ASGI app: the WebSocket, the HTTP endpoints, and a web application for all other addresses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Self

from starlette.responses import PlainTextResponse

from ..cable import Cable
from ..errors import shorten
from ..transports.bytes_handler import bytes_handler
from ..transports.service import Service
from . import http_endpoints as endpoints
from .app_calls import RPC, calls_for
from .asgi import ASGI, Receive, Scope, Send, deny, drop_error, no_web
from .client import Client
from .conversation import Conversation
from .core.options import GatewayOptions
from .core.publications import Publication, RoundedNumbers, read
from .endings import NoClose
from .events import Observer
from .handshake import SUBPROTOCOLS, Handshake, header, in_origin_form, is_allowed, route_path
from .node_on_loop import NodeOnLoop
from .routes import Routes, Row, exactly

__all__ = ["Gateway"]

logger = logging.getLogger("anycable_rpc")


class Gateway:
    """Does for clients what anycable-go does, for development and tests; in production run anycable-go.

    Args:
        rpc: calls the app; `BytesHandler.ahandle`.
        options: see there.
        web: the ASGI app for all addresses that are not the gateway's.
    """

    def __init__(self, rpc: RPC, options: GatewayOptions | None = None, web: ASGI | None = None) -> None:
        self.options = options or GatewayOptions()
        self._node = NodeOnLoop(calls_for(rpc, self.options), self.options)
        self._web = web or no_web
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_stopping = False
        self._rounded_numbers = RoundedNumbers()
        self._entrances: dict[str, ASGI] = {
            "lifespan": self._serve_lifespan,
            "http": Routes(self._routes(), self._web),
            "websocket": self._serve_websocket,
        }

    @classmethod
    def of(cls, cable: Cable, web: ASGI | None = None) -> Self:
        """Return a gateway for a cable, as the cable's settings want it.

        Set `cable.broadcaster` to the gateway if the cable's own broadcasts are for its clients.
        """
        handler = bytes_handler(Service.of(cable))
        return cls(handler.ahandle, GatewayOptions.of(cable.settings), web)

    @property
    def observers(self) -> list[Observer]:
        """The callables that get each event (see `events`), on the event loop; append your own."""
        return self._node.journal.observers

    def replace_app(self, rpc: RPC) -> None:
        """Call another app from now on, and keep all connections; to be called on the event loop.

        Calls under way are answered by the old app.
        """
        self._node.calls.replace_app(rpc)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, request or lifespan of ASGI."""
        self._loop = asyncio.get_running_loop()
        await self._entrances[scope["type"]](in_origin_form(scope), receive, send)

    def publish(self, payload: str) -> None:
        """Execute a publication of this process without HTTP; from any thread.

        Before the gateway serves, and after it has stopped, there are no clients to hear it.

        Raises:
            ProtocolError: anycable-go would drop it; the message says what is wrong.
        """
        # our own JSON is parsed again on purpose: so development finds what anycable-go would drop in production
        publications = read(payload)
        if self._loop is not None:
            with suppress(RuntimeError):  # the event loop is closed
                self._loop.call_soon_threadsafe(self._execute, publications)

    def _execute(self, publications: list[Publication]) -> None:
        self._rounded_numbers.check(publications)
        self._node.execute(publications)

    async def apublish(self, payload: str) -> None:
        """Publish as `publish` does, which does not block."""
        self.publish(payload)

    async def shutdown(self, timeout: float = 2.0) -> None:
        """Close all connections, and wait up to `timeout` seconds until clients are gone and the app is told."""
        self._is_stopping = True
        await self._node.shut_down(timeout)

    def _routes(self) -> Iterator[Row]:
        options, api_key = self.options, self.options.api_key
        broadcast = partial(endpoints.broadcast, execute=self._execute)
        yield exactly(endpoints.BROADCAST_PATH), partial(broadcast, key=options.required_broadcast_key)
        if options.has_api:
            info_of = self._node.broker.presence_info
            yield exactly(endpoints.PUBLISH_PATH), partial(broadcast, key=api_key)
            yield endpoints.PRESENCE_PATTERN, partial(endpoints.presence, key=api_key, info_of=info_of)
        yield exactly(endpoints.HEALTH_PATH), endpoints.health
        for path in options.paths:
            yield exactly(path), endpoints.not_a_websocket

    async def _serve_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_or_stop() -> Any:
            event = await receive()
            if event["type"] == "lifespan.shutdown":
                await self.shutdown()
            return event

        await self._web(scope, receive_or_stop, send)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        handshake = Handshake(scope, self.options)
        if handshake.unknown_subprotocols:
            _warn_of_subprotocols(handshake)
        await receive()
        await send({"type": "websocket.accept", "subprotocol": handshake.subprotocol})
        conversation = Conversation(self._node, handshake)
        client = Client(conversation, handshake, self.options)
        self._node.opened(conversation.session, client)
        try:
            ending = await client.run(receive, send)
        finally:
            self._node.closed(conversation.session)
        if ending is NoClose.DROP:
            raise drop_error()

    def _refusal(self, scope: Scope) -> ASGI | None:
        if route_path(scope) not in self.options.paths:
            return self._web
        if self.options.allowed_origins and not is_allowed(header(scope, "origin"), self.options.allowed_origins):
            _warn_of_origin(header(scope, "origin"), self.options.allowed_origins)
            return deny(PlainTextResponse("Forbidden\n", 403))
        if self._is_stopping:
            return deny(PlainTextResponse("Stopping\n", 503))
        return None


def _warn_of_origin(origin: str, allowed: tuple[str, ...]) -> None:
    page = f"a page of {shorten(origin, 100)}" if origin else "a client without the header Origin"
    logger.warning(
        "%s was refused: --allowed-origins (ANYCABLE_ALLOWED_ORIGINS) has only %s; add the host of the page there",
        page, ",".join(allowed),
    )  # fmt: skip


def _warn_of_subprotocols(handshake: Handshake) -> None:
    """Warn of a client that is accepted, as by anycable-go, although a browser then ends the connection itself."""
    logger.warning(
        "a client offers the sub-protocols %s, of which none is known here: browsers end such a connection; "
        "set the option protocol of the client to %s [sid=%s]",
        ", ".join(shorten(name, 60) for name in handshake.unknown_subprotocols[:5]), " or ".join(SUBPROTOCOLS),
        handshake.sid,
    )  # fmt: skip
