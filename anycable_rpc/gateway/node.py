"""The state that all clients of one gateway share, and the changes that concern several of them.

No event loop is needed here: `node_on_loop.py` adds what happens later, the test kit lets it happen at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ..protocol import transmissions
from ..protocol.messages import DisconnectRequest
from .app_calls import AppCalls
from .core.authentication import Authenticator
from .core.broker import broker_for
from .core.client_frames import PresenceJoin
from .core.hub import Delivery, Hub
from .core.options import GatewayOptions
from .core.publications import Publication
from .core.session import Broadcast, RemoteDisconnect, Session
from .core.signed_channels import SignedChannels
from .endings import CLOSED_REMOTELY, Ending
from .events import BroadcastSent, Journal, RemotelyDisconnected

__all__ = ["Node", "Receiver"]


class Receiver(Protocol):
    """A client's socket, as the node sees it."""

    def transmit(self, frame: str) -> None:
        """Queue a frame."""

    async def transmit_all(self, frames: Iterable[str]) -> None:
        """Queue frames as fast as the client takes them."""

    def close(self, ending: Ending, last_frame: str = "") -> None:
        """End the connection after the frames that wait and `last_frame`."""

    def abandon(self) -> None:
        """End the connection now."""


class Node:
    """The hub, the broker, the app's calls and the open sockets. All methods run in one thread.

    A subclass says when the app gets its Disconnect calls, and when presence expires.
    """

    def __init__(self, calls: AppCalls, options: GatewayOptions) -> None:
        self.options = options
        self.hub = Hub()
        self.broker = broker_for(options)
        self.authenticator = Authenticator(options)
        self.signed_channels = SignedChannels(options)
        self.calls = calls
        self.journal = Journal()
        self.receivers: dict[Session, Receiver] = {}

    def opened(self, session: Session, receiver: Receiver) -> None:
        """Register a socket; its client need not be identified yet."""
        self.receivers[session] = receiver

    def closed(self, session: Session) -> None:
        """Forget a socket whose tasks have ended."""
        del self.receivers[session]

    def session_started(self, session: Session, *, is_resumable: bool) -> None:
        """Register a session that has been identified."""
        self.hub.add(session)
        self.broker.session_started(session, is_resumable=is_resumable)

    def session_ended(self, session: Session, *, may_return: bool) -> None:
        """Unregister a session, and let the app know if the session concerns it."""
        self.hub.remove(session)
        if session.concerns_app:
            self.call_disconnect(session.sid, session.disconnect())
        moment = self.broker.session_ended(session, may_return=may_return)
        if moment is not None:
            self.expire_later(moment)

    def call_disconnect(self, sid: str, request: DisconnectRequest) -> None:
        """Let the app know that a session has ended, when its turn has come."""
        raise NotImplementedError

    def expire_later(self, moment: float) -> None:
        """Call `expire` with this moment of the broker's, when it has come."""
        raise NotImplementedError

    def set_concerns_app(self, session: Session, concerns_app: bool) -> None:
        """Note whether the app gets a Disconnect call for this session. Once it does, that stays so."""
        modes = {"auto": concerns_app, "always": True, "never": False}
        session.concerns_app = session.concerns_app or modes[self.options.disconnect_mode]

    def join_presence(self, session: Session, identifier: str, join: PresenceJoin) -> None:
        """Add a session to the presence of its stream, and tell the subscribers."""
        self._broadcast_all(self.broker.join(session, identifier, join))

    def leave_presence(self, session: Session, stream: str) -> None:
        """Remove a session from the presence of a stream, and tell the subscribers."""
        self._broadcast_all(self.broker.leave(session, stream))

    def publish(self, publication: Publication) -> None:
        """Execute a publication."""
        match publication:
            case Broadcast():
                deliveries = self.hub.deliveries(self.broker.record(publication))
                self.journal.tell(BroadcastSent(publication, len(deliveries)))
                self.deliver(deliveries)
            case RemoteDisconnect():
                self._disconnect(publication)

    def deliver(self, deliveries: Iterable[Delivery]) -> None:
        """Transmit each frame to its session."""
        for session, frame in deliveries:
            self.receivers[session].transmit(frame)

    def expire(self, moment: float) -> None:
        """Remove the members whose deadline to come back was this moment or earlier, and tell the subscribers."""
        self._broadcast_all(self.broker.expire(moment))

    def _broadcast_all(self, broadcasts: Iterable[Broadcast]) -> None:
        for broadcast in broadcasts:
            self.deliver(self.hub.deliveries(broadcast))

    def _disconnect(self, command: RemoteDisconnect) -> None:
        sessions = self.hub.sessions(command.identifiers)
        self.journal.tell(RemotelyDisconnected(command, len(sessions)))
        for session in sessions:
            self.receivers[session].close(CLOSED_REMOTELY, transmissions.disconnect("remote", command.reconnect))
