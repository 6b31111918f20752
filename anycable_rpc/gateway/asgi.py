"""The parts of ASGI that the gateway needs: its types, refusals, and a stand-in for a web application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from starlette.responses import PlainTextResponse, Response

__all__ = ["ASGI", "Receive", "Scope", "Send", "deny", "drop_error", "no_web"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]


def deny(response: Response) -> ASGI:
    """Return an app that refuses a WebSocket with this response, or with 403 where the server can send no other."""

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if "websocket.http.response" in scope.get("extensions", {}):
            await response(scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    return refuse


def drop_error() -> Exception:
    """Return the exception that ends a WebSocket without a close frame.

    ASGI has no message for that. A server closes the connection on any exception, and logs the exception. uvicorn
    does not log the one that it raises itself when a client has gone. (Since 0.40 uvicorn also closes the
    connection when the app just returns.)
    """
    try:
        from uvicorn.protocols.utils import ClientDisconnected
    except ImportError:
        return ConnectionResetError("the connection is dropped")
    return ClientDisconnected()


async def no_web(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand in for a web application: every address is answered with 404."""
    await _NO_WEB[scope["type"]](scope, receive, send)


async def _complete_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    while (event := await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": f"{event['type']}.complete"})


_NOT_FOUND = PlainTextResponse("Not Found\n", 404)
_NO_WEB: Mapping[str, ASGI] = {
    "lifespan": _complete_lifespan,
    "http": _NOT_FOUND,
    "websocket": deny(_NOT_FOUND),
}
