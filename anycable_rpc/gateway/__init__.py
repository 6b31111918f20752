"""The development gateway: does for browsers what anycable-go does, in this process. In production run anycable-go."""

from __future__ import annotations

from .app import ASGI, Gateway
from .app_calls import RPC
from .core.options import GatewayOptions
from .uvicorn_options import uvicorn_options

__all__ = ["ASGI", "RPC", "Gateway", "GatewayOptions", "uvicorn_options"]
