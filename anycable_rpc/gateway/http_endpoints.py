"""The gateway over HTTP: broadcasts, who is present, and that it is there (anycable-go `broadcast/http.go`, `api/`)."""

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
    "PUBLISH_PATH",
    "broadcast",
    "health",
    "not_a_websocket",
    "not_found",
    "presence",
    "presence_stream",
]

logger = logging.getLogger("anycable_rpc")

BROADCAST_PATH = "/_broadcast"
PUBLISH_PATH = "/api/publish"
HEALTH_PATH = "/health"
_PRESENCE_PATH = re.compile("/api/presence/(?P<stream>[^/]+)/users")
MAX_BODY_SIZE = 8 * 1024 * 1024


async def broadcast(request: Request, key: str | None, execute: Callable[[list[Publication]], None]) -> Response:
    """Execute what is published.

    anycable-go says 201 to what it cannot read, and drops it; here it is 422 with a sentence about it.
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


def presence(request: Request, key: str | None, info: str | None) -> Response:
    """Who is in a stream; `info` is None where that is not kept."""
    refusal = _refusal(request, "GET", key)
    if refusal:
        return refusal
    if info is None:
        return PlainTextResponse("presence is not kept: start with --broker=memory\n", 501)
    return Response(info, media_type="application/json")


def presence_stream(path: str) -> str | None:
    """The stream whose presence is at this path (anycable-go takes no slash in it); None when it is another path."""
    match = _PRESENCE_PATH.fullmatch(path)
    return match["stream"] if match else None


def health() -> Response:
    """Alive."""
    return PlainTextResponse("OK\n")


def not_a_websocket() -> Response:
    """What is at this address is not for HTTP."""
    return PlainTextResponse("Bad Request\n", 400, headers={"Sec-Websocket-Version": "13"})


def not_found() -> Response:
    """Nothing is at this address."""
    return PlainTextResponse("Not Found\n", 404)


def _refusal(request: Request, method: str, key: str | None) -> Response | None:
    if request.method != method:
        return _unprocessable(f"ask with {method}")
    return None if key is None or _is_authorized(request, key) else Response(status_code=401)


def _unprocessable(sentence: str) -> Response:
    return PlainTextResponse(f"{sentence}\n", 422)


def _is_authorized(request: Request, key: str) -> bool:
    given = request.headers.get("authorization", "")
    return hmac.compare_digest(given.encode(errors="replace"), f"Bearer {key}".encode())


async def _body(request: Request) -> bytes | None:
    """The body; None when it is too big."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_SIZE:
            return None
    return bytes(body)
