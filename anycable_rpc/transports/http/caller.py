"""A listener for the end of the HTTP connection: anycable-go closes it when it does not wait any longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["CallerGoneError", "Message", "Receive", "while_caller_waits"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

_LISTEN_AFTER = 1.0
"""Seconds. Most calls end before, and cost no listener; anycable-go waits for 3 s (`--http_rpc_timeout`).

A server that always has an empty message in place of the end is asked again as seldom.
"""


class CallerGoneError(Exception):
    """The caller has closed the connection."""


@asynccontextmanager
async def while_caller_waits(receive: Receive) -> AsyncIterator[None]:
    """Run the block, and cancel it when the caller closes the connection.

    Raises:
        CallerGoneError: the block was cancelled.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as patience:
            listener = _Listener(receive, lambda: patience.reschedule(loop.time()))
            try:
                yield
            finally:
                listener.stop()
    except TimeoutError:
        raise CallerGoneError from None


class _Listener:
    """Calls `on_disconnect` when the connection ends, unless it is stopped before."""

    def __init__(self, receive: Receive, on_disconnect: Callable[[], object]) -> None:
        self._receive = receive
        self._on_disconnect = on_disconnect
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_LISTEN_AFTER, self._start)

    def stop(self) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            await asyncio.sleep(_LISTEN_AFTER)
        self._on_disconnect()
