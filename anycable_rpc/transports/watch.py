"""A thread that looks at a server's calls once a second; callbacks may block every other thread.

It logs refused calls and callbacks that do not return. It turns the health when no place comes free.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine, Iterator
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from . import runner
from .admission import Admission

if TYPE_CHECKING:
    from ..callbacks import Callback
    from .service import Service

__all__ = ["UnderWay", "Watch"]

logger = logging.getLogger("anycable_rpc")

_MINUTE = 60.0
_STACKS = 10  # a minute: as many show what is wrong
_DEPTH = 12  # frames of a stack: the innermost
_OWN_FOLDER = os.path.dirname(os.path.dirname(__file__)) + os.sep  # the whole package


class UnderWay(Protocol):
    """A call or a callback under way. It has a thread or a coroutine once it runs."""

    @property
    def thread(self) -> int | None: ...

    @property
    def coroutine(self) -> Coroutine[Any, Any, Any] | None: ...

    @property
    def is_late(self) -> bool:
        """True when its deadline has passed, so that nobody waits for it any more."""
        ...


class Watch:
    """Looks at the calls of one server.

    Args:
        admission: has the calls of the engine, each an `UnderWay`; the service has the callbacks on threads.
        service: hears of a change of health too, for the process above a worker.
        patience: seconds without a free place until the health turns to NOT_SERVING; 0 never turns it.
        turn: called with True for SERVING and False for NOT_SERVING, on the thread of the watch.
    """

    def __init__(
        self, admission: Admission[Any], service: Service, patience: float, turn: Callable[[bool], object]
    ) -> None:
        self._admission = admission
        self._service = service
        self._patience = patience
        self._turn = turn
        self._over = threading.Event()
        self._known: set[UnderWay] = set()
        self._stacks = 0
        self._stacks_until = 0.0
        self._held: frozenset[UnderWay] = frozenset()
        self._held_since = 0.0
        self._is_serving = True

    def start(self) -> None:
        """Look once a second, until `stop`."""
        threading.Thread(target=self._run, name="anycable_rpc watch", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._over.set()

    def look(self, now: float) -> None:
        """Log what has changed since the last look, and turn the health if needed."""
        self._admission.log_refusals(now)
        self._tell_late(now)
        self._tell_health(now)

    def _run(self) -> None:
        while not self._over.wait(1):
            try:
                self.look(monotonic())
            except Exception:
                logger.exception("checking the calls failed")

    def _tell_late(self, now: float) -> None:
        late = {call for call in (*self._admission.under_way, *self._service.threads.jobs) if call.is_late}
        self._known &= late
        if now >= self._stacks_until:
            self._stacks, self._stacks_until = 0, now + _MINUTE
        for call in late - self._known:
            callback, frames = where(call)
            if callback is not None and frames:
                self._known.add(call)
                self._stacks += 1
                if self._stacks <= _STACKS:
                    _tell_stuck(callback, frames)

    def _tell_health(self, now: float) -> None:
        held = self._taken()
        if not held or held != self._held:
            self._held, self._held_since = held, now
        is_serving = not held or not self._patience or now - self._held_since < self._patience
        if is_serving is self._is_serving:
            return
        self._is_serving = is_serving
        if is_serving:
            logger.warning("a place has come free: health is SERVING again")
        else:
            logger.error(
                "no place has come free for %g s, so every call is refused: health is NOT_SERVING until one does",
                self._patience,
            )
        self._turn(is_serving)
        self._service.on_health_change(is_serving)

    def _taken(self) -> frozenset[UnderWay]:
        """Return the calls that hold places, if no place is free.

        The same set as at the last look means that no place has come free meanwhile.
        """
        for taken in (self._admission.under_way, self._service.threads.jobs):
            if len(taken) >= self._admission.limit:
                return frozenset(taken)
        return frozenset()


def where(call: UnderWay) -> tuple[Callback | None, list[FrameType]]:
    """Return the callback that runs, and the frames of the app's code; None and no frames if it has not begun."""
    callback, frames = None, list[FrameType]()
    for frame in _frames(call):
        if frame.f_code in (runner.call_sync.__code__, runner.arun.__code__):
            callback = frame.f_locals.get("callback")
        elif callback is not None and not frame.f_code.co_filename.startswith(_OWN_FOLDER):
            frames.append(frame)
    return callback, frames


def _frames(call: UnderWay) -> list[FrameType]:
    """Return the frames of a call, the outermost first."""
    tops = sys._current_frames()
    if call.coroutine is None:
        top = tops.get(call.thread or 0)
        return [*_outwards(top)][::-1]
    begun = getattr(call.coroutine, "cr_frame", None)
    for top in tops.values():
        stack = [*_outwards(top)]
        if begun in stack:  # it runs just now
            return stack[: stack.index(begun) + 1][::-1]
    return [*_inwards(call.coroutine)]


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _inwards(awaited: Any) -> Iterator[FrameType]:
    """Yield the frames of a coroutine that waits, the outermost first."""
    while (frame := getattr(awaited, "cr_frame", None)) is not None:
        yield frame
        awaited = awaited.cr_await


def _tell_stuck(callback: Callback, frames: list[FrameType]) -> None:
    stack = traceback.StackSummary.extract((frame, frame.f_lineno) for frame in frames[-_DEPTH:])
    logger.error(
        "%s has not returned, though the deadline of its call has passed; it keeps its place. It stands here "
        "(sid=%s):\n%s",
        *(callback, callback.connection.sid, "".join(stack.format()).rstrip()),
    )
