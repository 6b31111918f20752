"""Presence: ids in streams, each present as long as it has a member (anycable-go `broker/`)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from ...protocol.go_json import dumps
from .session import Broadcast

__all__ = ["Presences"]


@dataclass(slots=True)
class _PresentId:
    """An id in a stream: its info (JSON or empty), and the members that are present under this id."""

    info: str = ""
    members: set[Hashable] = field(default_factory=set[Hashable])


@dataclass(slots=True)
class _Member:
    """A member: its id in each stream, its open connections, and its deadline once it has no connection."""

    ids: dict[str, str] = field(default_factory=dict[str, str])
    connections: int = 0
    deadline: float = 0


class Presences:
    """The ids in each stream. A member has one id in a stream; several members may share one id.

    A member is any hashable object. It stays the same when a session is resumed, so a member that comes back in time
    never leaves. The broadcasts that the methods return are for the subscribers of the stream.

    Args:
        ttl: seconds that a member stays present after its last connection has ended.
    """

    def __init__(self, ttl: float = 15) -> None:
        self._ttl = ttl
        self._streams: dict[str, dict[str, _PresentId]] = {}
        self._members: dict[Hashable, _Member] = {}

    def session_started(self, member: Hashable) -> None:
        """Count one more connection of the member."""
        self._members.setdefault(member, _Member()).connections += 1

    def session_ended(self, member: Hashable, now: float) -> float | None:
        """Count one connection less. Return the moment to call `expire` if a present member has no connection left."""
        entry = self._members[member]
        entry.connections -= 1
        if entry.connections:
            return None
        if not entry.ids:
            del self._members[member]
            return None
        entry.deadline = now + self._ttl
        return entry.deadline

    def join(self, member: Hashable, stream: str, id_: str, info: str = "") -> list[Broadcast]:
        """Add a connected member to a stream, or replace its info; do nothing if it has another id there.

        `info` is JSON, or empty.
        """
        ids = self._members[member].ids
        if ids.setdefault(stream, id_) != id_:
            return []
        present = self._streams.setdefault(stream, {})
        is_new = id_ not in present
        record = present.setdefault(id_, _PresentId())
        record.info = info
        record.members.add(member)
        return [_event(stream, id_, "join", info)] if is_new else []

    def leave(self, member: Hashable, stream: str) -> list[Broadcast]:
        """Remove a member from a stream."""
        entry = self._members.get(member)
        id_ = entry.ids.pop(stream, None) if entry else None
        if id_ is None:
            return []
        present = self._streams[stream]
        present[id_].members.discard(member)
        if present[id_].members:
            return []
        del present[id_]
        if not present:
            del self._streams[stream]
        return [_event(stream, id_, "leave")]

    def expire(self, now: float) -> list[Broadcast]:
        """Remove the members that have not come back in time."""
        gone = [member for member, entry in self._members.items() if not entry.connections and entry.deadline <= now]
        events = [event for member in gone for stream in list(self._members[member].ids)
                  for event in self.leave(member, stream)]  # fmt: skip
        for member in gone:
            del self._members[member]
        return events

    def info(self, stream: str) -> str:
        """Return who is in a stream, as the JSON that clients and the REST API receive."""
        present = self._streams.get(stream, {})
        records = ",".join(f"{{{_info_member(record.info)}{_id_member(id_)}}}" for id_, record in present.items())
        listed = f',"records":[{records}]' if present else ""
        return f'{{"type":"info","total":{len(present)}{listed}}}'


def _event(stream: str, id_: str, type_: str, info: str = "") -> Broadcast:
    data = f'{{{_id_member(id_)},{_info_member(info)}"type":"{type_}"}}'
    return Broadcast(stream, data, type="presence", transient=True)


def _id_member(id_: str) -> str:
    return f'"id":{dumps(id_)}'


def _info_member(info: str) -> str:
    return f'"info":{info},' if info else ""
