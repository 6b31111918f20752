"""The chat's calls over HTTP, mounted in an ASGI app and in a WSGI app beside a page."""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from app_example.chat import cable

MOUNT = "/_anycable"

_rpc = cable.wsgi()


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("page")


asgi = Starlette(routes=[Mount(MOUNT, cable.asgi()), Route("/", page)])


def wsgi(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path.startswith(f"{MOUNT}/"):
        mounted = {**environ, "SCRIPT_NAME": MOUNT, "PATH_INFO": path.removeprefix(MOUNT)}
        return _rpc(mounted, start_response)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"page"]
