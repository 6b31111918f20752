"""The gateway over HTTP: taking broadcasts, and saying that it is there (anycable-go `broadcast/http.go`)."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from ..errors import ProtocolError
from .publications import Publication, read

__all__ = ["BROADCAST_PATH", "HEALTH_PATH", "broadcast", "health", "not_a_websocket", "not_found"]

logger = logging.getLogger("anycable_rpc")

BROADCAST_PATH = "/_broadcast"
HEALTH_PATH = "/health"
MAX_BODY_SIZE = 8 * 1024 * 1024


async def broadcast(request: Request, key: str | None, execute: Callable[[list[Publication]], None]) -> Response:
    """Execute what is published.

    anycable-go says 201 to what it cannot read, and drops it; here it is 422 with a sentence about it.
    """
    if request.method != "POST":
        return _unprocessable("publish with POST")
    if key is not None and not _is_authorized(request, key):
        return Response(status_code=401)
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


def health() -> Response:
    """Alive."""
    return PlainTextResponse("OK\n")


def not_a_websocket() -> Response:
    """What is at this address is not for HTTP."""
    return PlainTextResponse("Bad Request\n", 400, headers={"Sec-Websocket-Version": "13"})


def not_found() -> Response:
    """Nothing is at this address."""
    return PlainTextResponse("Not Found\n", 404)


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
