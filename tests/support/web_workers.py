"""A WSGI app that broadcasts when it is asked to, and while it is loaded: gunicorn forks after that."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from typing import Any

from anycable_rpc import Cable, Connection

cable = Cable(Connection)
cable.broadcast("s", f"loaded {os.getpid()}")  # so that the workers inherit a connection that is in use


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """`/sync/1` and `/async/1` broadcast 1; the answer is who did it."""
    _, colour, text = environ["PATH_INFO"].split("/")
    if colour == "async":
        asyncio.run(cable.abroadcast("s", text))
    else:
        cable.broadcast("s", text)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
