"""Sessions that a new connection may resume: the open ones, and those that ended a short time ago."""

from __future__ import annotations

from .session import Session

__all__ = ["ResumableSessions"]

MAX_ENDED = 10_000


class ResumableSessions:
    """Finds a session by its id. Ended sessions are kept for a time, within a limit; the oldest are forgotten first.

    Args:
        ttl: seconds that an ended session is kept.
        max_ended: the number of ended sessions kept.
    """

    def __init__(self, ttl: float, max_ended: int = MAX_ENDED) -> None:
        self._ttl = ttl
        self._max_ended = max_ended
        self._open: dict[str, Session] = {}
        self._ended: dict[str, tuple[float, Session]] = {}  # with the deadline; the earliest comes first

    def session_started(self, session: Session) -> None:
        """Register a session. Clients can choose their id; an id in use stays with the first session."""
        self._open.setdefault(session.sid, session)

    def session_ended(self, session: Session, now: float, *, may_return: bool) -> None:
        """Note the end of a session. One that is not registered is ignored."""
        if self._open.get(session.sid) is not session:
            return
        del self._open[session.sid]
        self._ended.pop(session.sid, None)
        if may_return:
            self._ended[session.sid] = now + self._ttl, session
        self._forget(now)

    def find(self, sid: str, now: float) -> Session | None:
        """Return the session with this id."""
        self._forget(now)
        return self._open.get(sid) or self._ended.get(sid, (now, None))[1]

    def _forget(self, now: float) -> None:
        while self._ended:
            sid, (deadline, _) = next(iter(self._ended.items()))
            if deadline > now and len(self._ended) <= self._max_ended:
                return
            del self._ended[sid]
