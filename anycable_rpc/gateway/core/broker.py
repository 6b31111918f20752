"""The broker keeps history, presence and resumable sessions (anycable-go `broker/`)."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from time import monotonic, time
from typing import Protocol

from ...state import PRESENCE_KEY
from .client_frames import HistoryRequest, PresenceJoin
from .history import History, Position
from .options import GatewayOptions
from .presence import Presences
from .resumable import ResumableSessions
from .session import Broadcast, Session

__all__ = ["Broker", "MemoryBroker", "NoBroker", "broker_for"]


class Broker(Protocol):
    """A store for history, presence and sessions. The broadcasts that it returns are for the subscribers."""

    def record(self, broadcast: Broadcast) -> Broadcast:
        """Keep a broadcast; return it with its place in the history."""
        ...

    def missed(self, streams: Iterable[str], request: HistoryRequest) -> list[Broadcast] | None:
        """Return the broadcasts that a client has missed in these streams; None when they are not known."""
        ...

    def session_started(self, session: Session, *, is_resumable: bool) -> None:
        """Register a session."""
        ...

    def session_ended(self, session: Session, *, may_return: bool) -> float | None:
        """Unregister a session; return the moment for `expire`, `presence_ttl` from now, if presence has to expire."""
        ...

    def find_earlier(self, session: Session, sid: str) -> Session | None:
        """Return the session with this id, if it is the same client's: to know an id proves nothing."""
        ...

    def join(self, session: Session, identifier: str, join: PresenceJoin) -> list[Broadcast]:
        """Add a session to the presence of the stream that the subscription's state names."""
        ...

    def leave(self, session: Session, stream: str) -> list[Broadcast]:
        """Remove a session from the presence of a stream."""
        ...

    def expire(self, moment: float) -> list[Broadcast]:
        """Remove the members whose deadline to come back was this moment or earlier."""
        ...

    def presence_info(self, stream: str) -> str | None:
        """Return who is present, as JSON; None when presence is not kept."""
        ...


class NoBroker:
    """A broker that keeps nothing."""

    def record(self, broadcast: Broadcast) -> Broadcast:
        return broadcast

    def missed(self, streams: Iterable[str], request: HistoryRequest) -> list[Broadcast] | None:
        """Return an empty history, or None where a broker would have had something to look up."""
        is_missing = any(request.since > 0 or stream in (request.streams or {}) for stream in streams)
        return None if is_missing else []

    def session_started(self, session: Session, *, is_resumable: bool) -> None: ...

    def session_ended(self, session: Session, *, may_return: bool) -> float | None:
        return None

    def find_earlier(self, session: Session, sid: str) -> Session | None:
        return None

    def join(self, session: Session, identifier: str, join: PresenceJoin) -> list[Broadcast]:
        return []

    def leave(self, session: Session, stream: str) -> list[Broadcast]:
        return []

    def expire(self, moment: float) -> list[Broadcast]:
        return []

    def presence_info(self, stream: str) -> str | None:
        return None


class MemoryBroker:
    """A broker that keeps all in the memory of this process, within limits."""

    def __init__(self, options: GatewayOptions, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._history = History(secrets.token_hex(4), options.history_limit, options.history_ttl)
        self._presences = Presences(options.presence_ttl)
        self._sessions = ResumableSessions(options.sessions_ttl)

    def record(self, broadcast: Broadcast) -> Broadcast:
        return self._history.record(broadcast, self._clock())

    def missed(self, streams: Iterable[str], request: HistoryRequest) -> list[Broadcast] | None:
        positions: dict[str, Position] = dict(request.streams or {})
        return self._history.missed(streams, request.since, positions, self._clock())

    def session_started(self, session: Session, *, is_resumable: bool) -> None:
        self._presences.session_started(session.member)
        if is_resumable:
            self._sessions.session_started(session)

    def session_ended(self, session: Session, *, may_return: bool) -> float | None:
        self._sessions.session_ended(session, self._clock(), may_return=may_return)
        return self._presences.session_ended(session.member, monotonic())

    def find_earlier(self, session: Session, sid: str) -> Session | None:
        found = self._sessions.find(sid, self._clock())
        return found if found and session.is_same(found) else None

    def join(self, session: Session, identifier: str, join: PresenceJoin) -> list[Broadcast]:
        stream = session.istates.get(identifier, {}).get(PRESENCE_KEY, "")
        return self._presences.join(session.member, stream, join.id, join.info) if stream else []

    def leave(self, session: Session, stream: str) -> list[Broadcast]:
        return self._presences.leave(session.member, stream)

    def expire(self, moment: float) -> list[Broadcast]:
        return self._presences.expire(moment)

    def presence_info(self, stream: str) -> str | None:
        return self._presences.info(stream)


def broker_for(options: GatewayOptions) -> Broker:
    """Return the broker that the options name."""
    return MemoryBroker(options) if options.broker == "memory" else NoBroker()
