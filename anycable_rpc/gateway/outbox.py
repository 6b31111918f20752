"""What waits to be written to one client: bounded, and it knows how the connection is to end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = ["Close", "Ending", "NoClose", "Outbox", "Send", "size_of"]

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Close:
    """A close frame."""

    code: int
    reason: str = ""


class NoClose(Enum):
    """An end without a close frame."""

    DROP = "we end the connection"
    GONE = "the client has ended it"


Ending = Close | NoClose


class Outbox:
    """Texts go in, one task writes them."""

    def __init__(self, limit: int, write_timeout: float) -> None:
        self._limit = limit
        self._write_timeout = write_timeout
        self._texts: deque[tuple[str, int]] = deque()
        self._size = 0
        self._ending: Ending | None = None
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def put(self, text: str) -> bool:
        """Add a text of any size; False when what waits already is too much. What comes after the end is not written.

        anycable-go compares in the same order (`utils/queue.go`).
        """
        if self._ending is not None:
            return True
        if self._size >= self._limit:
            return False
        self._append(text, size_of(text))
        return True

    async def room(self) -> None:
        """Wait until a text would be accepted, or written no more."""
        await self._room.wait()

    def end(self, ending: Ending, last: str = "") -> None:
        """End after what waits, and `last`; only the first ending counts."""
        if self._ending is not None:
            return
        if last:
            self._append(last, size_of(last))
        self._ending = ending
        self._news.set()
        self._room.set()

    def abandon(self) -> None:
        """The client is gone: end now."""
        self._texts.clear()
        self._ending = NoClose.GONE
        self._news.set()
        self._room.set()

    async def drain(self, send: Send) -> Ending:
        """Write until the end, and say what it was: DROP also when the client is too slow."""
        try:
            async for event in self._events():
                async with asyncio.timeout(self._write_timeout):
                    await send(event)
        except TimeoutError:
            return NoClose.DROP
        except OSError:  # how ASGI servers say that the client is gone
            return NoClose.GONE
        finally:
            self._room.set()
        return self._ending or NoClose.GONE

    async def _events(self) -> AsyncIterator[dict[str, Any]]:
        while self._texts or self._ending is None:
            if self._texts:
                text, size = self._texts.popleft()
                self._size -= size
                if self._size < self._limit:
                    self._room.set()
                yield {"type": "websocket.send", "text": text}
            else:
                self._news.clear()
                await self._news.wait()
        if isinstance(self._ending, Close):
            yield {"type": "websocket.close", "code": self._ending.code, "reason": self._ending.reason}

    def _append(self, text: str, size: int) -> None:
        self._texts.append((text, size))
        self._size += size
        self._news.set()
        if self._size >= self._limit:
            self._room.clear()


def size_of(text: str) -> int:
    """The size in bytes."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
