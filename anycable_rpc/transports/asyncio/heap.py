"""Give free memory back to the system.

glibc keeps the memory of large buffers after they are freed. A process of 46 MB stayed at 90 MB after 30 connections
with incomplete requests had gone.
"""

from __future__ import annotations

import ctypes

__all__ = ["trim"]


def trim() -> None:
    """Give free memory back, if the C library has a function for that (glibc has)."""
    function = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if function is not None:
        function(0)
