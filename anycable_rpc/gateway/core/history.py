"""The latest broadcasts of each stream, each with its offset, kept for a limited time (anycable-go `broker/`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from .session import Broadcast

__all__ = ["History", "Position"]

MAX_STREAMS = 10_000
MAX_SIZE = 64 * 2**20
_OVERHEAD = 512
"""Bytes that an entry takes beside its data, estimated."""


class Position(NamedTuple):
    """The last message of a stream that a client has received."""

    epoch: str = ""
    offset: int = 0


class _Entry(NamedTuple):
    second: int
    broadcast: Broadcast

    @property
    def size(self) -> int:
        return len(self.broadcast.data) + _OVERHEAD


class History:
    """Keeps broadcasts within limits; the oldest are forgotten first.

    Offsets of a stream begin at 1 and have no gaps. When a forgotten stream is used again, its offsets continue above
    every offset that was ever forgotten, so that no client takes a new message for an old one.

    Args:
        epoch: names this history; positions of another epoch are not known here.
        limit: messages kept of one stream.
        ttl: seconds that a message is kept.
        max_streams: streams kept.
        max_size: bytes kept in all, estimated.
    """

    def __init__(
        self,
        epoch: str,
        limit: int = 100,
        ttl: float = 300,
        max_streams: int = MAX_STREAMS,
        max_size: int = MAX_SIZE,
    ) -> None:
        self.epoch = epoch
        self._limit = limit
        self._ttl = ttl
        self._max_streams = max_streams
        self._max_size = max_size
        self._streams: dict[str, deque[_Entry]] = {}  # the longest without a message comes first; no deque is empty
        self._size = 0
        self._forgotten = 0

    def record(self, broadcast: Broadcast, now: float) -> Broadcast:
        """Keep a broadcast; return it with epoch and offset. A transient one is only returned. `now` is epoch time."""
        if broadcast.transient:
            return broadcast
        stream = broadcast.stream
        entries = self._streams.pop(stream, None) or deque[_Entry]()
        placed = replace(broadcast, epoch=self.epoch, offset=self._last(entries) + 1)
        entry = _Entry(int(now), replace(placed, exclude_socket="", type=""))  # anycable-go does not keep these two
        entries.append(entry)
        self._size += entry.size
        self._streams[stream] = entries
        if len(entries) > self._limit:
            self._drop_first(stream)
        self._forget(now)
        return placed

    def missed(
        self, streams: Iterable[str], since: int, positions: Mapping[str, Position], now: float
    ) -> list[Broadcast] | None:
        """Return the broadcasts to these streams after the client's positions, or from `since` (epoch seconds) on.

        A stream without a position is skipped when `since` is 0. Return None when a position is not known here: then
        nobody knows what the client has missed.
        """
        self._forget(now)
        found: list[Broadcast] = []
        for stream in streams:
            if stream in positions:
                after = self._after(stream, positions[stream], now)
                if after is None:
                    return None
                found += after
            elif since > 0:
                found += self._since(stream, since, now)
        return found

    def _after(self, stream: str, position: Position, now: float) -> list[Broadcast] | None:
        """Return the broadcasts after a position. As in anycable-go, the message at the position must still be kept."""
        entries = self._current(stream, now)
        if position.epoch != self.epoch or not entries:
            return None
        start = position.offset - entries[0].broadcast.offset + 1
        return [entry.broadcast for entry in entries][start:] if 1 <= start <= len(entries) else None

    def _since(self, stream: str, second: int, now: float) -> list[Broadcast]:
        return [entry.broadcast for entry in self._current(stream, now) if entry.second >= second]

    def _current(self, stream: str, now: float) -> list[_Entry]:
        while stream in self._streams and self._is_old(self._streams[stream][0], now):
            self._drop_first(stream)
        return list(self._streams.get(stream, ()))

    def _last(self, entries: deque[_Entry]) -> int:
        return entries[-1].broadcast.offset if entries else self._forgotten

    def _is_old(self, entry: _Entry, now: float) -> bool:
        return entry.second < int(now) - self._ttl

    def _forget(self, now: float) -> None:
        while self._streams and self._is_too_much(now):
            self._drop_first(next(iter(self._streams)))

    def _is_too_much(self, now: float) -> bool:
        idle = next(iter(self._streams.values()))
        is_over = len(self._streams) > self._max_streams or self._size > self._max_size
        return is_over or self._is_old(idle[-1], now)

    def _drop_first(self, stream: str) -> None:
        entries = self._streams[stream]
        entry = entries.popleft()
        self._size -= entry.size
        if not entries:
            del self._streams[stream]
            self._forgotten = max(self._forgotten, entry.broadcast.offset)
