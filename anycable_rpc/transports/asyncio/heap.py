"""Memory that is free goes back to the system.

glibc keeps what large buffers have left: after 30 connections had left unfinished requests, a process of 46 MB stayed
at 90. Elsewhere nothing is done.
"""

from __future__ import annotations

import ctypes

__all__ = ["trim"]


def trim() -> None:
    """Give free memory back, where the C library has a function for that."""
    function = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if function is not None:
        function(0)
