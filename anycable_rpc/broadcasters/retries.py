"""Trying again until a deadline, for example while the other side restarts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic, sleep

from ..errors import RequestFailed

__all__ = ["DEADLINE", "retry_until"]

_logger = logging.getLogger("anycable_rpc")

DEADLINE = 2.5
"""Seconds: less than the three that anycable-go gives a command, so that the action can say what failed."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 1.0


def retry_until(deadline: float, attempt: Callable[[float], None]) -> None:
    """Call `attempt` with the seconds that are left, and again after a transient failure, for `deadline` seconds.

    Raises:
        RequestFailed: the last attempt failed.
    """
    give_up = monotonic() + deadline
    pause = _FIRST_PAUSE
    while True:
        try:
            return attempt(give_up - monotonic())
        except RequestFailed as failure:
            if not failure.transient or monotonic() + pause >= give_up:
                raise
            _logger.info("%s; trying again in %.1f s", failure, pause)
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
