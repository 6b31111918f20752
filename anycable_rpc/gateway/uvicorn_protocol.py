"""Requests of uvicorn that may be as large as anycable-go takes them, and that are always answered.

The WebSocket library has lower limits for lines and headers, and does not answer a request beyond them. So it gets a
handshake with only the headers that the protocol needs, and the application gets the whole request.
"""

from __future__ import annotations

import logging
import sys
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected

from .asgi import Scope

__all__ = ["MAX_HEAD_SIZE", "Requests"]

logger = logging.getLogger("anycable_rpc")

MAX_HEAD_SIZE = 1024 * 1024 + 4096  # Go's net/http
_PART = 65536
_OF_LEGACY = (
    "handshake_started_event"  # the protocol on the legacy websockets library; there an exception loses a refusal
)
_LINGER = 0.5  # seconds for the client to read the answer, which is lost when a connection with unread data closes
_HANDSHAKE = (b"host", b"upgrade", b"connection", b"sec-websocket-key", b"sec-websocket-version")
_WHOLE = ("path", "raw_path", "query_string", "headers")


class Requests(H11Protocol):
    """An HTTP connection of uvicorn, until it becomes a WebSocket."""

    _has_ended = False

    def data_received(self, data: bytes) -> None:
        """Pass data to h11 in parts: it compares a head with the limit only while the head is incomplete."""
        for start in range(0, len(data), _PART):
            if self._has_ended:
                return
            super().data_received(data[start : start + _PART])

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that cannot be read with a precise status; uvicorn itself always answers 400."""
        error = sys.exception()
        status = HTTPStatus(getattr(error, "error_status_hint", 400))
        logger.warning("a request was refused with %d %s: %s", status, status.phrase, _reason(error, status))
        text = f"{status} {status.phrase}\n"
        head = f"HTTP/1.1 {text[:-1]}\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\nConnection: close"
        self._has_ended = True
        self.transport.write(f"{head}\r\n\r\n{text}".encode())
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection to the WebSocket library with a short handshake."""
        scope: Any = self.scope
        whole: Scope = {name: scope[name] for name in _WHOLE}
        whole["subprotocols"] = _offered_subprotocols(self.headers)
        websocket_class = self.ws_protocol_class

        def make_protocol(**options: Any) -> Any:
            protocol: Any = websocket_class(**options)  # type: ignore[misc]
            protocol.app = _WithWholeRequest(protocol.app, whole, hasattr(protocol, _OF_LEGACY))
            return protocol

        self.ws_protocol_class = make_protocol  # type: ignore[assignment]
        self._has_ended = True
        self.headers = list({name: value for name, value in reversed(self.headers) if name in _HANDSHAKE}.items())
        super().handle_websocket_upgrade(h11.Request(method=event.method, target=b"/", headers=self.headers))


class _WithWholeRequest:
    """The application, which gets the whole request in its scope.

    Args:
        app: the application.
        whole: the parts of the scope that the short handshake has lost.
        knows_refusals: the WebSocket protocol takes a refusal as an end of the handshake.
    """

    def __init__(self, app: Any, whole: Scope, knows_refusals: bool) -> None:
        self._app = app
        self._whole = whole
        self._knows_refusals = knows_refusals

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        is_denied = False

        async def send_and_note(event: Any) -> None:
            nonlocal is_denied
            is_denied = is_denied or event["type"] == "websocket.http.response.start"
            await send(event)

        await self._app({**scope, **self._whole}, receive, send_and_note)
        if is_denied and not self._knows_refusals:  # else it logs the refusal as a forgotten handshake
            raise ClientDisconnected


def _offered_subprotocols(headers: list[tuple[bytes, bytes]]) -> list[str]:
    values = [value.decode("latin-1") for name, value in headers if name == b"sec-websocket-protocol"]
    return [name.strip() for value in values for name in value.split(",")]


def _reason(error: BaseException | None, status: HTTPStatus) -> str:
    if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        return f"the URL and the headers have more than {MAX_HEAD_SIZE} bytes; are there very large cookies?"
    return f"it is not HTTP ({error})"
