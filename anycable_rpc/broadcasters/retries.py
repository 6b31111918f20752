"""Trying again until a deadline, for example while the other side restarts."""

from __future__ import annotations

import logging
from asyncio import sleep as asleep
from collections.abc import Awaitable, Callable
from time import monotonic, sleep

from ..errors import RequestFailed

__all__ = ["DEADLINE", "aretry_until", "retry_until"]

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
    pauses = _Pauses(deadline)
    while True:
        try:
            return attempt(pauses.seconds_left())
        except RequestFailed as failure:
            if not pauses.allow_another(failure):
                raise
        sleep(pauses.next())


async def aretry_until(deadline: float, attempt: Callable[[float], Awaitable[None]]) -> None:
    """`retry_until` for async code."""
    pauses = _Pauses(deadline)
    while True:
        try:
            return await attempt(pauses.seconds_left())
        except RequestFailed as failure:
            if not pauses.allow_another(failure):
                raise
        await asleep(pauses.next())


class _Pauses:
    """The pauses between attempts, and their end."""

    __slots__ = ("_end", "_pause")

    def __init__(self, deadline: float) -> None:
        self._end = monotonic() + deadline
        self._pause = _FIRST_PAUSE

    def seconds_left(self) -> float:
        return self._end - monotonic()

    def allow_another(self, failure: RequestFailed) -> bool:
        """Return whether another attempt makes sense, and has time."""
        if not failure.transient or monotonic() + self._pause >= self._end:
            return False
        _logger.info("%s; trying again in %.1f s", failure, self._pause)
        return True

    def next(self) -> float:
        """Return the seconds to wait now. The next pause is twice as long."""
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        return pause
