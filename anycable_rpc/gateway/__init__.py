"""The development gateway: does for browsers what anycable-go does, in this process. In production run anycable-go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .app_calls import RPC
from .core.options import GatewayOptions
from .events import Event, Observer
from .uvicorn_options import uvicorn_options

if TYPE_CHECKING:
    from .app import Gateway
    from .asgi import ASGI

__all__ = ["ASGI", "RPC", "Event", "Gateway", "GatewayOptions", "Observer", "uvicorn_options"]


def __getattr__(name: str) -> Any:
    """Import what needs starlette when it is first asked for: the rules of the gateway do without it."""
    if name == "Gateway":
        from .app import Gateway

        return Gateway
    if name == "ASGI":
        from .asgi import ASGI

        return ASGI
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
