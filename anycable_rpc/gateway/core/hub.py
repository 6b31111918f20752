"""The gateway's memory: who is connected, who has which stream, who receives a broadcast.

It is fed what anycable-go would be told and returns what it would send (anycable-go `hub/hub.go`, `node/node.go`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from ...errors import InvalidData
from ...protocol import go_json
from ...protocol.messages import CommandMessage, CommandResponse, ConnectionRequest, DisconnectRequest, Env, Status
from ...state import WHISPER_KEY

__all__ = ["Broadcast", "Delivery", "Hub", "RemoteDisconnect", "Session", "frame", "merge"]

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A publication to a stream: `data` is a JSON text, or any text; `type` is the frame's, when it has one.

    One that is transient is not kept. `epoch` and `offset` are its place in the history, where there is one.
    """

    stream: str
    data: str
    exclude_socket: str = ""
    type: str = ""
    transient: bool = False
    epoch: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class RemoteDisconnect:
    """The command to close the sessions with these identifiers (their text, byte for byte)."""

    identifiers: str
    reconnect: bool = False


@dataclass(slots=True, eq=False)
class Session:
    """What is known of one client. Two may have the same `sid`, which a client can choose, and are two.

    Attributes:
        is_anonymous: nobody said who this is, and everybody is let in.
        concerns_app: the app wants to hear of its end.
        member: who it is where presence is kept; a session that goes on where another was is the same.
    """

    sid: str
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    identifiers: str = ""
    cstate: dict[str, str] = field(default_factory=dict[str, str])
    istates: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    subscriptions: dict[str, None] = field(default_factory=dict[str, None])
    streams: dict[str, dict[str, None]] = field(default_factory=dict[str, dict[str, None]])
    is_anonymous: bool = False
    concerns_app: bool = False
    member: object = field(default_factory=object)

    def is_same(self, other: Session) -> bool:
        """Whether both are of the same client, as far as it can be said."""
        return self.identifiers == other.identifiers or (self.is_anonymous and other.is_anonymous)

    def resume(self, earlier: Session) -> None:
        """Go on where an earlier session of the same client was; the connection's state may be newer here."""
        self.identifiers = earlier.identifiers
        self.cstate = {**earlier.cstate, **self.cstate}
        self.istates = {identifier: dict(state) for identifier, state in earlier.istates.items()}
        self.subscriptions = dict(earlier.subscriptions)
        self.streams = {identifier: dict(streams) for identifier, streams in earlier.streams.items()}
        self.concerns_app = self.concerns_app or earlier.concerns_app
        self.member = earlier.member

    def connect(self) -> ConnectionRequest:
        """The request that asks who this is."""
        return ConnectionRequest(Env(self.url, self.headers))

    def command(self, command: str, identifier: str, data: str = "") -> CommandMessage:
        """The request for a command; it carries the state of this one identifier."""
        istate = dict(self.istates.get(identifier, {}))
        env = Env(self.url, self.headers, dict(self.cstate), istate)
        return CommandMessage(command, identifier, self.identifiers, data, env)

    def disconnect(self) -> DisconnectRequest:
        """The request that says it is gone; it carries the state of all identifiers, as JSON texts."""
        istate = {identifier: go_json.dumps(state) for identifier, state in self.istates.items()}
        env = Env(self.url, self.headers, dict(self.cstate), istate)
        return DisconnectRequest(self.identifiers, tuple(self.subscriptions), env)


class Delivery(NamedTuple):
    """A frame for a session."""

    session: Session
    text: str


class Hub:
    """Sessions and their streams.

    A session that has two identifiers with one stream receives a broadcast twice, once for each.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, dict[Session, None]] = {}
        self._streams: dict[str, dict[tuple[Session, str], None]] = {}

    def __contains__(self, session: Session) -> bool:
        return session in self._sessions.get(session.identifiers, ())

    def add(self, session: Session) -> None:
        """Take in a session that has been identified, and its streams; its identifiers stay as they are from now on."""
        self._sessions.setdefault(session.identifiers, {})[session] = None
        for identifier, streams in session.streams.items():
            for stream in streams:
                self._streams.setdefault(stream, {})[session, identifier] = None

    def remove(self, session: Session) -> bool:
        """Forget a session; False when it was not here. It knows its streams itself: another may resume it."""
        if session not in self:
            return False
        _discard(self._sessions, session.identifiers, session)
        for identifier, streams in session.streams.items():
            for stream in streams:
                _discard(self._streams, stream, (session, identifier))
        return True

    def sessions(self, identifiers: str) -> list[Session]:
        """All that have these identifiers. (anycable-go 1.6.16 ends one of them only, 1.5.1 all.)"""
        return list(self._sessions.get(identifiers, ()))

    def apply(self, session: Session, command: str, identifier: str, response: CommandResponse) -> None:
        """Do what the answer to a command says: stops, then starts, then state. An ERROR says nothing.

        A FAILURE keeps a subscription out, and yet its streams and its state count, as in anycable-go.
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
        """Who receives what, in the order in which they came to the stream."""
        subscribers = self._streams.get(broadcast.stream)
        if not subscribers:
            return []
        message = _message(broadcast.data)
        texts: dict[str, str] = {}
        found: list[Delivery] = []
        for session, identifier in subscribers:
            if broadcast.exclude_socket and session.sid == broadcast.exclude_socket:
                continue
            if identifier not in texts:
                texts[identifier] = _frame(broadcast, identifier, message)
            found.append(Delivery(session, texts[identifier]))
        return found

    def whisper(self, session: Session, identifier: str, data: object) -> list[Delivery]:
        """Who receives what a client whispers: the others that have the stream in `$w`; without one nobody.

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


def merge(state: dict[str, str], changes: Mapping[str, str]) -> None:
    """Take over changes of state; an empty value deletes the key (anycable-go `common/common.go`)."""
    for key, value in changes.items():
        if value:
            state[key] = value
        else:
            state.pop(key, None)


def _discard(groups: dict[K, dict[V, None]], key: K, value: V) -> None:
    """Take a value out of its group, and the group out when nothing is left: what is not used is not kept."""
    group = groups.get(key, {})
    group.pop(value, None)
    if not group:
        groups.pop(key, None)


def _message(data: str) -> str:
    """The value of a broadcast, as JSON. What is not JSON is a string, and so is `null`: Go takes it for nothing."""
    try:
        value = go_json.loads(data)
        return go_json.dumps(data if value is None else value)
    except InvalidData:
        return go_json.dumps(data)


def frame(broadcast: Broadcast, identifier: str) -> str:
    """What a subscription receives of a broadcast."""
    return _frame(broadcast, identifier, _message(broadcast.data))


def _frame(broadcast: Broadcast, identifier: str, message: str) -> str:
    """The frame; Go leaves out what is empty."""
    named = f'"type":{go_json.dumps(broadcast.type)},' if broadcast.type else ""
    addressed = f'"identifier":{go_json.dumps(identifier)},' if identifier else ""
    placed = f',"stream_id":{go_json.dumps(broadcast.stream)},"epoch":"{broadcast.epoch}","offset":{broadcast.offset}'
    return f'{{{named}{addressed}"message":{message}{placed if broadcast.epoch else ""}}}'
