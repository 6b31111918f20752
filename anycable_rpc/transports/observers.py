"""Observers: callables of a program that hear of calls and refusals, for metrics and traces."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["notify"]

logger = logging.getLogger("anycable_rpc")

_News = TypeVar("_News")


def notify(observers: Iterable[Callable[[_News], object]], news: _News, of: str) -> None:
    """Call each observer. An observer that fails is logged, and stops nothing; `of` says what it observes."""
    for observer in observers:
        try:
            observer(news)
        except Exception:
            logger.exception("an observer of %s failed", of)
