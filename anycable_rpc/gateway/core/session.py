"""A session: one client's subscriptions and state, and the publications that concern it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...protocol import go_json
from ...protocol.messages import CommandMessage, ConnectionRequest, DisconnectRequest, Env

__all__ = ["Broadcast", "RemoteDisconnect", "Session", "merge"]


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A publication to a stream. `data` is JSON, or any other string; `type` is the `type` of the frame, or empty.

    A transient broadcast is not kept. `epoch` and `offset` are its place in the history, if it has one.
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
    """The command to close the sessions with these identifiers, compared byte for byte."""

    identifiers: str
    reconnect: bool = False


@dataclass(slots=True, eq=False)
class Session:
    """The gateway's knowledge of one client. Clients can choose their `sid`, so two sessions may have the same one.

    Attributes:
        is_anonymous: the client is not identified, and the options accept everybody.
        concerns_app: the app gets a Disconnect call at the end.
        member: the session's key for presence; a session that resumes another has the same member.
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
        """Return whether both sessions are the same client's: equal identifiers, or both anonymous."""
        return self.identifiers == other.identifiers or (self.is_anonymous and other.is_anonymous)

    def resume(self, earlier: Session) -> None:
        """Take over an earlier session of the same client. This session's connection state is newer."""
        self.identifiers = earlier.identifiers
        self.cstate = {**earlier.cstate, **self.cstate}
        self.istates = {identifier: dict(state) for identifier, state in earlier.istates.items()}
        self.subscriptions = dict(earlier.subscriptions)
        self.streams = {identifier: dict(streams) for identifier, streams in earlier.streams.items()}
        self.concerns_app = self.concerns_app or earlier.concerns_app
        self.member = earlier.member

    def connect(self) -> ConnectionRequest:
        """Return the Connect request."""
        return ConnectionRequest(Env(self.url, self.headers))

    def command(self, command: str, identifier: str, data: str = "") -> CommandMessage:
        """Return the Command request, with the state of this one identifier."""
        istate = dict(self.istates.get(identifier, {}))
        env = Env(self.url, self.headers, dict(self.cstate), istate)
        return CommandMessage(command, identifier, self.identifiers, data, env)

    def disconnect(self) -> DisconnectRequest:
        """Return the Disconnect request, with the state of each identifier as JSON."""
        istate = {identifier: go_json.dumps(state) for identifier, state in self.istates.items()}
        env = Env(self.url, self.headers, dict(self.cstate), istate)
        return DisconnectRequest(self.identifiers, tuple(self.subscriptions), env)


def merge(state: dict[str, str], changes: Mapping[str, str]) -> None:
    """Apply changes of state; an empty value deletes the key (anycable-go `common/common.go`)."""
    for key, value in changes.items():
        if value:
            state[key] = value
        else:
            state.pop(key, None)
