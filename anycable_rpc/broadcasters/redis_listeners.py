"""A warning when nobody listens to what is published."""

from __future__ import annotations

import logging
from time import monotonic

__all__ = ["Listeners"]

_logger = logging.getLogger("anycable_rpc")

_BETWEEN_CHECKS = 60.0
"""Seconds between two questions whether anybody listens, where the reply to a publication does not say how many do."""


class Listeners:
    """Knowledge about those who listen to a channel or read a stream.

    Args:
        channel: its name.
        address: the server.
        adapter: anycable-go's `--broadcast_adapter`.
        options: anycable-go's option with the name of the channel.
    """

    def __init__(self, channel: str, address: str, adapter: str, options: str) -> None:
        self._warning = channel, address, adapter, options
        self._are_there = True
        self._next_check = 0.0

    def note(self, are_there: bool) -> None:
        """Log a warning, once, when nobody listens any more."""
        if self._are_there and not are_there:
            _logger.warning(
                "nobody listens to %s at %s: does anycable-go run with --broadcast_adapter=%s and the same "
                "--redis_url and %s?", *self._warning,
            )  # fmt: skip
        self._are_there = are_there

    def is_time_to_check(self) -> bool:
        """Return whether it is time to ask the server, about once a minute."""
        now = monotonic()
        if now < self._next_check:
            return False
        self._next_check = now + _BETWEEN_CHECKS
        return True
