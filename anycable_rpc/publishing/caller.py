"""The connection whose callback is running, for broadcasts to everybody else."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["CALLER"]

CALLER: ContextVar[str | None] = ContextVar("anycable_rpc caller", default=None)
"""The `sid` of the connection whose callback is running."""
