"""Objects that belong to one event loop, such as its connections: made on first use, closed when the loop ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

__all__ = ["PerLoop"]

T = TypeVar("T")


class _Kept(NamedTuple, Generic[T]):
    value: T
    keeper: AsyncGenerator[None]


class PerLoop(Generic[T]):
    """An object for each event loop of a process. Any thread may use this class, and so may a forked child.

    Args:
        make: makes the object. It is called in the event loop.
        close: closes it, in the same event loop. The object may be used again, and is closed once more at the end.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Coroutine[None, None, None]]) -> None:
        self._make = make
        self._close = close
        self._pid = os.getpid()
        self._kept: dict[asyncio.AbstractEventLoop, _Kept[T]] = {}
        self._of_parents: list[object] = []
        self._closing: set[asyncio.Task[None]] = set()

    async def get(self) -> T:
        """Return the object of the running event loop."""
        if self._pid != os.getpid():
            # Kept, since closing them here would tell the selector of the parent to forget its connections.
            self._of_parents.append(self._kept)
            self._kept, self._pid = {}, os.getpid()
        loop = asyncio.get_running_loop()
        found = self._kept.get(loop)
        return found.value if found else await self._keep(loop)

    def close(self) -> None:
        """Close the objects of all event loops. Each loop closes its own as soon as it runs. It may be used again."""
        for loop, found in self._kept.copy().items():
            if self._pid == os.getpid():
                with suppress(RuntimeError):  # the event loop is closed
                    loop.call_soon_threadsafe(self._begin_to_close, loop, found.value)

    def _begin_to_close(self, loop: asyncio.AbstractEventLoop, value: T) -> None:
        task = loop.create_task(self._close(value))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _keep(self, loop: asyncio.AbstractEventLoop) -> T:
        for other in self._kept.copy():
            if other.is_closed():
                self._kept.pop(other, None)
        value = self._make()
        keeper = self._until_the_end(loop, value)
        self._kept[loop] = _Kept(value, keeper)
        # An event loop closes its async generators before it ends. This is the only notice that it gives.
        await anext(keeper)
        return value

    async def _until_the_end(self, loop: asyncio.AbstractEventLoop, value: T) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            found = self._kept.get(loop)
            if found and found.value is value:
                del self._kept[loop]
            await self._close(value)
