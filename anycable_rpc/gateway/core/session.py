"""A session: one client's subscriptions and state, and what is sent to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...protocol import go_json
from ...protocol.messages import CommandMessage, ConnectionRequest, DisconnectRequest, Env

__all__ = ["Broadcast", "RemoteDisconnect", "Session", "merge"]


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


def merge(state: dict[str, str], changes: Mapping[str, str]) -> None:
    """Take over changes of state; an empty value deletes the key (anycable-go `common/common.go`)."""
    for key, value in changes.items():
        if value:
            state[key] = value
        else:
            state.pop(key, None)
