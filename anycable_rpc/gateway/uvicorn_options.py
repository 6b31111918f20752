"""The options of uvicorn that serve the gateway."""

from __future__ import annotations

from typing import Any

from .core.options import GatewayOptions

__all__ = ["uvicorn_options"]

_ROOM = 16  # the gateway itself closes on what is too big, with anycable-go's code; uvicorn is the second line


def uvicorn_options(options: GatewayOptions) -> dict[str, Any]:
    """How uvicorn has to be set up to serve a gateway, as arguments of `uvicorn.Config`.

    No native pings, no compression and no proxy headers, as anycable-go without options. uvicorn logs whole
    URLs at level info, and a URL may hold a token: hence only warnings. Requests are taken up to the size that
    anycable-go takes.

    A socket that uvicorn is given should be made with `proto=socket.IPPROTO_TCP`: asyncio sets TCP_NODELAY only
    then, and without it the second of two frames waits 40 ms.
    """
    from .requests import MAX_HEAD_SIZE, Requests  # options are also for programs without uvicorn

    return {
        "http": Requests,
        "h11_max_incomplete_event_size": MAX_HEAD_SIZE,
        "ws_max_size": options.max_message_size * _ROOM,
        "ws_ping_interval": None,
        "ws_ping_timeout": None,
        "ws_per_message_deflate": False,
        "proxy_headers": False,
        "access_log": False,
        "log_level": "warning",
        "log_config": None,
    }
