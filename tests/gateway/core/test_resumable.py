"""Sessions that can be resumed, and for how long."""

from __future__ import annotations

from anycable_rpc.gateway.core.resumable import ResumableSessions
from anycable_rpc.gateway.core.session import Session


def test_a_session_is_found_while_it_is_here_and_for_a_while_after() -> None:
    resumable, session = ResumableSessions(ttl=10), Session("a")

    resumable.session_started(session)
    assert resumable.find("a", 1000) is session
    resumable.session_ended(session, 1000, may_return=True)
    assert resumable.find("a", 1009) is session
    assert resumable.find("a", 1010) is None


def test_session_that_may_not_return_is_not_found() -> None:
    resumable, session = ResumableSessions(ttl=10), Session("a")

    resumable.session_started(session)
    resumable.session_ended(session, 1000, may_return=False)
    assert resumable.find("a", 1000) is None


def test_session_that_never_started_is_not_found() -> None:
    resumable = ResumableSessions(ttl=10)

    resumable.session_ended(Session("a"), 1000, may_return=True)
    assert resumable.find("a", 1000) is None


def test_nobody_takes_over_the_id_of_another() -> None:
    resumable, session, other = ResumableSessions(ttl=10), Session("a"), Session("a")

    resumable.session_started(session)
    resumable.session_started(other)
    assert resumable.find("a", 1000) is session
    resumable.session_ended(other, 1000, may_return=True)
    assert resumable.find("a", 1000) is session


def test_no_more_are_kept_than_the_limit() -> None:
    resumable = ResumableSessions(ttl=10, max_ended=2)

    for sid in "abc":
        session = Session(sid)
        resumable.session_started(session)
        resumable.session_ended(session, 1000, may_return=True)
    assert [bool(resumable.find(sid, 1000)) for sid in "abc"] == [False, True, True]
