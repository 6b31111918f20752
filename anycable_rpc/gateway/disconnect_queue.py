"""Disconnect calls, one after another in the order in which sessions ended (anycable-go `node/disconnect_queue.go`)."""

from __future__ import annotations

import asyncio
from collections import deque

from ..protocol.messages import DisconnectRequest
from .app_calls import AppCalls

__all__ = ["DisconnectQueue"]


class DisconnectQueue:
    """A queue, and a task that runs as long as a call waits."""

    def __init__(self, calls: AppCalls) -> None:
        self._calls = calls
        self._waiting: deque[tuple[str, DisconnectRequest]] = deque()
        self._worker: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, sid: str, request: DisconnectRequest) -> None:
        """Queue the Disconnect call of a session."""
        self._waiting.append((sid, request))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())

    async def finish(self) -> None:
        """Wait until all calls have been answered."""
        if self._worker is not None:
            await asyncio.wait({self._worker})

    async def _work(self) -> None:
        while self._waiting:
            sid, request = self._waiting[0]
            await self._calls.disconnect(sid, request)
            self._waiting.popleft()
