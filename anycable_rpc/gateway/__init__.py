"""The development gateway: does for browsers what anycable-go does, in this process. In production run anycable-go."""

from __future__ import annotations

from .app import Gateway
from .app_calls import RPC
from .asgi import ASGI
from .core.options import GatewayOptions
from .events import Event, Observer
from .uvicorn_options import uvicorn_options

__all__ = ["ASGI", "RPC", "Event", "Gateway", "GatewayOptions", "Observer", "uvicorn_options"]
