"""Who is where: ids that are present in streams, as long as somebody is there for them (anycable-go `broker/`)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from ...protocol.go_json import dumps
from .session import Broadcast

__all__ = ["Presences"]


@dataclass(slots=True)
class _Present:
    """An id in a stream: what is known of it (a JSON text, or nothing), and the members that are there for it."""

    info: str = ""
    members: set[Hashable] = field(default_factory=set[Hashable])


@dataclass(slots=True)
class _Member:
    """Somebody who is there: under which id in which stream, over how many connections, and if over none until when."""

    ids: dict[str, str] = field(default_factory=dict[str, str])
    connections: int = 0
    deadline: float = 0


class Presences:
    """Streams of ids. A member has one id in a stream; several members may be there for one id.

    A member is what can be a key. It stays the same when a session is restored, so one that comes back in time was
    never away.

    What comes back from here are the events that the subscribers of a stream are to hear.

    Args:
        ttl: seconds for which a member is still present after its last connection.
    """

    def __init__(self, ttl: float = 15) -> None:
        self._ttl = ttl
        self._streams: dict[str, dict[str, _Present]] = {}
        self._members: dict[Hashable, _Member] = {}

    def session_started(self, member: Hashable) -> None:
        """The member has one more connection."""
        self._members.setdefault(member, _Member()).connections += 1

    def session_ended(self, member: Hashable, now: float) -> float | None:
        """The member has one connection less; the answer is when it has to `expire`, if it has."""
        known = self._members[member]
        known.connections -= 1
        if known.connections:
            return None
        if not known.ids:
            del self._members[member]
            return None
        known.deadline = now + self._ttl
        return known.deadline

    def join(self, member: Hashable, stream: str, id_: str, info: str = "") -> list[Broadcast]:
        """A member that is connected is there, or says more of itself; nothing happens if it has another id there.

        `info` is a JSON text, or empty.
        """
        ids = self._members[member].ids
        if ids.setdefault(stream, id_) != id_:
            return []
        there = self._streams.setdefault(stream, {})
        is_new = id_ not in there
        present = there.setdefault(id_, _Present())
        present.info = info
        present.members.add(member)
        return [_event(stream, id_, "join", info)] if is_new else []

    def leave(self, member: Hashable, stream: str) -> list[Broadcast]:
        """A member is there no more."""
        known = self._members.get(member)
        id_ = known.ids.pop(stream, None) if known else None
        if id_ is None:
            return []
        there = self._streams[stream]
        there[id_].members.discard(member)
        if there[id_].members:
            return []
        del there[id_]
        if not there:
            del self._streams[stream]
        return [_event(stream, id_, "leave")]

    def expire(self, now: float) -> list[Broadcast]:
        """Those who have not come back in time are there no more."""
        gone = [member for member, known in self._members.items() if not known.connections and known.deadline <= now]
        events = [event for member in gone for stream in list(self._members[member].ids)
                  for event in self.leave(member, stream)]  # fmt: skip
        for member in gone:
            del self._members[member]
        return events

    def info(self, stream: str) -> str:
        """Who is in a stream, as the JSON text that clients and the REST API receive."""
        there = self._streams.get(stream, {})
        records = ",".join(f"{{{_informed(present.info)}{_named(id_)}}}" for id_, present in there.items())
        listed = f',"records":[{records}]' if there else ""
        return f'{{"type":"info","total":{len(there)}{listed}}}'


def _event(stream: str, id_: str, type_: str, info: str = "") -> Broadcast:
    data = f'{{{_named(id_)},{_informed(info)}"type":"{type_}"}}'
    return Broadcast(stream, data, type="presence", transient=True)


def _named(id_: str) -> str:
    return f'"id":{dumps(id_)}'


def _informed(info: str) -> str:
    return f'"info":{info},' if info else ""
