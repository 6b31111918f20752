"""The order to stop serving: any thread gives it, and a thread or an event loop waits for it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

__all__ = ["Stop"]


class Stop:
    """The order to stop for one server. Signals give it, or anything else that the owner of the process listens to."""

    def __init__(self) -> None:
        self._order: Future[None] = Future()

    def set(self) -> None:
        """Give the order, from any thread. A second time changes nothing."""
        with suppress(InvalidStateError):
            self._order.set_result(None)

    def wait(self) -> None:
        """Block this thread until the order comes."""
        self._order.result()

    def event(self) -> asyncio.Event:
        """Return an event of the running event loop that is set when the order comes."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()

        def tell(_: Future[None]) -> None:
            with suppress(RuntimeError):  # the event loop is closed, so nobody waits
                loop.call_soon_threadsafe(event.set)

        self._order.add_done_callback(tell)
        return event
