"""Options for a uvicorn that serves the gateway."""

from __future__ import annotations

from typing import Any

from .core.options import GatewayOptions

__all__ = ["uvicorn_options"]

_MARGIN = 16  # the gateway itself closes on a frame that is too big, with anycable-go's code; uvicorn is a second limit


def uvicorn_options(options: GatewayOptions) -> dict[str, Any]:
    """Return the arguments of `uvicorn.Config` that serve a gateway.

    They switch off native pings, compression and proxy headers, as anycable-go does by default. uvicorn logs whole
    URLs at level info, and a URL may hold a token, so the level is warning. Requests may be as large as anycable-go
    allows.

    Make a socket that you give to uvicorn with `proto=socket.IPPROTO_TCP`: only then asyncio sets TCP_NODELAY, and
    without it the second of two frames waits 40 ms.
    """
    from .uvicorn_protocol import (  # not above: options are also made where uvicorn is not installed
        MAX_HEAD_SIZE,
        Requests,
    )

    return {
        "http": Requests,
        "h11_max_incomplete_event_size": MAX_HEAD_SIZE,
        "ws_max_size": options.max_message_size * _MARGIN,
        "ws_ping_interval": None,
        "ws_ping_timeout": None,
        "ws_per_message_deflate": False,
        "proxy_headers": False,
        "access_log": False,
        "log_level": "warning",
        "log_config": None,
    }
