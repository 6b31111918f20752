"""Tests of channels without a server: `TestClient` connects to a cable, in the thread of the test."""

from __future__ import annotations

from ..errors import EventLoopRunning, IgnoredCommand
from .broadcasts import Broadcasts
from .client import TestClient
from .connect import CableClient
from .server import TestServer
from .subscription import Subscription

__all__ = [
    "Broadcasts",
    "CableClient",
    "EventLoopRunning",
    "IgnoredCommand",
    "Subscription",
    "TestClient",
    "TestServer",
]
