"""Batches: the broadcasts of a block, published as one when it ends."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar, Token
from typing import Self

from .payloads import Publication

__all__ = ["Batch", "collect"]


class _Collected:
    """The payloads of an open batch; any thread may add one."""

    def __init__(self) -> None:
        self._payloads: list[str] = []
        self._is_open = True
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._payloads)

    def add(self, payload: str) -> bool:
        """Add a payload; return False when the batch has ended."""
        with self._lock:
            if self._is_open:
                self._payloads.append(payload)
            return self._is_open

    def truncate(self, length: int) -> None:
        """Keep only the first payloads, so many of them."""
        with self._lock:
            del self._payloads[length:]

    def close(self) -> str:
        """End the batch; return its payloads as a JSON array, or an empty string when there are none."""
        with self._lock:
            self._is_open = False
            return Publication(f"[{','.join(self._payloads)}]") if self._payloads else ""


_OPEN: ContextVar[Mapping[object, _Collected]] = ContextVar("anycable_rpc batches", default={})  # noqa: B039 - never changed in place


def collect(owner: object, payload: str) -> bool:
    """Add a payload to the open batch of its owner; return False when there is none."""
    collected = _OPEN.get().get(owner)
    return collected is not None and collected.add(payload)


class Batch:
    """Return value of `Cable.batch()`, for one block.

    Args:
        owner: whose broadcasts are collected; a batch inside another of the same owner joins it.
        publish: takes the JSON array at the end of a `with` block.
        apublish: the same for an `async with` block.
    """

    def __init__(
        self, owner: object, publish: Callable[[str], None], apublish: Callable[[str], Awaitable[None]]
    ) -> None:
        self._owner = owner
        self._publish = publish
        self._apublish = apublish
        self._token: Token[Mapping[object, _Collected]] | None = None
        self._collected = _Collected()
        self._start = 0

    def __enter__(self) -> Self:
        outer = _OPEN.get()
        if self._owner in outer:
            self._collected = outer[self._owner]
            self._start = len(self._collected)
        else:
            self._token = _OPEN.set({**outer, self._owner: self._collected})
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        payload = self._end(failed=kind is not None)
        if payload:
            self._publish(payload)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        payload = self._end(failed=kind is not None)
        if payload:
            await self._apublish(payload)

    def _end(self, failed: bool) -> str:
        """Return the payload to publish now; empty when the block raised, or is inside another batch."""
        if failed:
            self._collected.truncate(self._start)
        if self._token is None:
            return ""
        _OPEN.reset(self._token)
        self._token = None
        return self._collected.close()
