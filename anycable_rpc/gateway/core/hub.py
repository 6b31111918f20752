"""The gateway's memory: connected sessions, their streams, and the receivers of a broadcast.

The hub does no I/O: each method returns the frames that anycable-go would send (`hub/hub.go`, `node/node.go`).
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from ...errors import InvalidData
from ...protocol import go_json
from ...protocol.messages import CommandResponse, Status
from ...state import WHISPER_KEY
from .session import Broadcast, Session, merge

__all__ = ["Delivery", "Hub", "broadcast_frame"]

K = TypeVar("K")
V = TypeVar("V")


class Delivery(NamedTuple):
    """A frame for a session."""

    session: Session
    frame: str


class Hub:
    """Sessions and their streams.

    A session that has a stream in two subscriptions receives each broadcast twice, once for each identifier.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, dict[Session, None]] = {}
        self._streams: dict[str, dict[tuple[Session, str], None]] = {}

    def __contains__(self, session: Session) -> bool:
        return session in self._sessions.get(session.identifiers, ())

    def add(self, session: Session) -> None:
        """Add a session that has been identified, with its streams. Its identifiers must not change from now on."""
        self._sessions.setdefault(session.identifiers, {})[session] = None
        for identifier, streams in session.streams.items():
            for stream in streams:
                self._streams.setdefault(stream, {})[session, identifier] = None

    def remove(self, session: Session) -> bool:
        """Remove a session; return False when it is not in the hub. It keeps its own streams: another may resume it."""
        if session not in self:
            return False
        _discard(self._sessions, session.identifiers, session)
        for identifier, streams in session.streams.items():
            for stream in streams:
                _discard(self._streams, stream, (session, identifier))
        return True

    def sessions(self, identifiers: str) -> list[Session]:
        """Return all sessions with these identifiers. (anycable-go 1.6.16 disconnects only one of them, 1.5.1 all.)"""
        return list(self._sessions.get(identifiers, ()))

    def apply(self, session: Session, command: str, identifier: str, response: CommandResponse) -> None:
        """Apply the response to a command: stopped streams, then started ones, then state. An ERROR changes nothing.

        As in anycable-go, a FAILURE prevents the subscription, but its streams and its state still count.
        """
        if response.status is Status.ERROR or session not in self:
            return
        if command == "subscribe" and response.status is Status.SUCCESS:
            session.subscriptions[identifier] = None
        if command == "unsubscribe":
            session.subscriptions.pop(identifier, None)
            session.istates.pop(identifier, None)
        self._restream(session, command, identifier, response)
        if response.env and response.env.istate:
            merge(session.istates.setdefault(identifier, {}), response.env.istate)
        if response.env:
            merge(session.cstate, response.env.cstate)

    def deliveries(self, broadcast: Broadcast) -> list[Delivery]:
        """Return the frames of a broadcast, in the order in which the subscriptions started the stream."""
        subscribers = self._streams.get(broadcast.stream)
        if not subscribers:
            return []
        message = _message(broadcast.data)
        frames: dict[str, str] = {}  # subscriptions with the same identifier share a frame
        found: list[Delivery] = []
        for session, identifier in subscribers:
            if broadcast.exclude_socket and session.sid == broadcast.exclude_socket:
                continue
            if identifier not in frames:
                frames[identifier] = _frame(broadcast, identifier, message)
            found.append(Delivery(session, frames[identifier]))
        return found

    def whisper(self, session: Session, identifier: str, data: object) -> list[Delivery]:
        """Return the frames of a whisper, for the other subscribers of the stream in `$w`; empty without such a stream.

        Raises:
            InvalidData: the data is nested too deeply.
        """
        stream = session.istates.get(identifier, {}).get(WHISPER_KEY, "")
        if not stream:
            return []
        return self.deliveries(Broadcast(stream, go_json.dumps(data), session.sid, transient=True))

    def _restream(self, session: Session, command: str, identifier: str, response: CommandResponse) -> None:
        if response.stop_streams or command == "unsubscribe":
            self._stop_all(session, identifier)
        else:
            for stream in response.stopped_streams:
                self._stop(session, identifier, stream)
        for stream in response.streams:
            session.streams.setdefault(identifier, {})[stream] = None
            self._streams.setdefault(stream, {})[session, identifier] = None

    def _stop_all(self, session: Session, identifier: str) -> None:
        for stream in list(session.streams.get(identifier, ())):
            self._stop(session, identifier, stream)

    def _stop(self, session: Session, identifier: str, stream: str) -> None:
        _discard(session.streams, identifier, stream)
        _discard(self._streams, stream, (session, identifier))


def _discard(groups: dict[K, dict[V, None]], key: K, value: V) -> None:
    """Remove a value from its group, and the group when it is empty, so that memory is freed."""
    group = groups.get(key, {})
    group.pop(value, None)
    if not group:
        groups.pop(key, None)


def _message(data: str) -> str:
    """Return the data of a broadcast as JSON. Data that is not JSON is a string; so is `null`, as in Go."""
    try:
        value = go_json.loads(data)
        return go_json.dumps(data if value is None else value)
    except InvalidData:
        return go_json.dumps(data)


def broadcast_frame(broadcast: Broadcast, identifier: str) -> str:
    """Return the frame of a broadcast for one subscription."""
    return _frame(broadcast, identifier, _message(broadcast.data))


def _frame(broadcast: Broadcast, identifier: str, message: str) -> str:
    """Return the frame; as in Go, empty members are left out."""
    named = f'"type":{go_json.dumps(broadcast.type)},' if broadcast.type else ""
    addressed = f'"identifier":{go_json.dumps(identifier)},' if identifier else ""
    placed = f',"stream_id":{go_json.dumps(broadcast.stream)},"epoch":"{broadcast.epoch}","offset":{broadcast.offset}'
    return f'{{{named}{addressed}"message":{message}{placed if broadcast.epoch else ""}}}'
