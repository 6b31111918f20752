"""The web side of the chat: the page, and the two ways to sign in."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from .chat import cable, is_name

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules"
WRONG_NAME = "A name has one to 30 visible characters."
NO_TOKENS = "Tokens are signed with a secret: set ANYCABLE_SECRET and start again."


async def page(request: Request) -> Response:
    """Return the page. AnyCable's client reads the address of the WebSocket from a `<meta>`."""
    values = {
        "cable_url": cable_url(request),
        "cookie": "yes" if "chat_name" in request.cookies else "",
        "token_param": cable.settings.jwt_param,
        "tokens": "yes" if cable.settings.keys.jwt else "",
        "packages": "yes" if (PACKAGES / "@anycable/web").is_dir() else "",
    }
    template = Template((HERE / "page.html").read_text(encoding="utf-8"))
    html = template.substitute({name: escape(value) for name, value in values.items()})
    return HTMLResponse(html, headers={"cache-control": "no-cache"})


def cable_url(request: Request) -> str:
    """Return the configured address of the WebSocket, with the page's host for `{host}`; else a path on this server."""
    host = request.url.hostname or ""
    address = request.app.state.cable_url or cable.settings.paths[0]
    return str(address).replace("{host}", f"[{host}]" if ":" in host else host)


async def sign_in(request: Request) -> Response:
    """Sign in with a cookie. The browser sends it when it opens the WebSocket, and `ChatConnection.connect` reads it.

    This chat believes the name that the visitor types. A real application checks a password here, and uses the cookie
    of the session that it has anyway.
    """
    name = await posted_name(request)
    if name is None:
        return JSONResponse({"error": WRONG_NAME}, status_code=422)
    response = Response(status_code=204)
    response.set_cookie("chat_name", quote(name, safe=""), httponly=True, samesite="lax")
    return response


async def sign_out(request: Request) -> Response:
    """Delete the cookie."""
    response = Response(status_code=204)
    response.delete_cookie("chat_name", httponly=True, samesite="lax")
    return response


async def token(request: Request) -> Response:
    """Sign in with a token. The page puts it into the URL of the WebSocket, which then opens without a call to Python.

    The page asks again when the token has expired. A real application issues tokens to users who are signed in.
    """
    name = await posted_name(request)
    if name is None:
        return JSONResponse({"error": WRONG_NAME}, status_code=422)
    if not cable.settings.keys.jwt:
        return JSONResponse({"error": NO_TOKENS}, status_code=501)
    return JSONResponse({"token": cable.token(user=name)})


async def posted_name(request: Request) -> str | None:
    """Return the name in the posted JSON; None when the body has no valid name."""
    try:
        body: Any = await request.json()
        name = str(body["name"]).strip()
    except (ValueError, TypeError, LookupError):
        return None
    return name if is_name(name) else None


class Packages(StaticFiles):
    """The npm packages that the page imports. As long as they are not installed, requests get 404 and not an error."""

    async def check_config(self) -> None:
        """Accept a folder that does not exist."""


app = Starlette(
    routes=[
        Route("/", page),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
        Route("/token", token, methods=["POST"]),
        Mount("/static", StaticFiles(directory=HERE / "static")),
        Mount("/modules", Packages(directory=PACKAGES, check_dir=False)),
    ]
)
app.state.cable_url = ""
