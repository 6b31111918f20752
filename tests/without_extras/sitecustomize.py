"""Hides what the extras install: with this folder in PYTHONPATH, each Python process starts as if it were not there."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec

_HIDDEN = {"uvloop", "redis", "nats"}


class _Hiding(MetaPathFinder):
    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Find nothing, or raise what Python raises where a module is not installed."""
        if fullname.partition(".")[0] in _HIDDEN:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


sys.meta_path.insert(0, _Hiding())
