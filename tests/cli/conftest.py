"""The fixtures of the command line's tests."""

from __future__ import annotations

from .commands import folder, servers

__all__ = ["folder", "servers"]
