"""HTTP routes as a table: the first row that fits the path answers, else the default app does."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response

from .asgi import ASGI, Receive, Scope, Send
from .handshake import route_path

__all__ = ["Endpoint", "Routes", "Row", "exactly"]

Endpoint = Callable[..., Awaitable[Response]]
"""Takes the request, and the named groups of the pattern as keywords."""

Row = tuple[re.Pattern[str], Endpoint]


class Routes:
    """An ASGI app for HTTP."""

    def __init__(self, rows: Iterable[Row], default: ASGI) -> None:
        self._rows = tuple(rows)
        self._default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(scope, receive)
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> ASGI:
        path = route_path(scope)
        for pattern, endpoint in self._rows:
            match = pattern.fullmatch(path)
            if match:
                return await endpoint(Request(scope, receive), **match.groupdict())
        return self._default


def exactly(path: str) -> re.Pattern[str]:
    """Return the pattern of this one path."""
    return re.compile(re.escape(path))
