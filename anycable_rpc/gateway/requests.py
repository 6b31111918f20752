"""How uvicorn reads requests for a gateway: as large as anycable-go takes them, and never without an answer.

The library that speaks WebSocket has lower limits of its own for lines and headers, and says nothing to a request
beyond them. So the handshake that it reads is cut down to what the protocol itself needs, and the application is
given the whole request.
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
_LINGER = 0.5  # seconds for the client to read the answer: a connection closed with data unread loses it
_HANDSHAKE = (b"host", b"upgrade", b"connection", b"sec-websocket-key", b"sec-websocket-version")
_WHOLE = ("path", "raw_path", "query_string", "headers")


class Requests(H11Protocol):
    """One connection, until it becomes a WebSocket."""

    _has_ended = False

    def data_received(self, data: bytes) -> None:
        """Read in parts: h11 compares a head with the limit only while it is incomplete."""
        for start in range(0, len(data), _PART):
            if self._has_ended:
                return
            super().data_received(data[start : start + _PART])

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that cannot be read with the status that says why; uvicorn knows 400 only."""
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
        """Hand the connection over."""
        scope: Any = self.scope
        whole: Scope = {name: scope[name] for name in _WHOLE}
        whole["subprotocols"] = _offered(self.headers)
        speaks = self.ws_protocol_class

        def protocol(**given: Any) -> Any:
            made: Any = speaks(**given)  # type: ignore[misc]
            made.app = _Whole(made.app, whole)
            return made

        self.ws_protocol_class = protocol  # type: ignore[assignment]
        self._has_ended = True
        self.headers = list({name: value for name, value in reversed(self.headers) if name in _HANDSHAKE}.items())
        super().handle_websocket_upgrade(h11.Request(method=event.method, target=b"/", headers=self.headers))


class _Whole:
    """The application, which sees the whole request."""

    def __init__(self, app: Any, whole: Scope) -> None:
        self._app = app
        self._whole = whole

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        is_denied = False

        async def send_and_note(event: Any) -> None:
            nonlocal is_denied
            is_denied = is_denied or event["type"] == "websocket.http.response.start"
            await send(event)

        await self._app({**scope, **self._whole}, receive, send_and_note)
        if is_denied:  # uvicorn takes a refusal for a handshake that was forgotten, and logs that as an error
            raise ClientDisconnected


def _offered(headers: list[tuple[bytes, bytes]]) -> list[str]:
    values = [value.decode("latin-1") for name, value in headers if name == b"sec-websocket-protocol"]
    return [name.strip() for value in values for name in value.split(",")]


def _reason(error: BaseException | None, status: HTTPStatus) -> str:
    if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        return f"the URL and the headers have more than {MAX_HEAD_SIZE} bytes; are there very large cookies?"
    return f"it is not HTTP ({error})"
