"""The gateway's HTTP endpoints: broadcasts, presence, health (anycable-go `broadcast/http.go`, `api/`)."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from ..errors import ProtocolError
from .core.publications import Publication, read

__all__ = [
    "BROADCAST_PATH",
    "HEALTH_PATH",
    "MAX_BODY_SIZE",
    "PRESENCE_PATTERN",
    "PUBLISH_PATH",
    "broadcast",
    "health",
    "not_a_websocket",
    "presence",
]

logger = logging.getLogger("anycable_rpc")

BROADCAST_PATH = "/_broadcast"
PUBLISH_PATH = "/api/publish"
HEALTH_PATH = "/health"
PRESENCE_PATTERN = re.compile("/api/presence/(?P<stream>[^/]+)/users")
"""As in anycable-go, the stream cannot have a slash."""

MAX_BODY_SIZE = 8 * 1024 * 1024  # bytes


async def broadcast(request: Request, *, key: str | None, execute: Callable[[list[Publication]], None]) -> Response:
    """Execute the publications in the body; without a key anybody may broadcast.

    anycable-go answers 201 to a body that it cannot read, and drops it. Here the answer is 422 with a sentence.
    """
    refusal = _refusal(request, "POST", key)
    if refusal:
        return refusal
    try:
        body = await _body(request)
        if body is None:
            return PlainTextResponse(f"a publication has at most {MAX_BODY_SIZE} bytes\n", 413)
        execute(read(body.decode(errors="replace")))
    except ProtocolError as error:
        logger.warning("a publication was dropped: %s", error)
        return _unprocessable(str(error))
    except ClientDisconnect:
        return Response(status_code=400)
    return Response(status_code=201)


async def presence(request: Request, stream: str, *, key: str | None, info_of: Callable[[str], str | None]) -> Response:
    """Answer who is present in a stream; `info_of` returns None where presence is not kept."""
    refusal = _refusal(request, "GET", key)
    if refusal:
        return refusal
    info = info_of(stream)
    if info is None:
        return PlainTextResponse("presence is not kept: start with --broker=memory\n", 501)
    return Response(info, media_type="application/json")


async def health(request: Request) -> Response:
    """Answer that the gateway is alive."""
    return PlainTextResponse("OK\n")


async def not_a_websocket(request: Request) -> Response:
    """Refuse a plain request to the address of the WebSocket."""
    return PlainTextResponse("Bad Request\n", 400, headers={"Sec-Websocket-Version": "13"})


def _refusal(request: Request, method: str, key: str | None) -> Response | None:
    if request.method != method:
        return _unprocessable(f"use the method {method}")
    return None if key is None or _is_authorized(request, key) else Response(status_code=401)


def _unprocessable(sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", 422)


def _is_authorized(request: Request, key: str) -> bool:
    given = request.headers.get("authorization", "")
    return hmac.compare_digest(given.encode(errors="replace"), f"Bearer {key}".encode())


async def _body(request: Request) -> bytes | None:
    """Return the body; None when it is too big."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_SIZE:
            return None
    return bytes(body)
