"""The frames that wait to be written to one client, in bounds, and how the connection ends after them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from .asgi import Send
from .endings import Close, Ending, NoClose

__all__ = ["Outbox", "size_of"]


class Outbox:
    """A queue of frames that one task writes.

    Args:
        limit: bytes that may wait.
        write_timeout: seconds that one frame may take to be written.
    """

    def __init__(self, limit: int, write_timeout: float) -> None:
        self._limit = limit
        self._write_timeout = write_timeout
        self._frames: deque[tuple[str, int]] = deque()
        self._size = 0
        self._ending: Ending | None = None
        self._has_work = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    def put(self, frame: str) -> bool:
        """Add a frame of any size; return False when too much waits already. After the end it is not written.

        anycable-go compares in the same order (`utils/queue.go`).
        """
        if self._ending is not None:
            return True
        if self._size >= self._limit:
            return False
        self._append(frame, size_of(frame))
        return True

    async def wait_for_room(self) -> None:
        """Wait until `put` would accept a frame, or until no frame is written any more."""
        await self._has_room.wait()

    def end(self, ending: Ending, last_frame: str = "") -> None:
        """End after the frames that wait, and after `last_frame`. Only the first ending counts."""
        if self._ending is not None:
            return
        if last_frame:
            self._append(last_frame, size_of(last_frame))
        self._ending = ending
        self._has_work.set()
        self._has_room.set()

    def abandon(self) -> None:
        """End now and drop the frames that wait: the client has gone."""
        self._frames.clear()
        self._ending = NoClose.GONE
        self._has_work.set()
        self._has_room.set()

    async def drain(self, send: Send) -> Ending:
        """Write until the end and return the ending; it is DROP when the client is too slow."""
        try:
            async for event in self._events():
                async with asyncio.timeout(self._write_timeout):
                    await send(event)
        except TimeoutError:
            return NoClose.DROP
        except OSError:  # ASGI servers raise it when the client has gone
            return NoClose.GONE
        finally:
            self._has_room.set()
        return self._ending or NoClose.GONE

    async def _events(self) -> AsyncIterator[dict[str, Any]]:
        while self._frames or self._ending is None:
            if self._frames:
                frame, size = self._frames.popleft()
                self._size -= size
                if self._size < self._limit:
                    self._has_room.set()
                yield {"type": "websocket.send", "text": frame}
            else:
                self._has_work.clear()
                await self._has_work.wait()
        if isinstance(self._ending, Close):
            yield {"type": "websocket.close", "code": self._ending.code, "reason": self._ending.reason}

    def _append(self, frame: str, size: int) -> None:
        self._frames.append((frame, size))
        self._size += size
        self._has_work.set()
        if self._size >= self._limit:
            self._has_room.clear()


def size_of(frame: str) -> int:
    """Return the size in bytes."""
    return len(frame) if frame.isascii() else len(frame.encode(errors="replace"))
