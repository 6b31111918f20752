"""A WSGI app that broadcasts while it is loaded, before gunicorn forks, and on request."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from typing import Any

from anycable_rpc import Cable, Connection

cable = Cable(Connection)
cable.broadcast("s", f"loaded {os.getpid()}")  # so that the workers inherit a connection that is in use


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Broadcast 1 for `/sync/1` and `/async/1`; answer with the process id."""
    _, kind, text = environ["PATH_INFO"].split("/")
    if kind == "async":
        asyncio.run(cable.abroadcast("s", text))
    else:
        cable.broadcast("s", text)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
