"""Sessions that another connection may go on with: those that are there, and those that are gone for a while."""

from __future__ import annotations

from .session import Session

__all__ = ["ResumableSessions"]

MAX_GONE = 10_000


class ResumableSessions:
    """Finds a session by its id, as long as it is kept; of those that are gone the oldest are forgotten first.

    Args:
        ttl: seconds for which one that is gone is kept.
        max_gone: how many are.
    """

    def __init__(self, ttl: float, max_gone: int = MAX_GONE) -> None:
        self._ttl = ttl
        self._max_gone = max_gone
        self._here: dict[str, Session] = {}
        self._gone: dict[str, tuple[float, Session]] = {}  # with its deadline; the earliest first

    def session_started(self, session: Session) -> None:
        """A session has come. Clients can choose their id: one that is taken stays with whom it was."""
        self._here.setdefault(session.sid, session)

    def session_ended(self, session: Session, now: float, *, may_return: bool) -> None:
        """A session is gone; it may be one that never came."""
        if self._here.get(session.sid) is not session:
            return
        del self._here[session.sid]
        self._gone.pop(session.sid, None)
        if may_return:
            self._gone[session.sid] = now + self._ttl, session
        self._forget(now)

    def find(self, sid: str, now: float) -> Session | None:
        """The session with this id."""
        self._forget(now)
        return self._here.get(sid) or self._gone.get(sid, (now, None))[1]

    def _forget(self, now: float) -> None:
        while self._gone:
            sid, (deadline, _) = next(iter(self._gone.items()))
            if deadline > now and len(self._gone) <= self._max_gone:
                return
            del self._gone[sid]
