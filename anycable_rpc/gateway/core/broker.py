"""What is kept beyond the moment: history, presence, and sessions to go on with (anycable-go `broker/`)."""

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
    """What comes back as broadcasts is what the subscribers are to hear."""

    def record(self, broadcast: Broadcast) -> Broadcast:
        """Keep a broadcast; the answer has its place in the history."""
        ...

    def missed(self, streams: Iterable[str], wanted: HistoryRequest) -> list[Broadcast] | None:
        """What was broadcast to these streams; None when it cannot be said."""
        ...

    def session_started(self, session: Session, *, is_resumable: bool) -> None:
        """A session has come."""
        ...

    def session_ended(self, session: Session, *, may_return: bool) -> float | None:
        """A session is gone; the answer is the moment to `expire`, in `presence_ttl`, if something will have to."""
        ...

    def find_earlier(self, session: Session, sid: str) -> Session | None:
        """The session with this id, if it was the same client's: knowing an id proves nothing."""
        ...

    def join(self, session: Session, identifier: str, present: PresenceJoin) -> list[Broadcast]:
        """A session is there, in the stream that the subscription's state names."""
        ...

    def leave(self, session: Session, stream: str) -> list[Broadcast]:
        """A session is there no more."""
        ...

    def expire(self, moment: float) -> list[Broadcast]:
        """Who had until this moment to come back, and has not, is there no more."""
        ...

    def presence_info(self, stream: str) -> str | None:
        """Who is there, as a JSON text; None when it cannot be said."""
        ...


class NoBroker:
    """Keeps nothing."""

    def record(self, broadcast: Broadcast) -> Broadcast:
        return broadcast

    def missed(self, streams: Iterable[str], wanted: HistoryRequest) -> list[Broadcast] | None:
        """Complete only where nothing could have been kept."""
        is_missing = any(wanted.since > 0 or stream in (wanted.streams or {}) for stream in streams)
        return None if is_missing else []

    def session_started(self, session: Session, *, is_resumable: bool) -> None: ...

    def session_ended(self, session: Session, *, may_return: bool) -> float | None:
        return None

    def find_earlier(self, session: Session, sid: str) -> Session | None:
        return None

    def join(self, session: Session, identifier: str, present: PresenceJoin) -> list[Broadcast]:
        return []

    def leave(self, session: Session, stream: str) -> list[Broadcast]:
        return []

    def expire(self, moment: float) -> list[Broadcast]:
        return []

    def presence_info(self, stream: str) -> str | None:
        return None


class MemoryBroker:
    """Keeps it in this process, within bounds."""

    def __init__(self, options: GatewayOptions, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._history = History(secrets.token_hex(4), options.history_limit, options.history_ttl)
        self._presences = Presences(options.presence_ttl)
        self._sessions = ResumableSessions(options.sessions_ttl)

    def record(self, broadcast: Broadcast) -> Broadcast:
        return self._history.record(broadcast, self._clock())

    def missed(self, streams: Iterable[str], wanted: HistoryRequest) -> list[Broadcast] | None:
        positions: dict[str, Position] = dict(wanted.streams or {})
        return self._history.missed(streams, wanted.since, positions, self._clock())

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

    def join(self, session: Session, identifier: str, present: PresenceJoin) -> list[Broadcast]:
        stream = session.istates.get(identifier, {}).get(PRESENCE_KEY, "")
        return self._presences.join(session.member, stream, present.id, present.info) if stream else []

    def leave(self, session: Session, stream: str) -> list[Broadcast]:
        return self._presences.leave(session.member, stream)

    def expire(self, moment: float) -> list[Broadcast]:
        return self._presences.expire(moment)

    def presence_info(self, stream: str) -> str | None:
        return self._presences.info(stream)


def broker_for(options: GatewayOptions) -> Broker:
    """The broker that the options name."""
    return MemoryBroker(options) if options.broker == "memory" else NoBroker()
