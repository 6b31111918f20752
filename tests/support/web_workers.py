"""A WSGI app that broadcasts on request, and once while it is loaded, before gunicorn forks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from typing import Any

from anycable_rpc import Cable, Connection

cable = Cable(Connection)
cable.broadcast("s", f"loaded {os.getpid()}")  # so that the workers inherit a connection that is in use


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Broadcast the last part of `/sync/1` or `/async/1`, and answer with the process id."""
    _, mode, text = environ["PATH_INFO"].split("/")
    if mode == "async":
        asyncio.run(cable.abroadcast("s", text))
    else:
        cable.broadcast("s", text)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
