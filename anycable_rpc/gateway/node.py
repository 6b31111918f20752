"""The state that all clients of one gateway share, and the changes that concern several of them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from ..protocol import transmissions
from .app_calls import RPC, calls_for
from .core.authentication import Authenticator
from .core.broker import broker_for
from .core.client_frames import PresenceJoin
from .core.hub import Delivery, Hub
from .core.options import GatewayOptions
from .core.publications import Publication
from .core.session import Broadcast, RemoteDisconnect, Session
from .core.signed_channels import SignedChannels
from .disconnect_queue import DisconnectQueue
from .endings import CLOSED_REMOTELY, SERVER_RESTART, Ending
from .events import BroadcastSent, Journal, RemotelyDisconnected

__all__ = ["Node", "Receiver"]

logger = logging.getLogger("anycable_rpc")


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
    """The hub, the broker, the app's calls and the open sockets. All methods run on one event loop."""

    def __init__(self, rpc: RPC, options: GatewayOptions) -> None:
        self.options = options
        self.hub = Hub()
        self.broker = broker_for(options)
        self.authenticator = Authenticator(options)
        self.signed_channels = SignedChannels(options)
        self.calls = calls_for(rpc, options)
        self.journal = Journal()
        self.receivers: dict[Session, Receiver] = {}
        self._disconnects = DisconnectQueue(self.calls)
        self._is_empty = asyncio.Event()
        self._publications: deque[Publication] = deque()
        self._is_publishing = False

    def opened(self, session: Session, receiver: Receiver) -> None:
        """Register a socket; its client need not be identified yet."""
        self.receivers[session] = receiver
        self._is_empty.clear()

    def closed(self, session: Session) -> None:
        """Forget a socket whose tasks have ended."""
        del self.receivers[session]
        if not self.receivers:
            self._is_empty.set()

    def session_started(self, session: Session, *, is_resumable: bool) -> None:
        """Register a session that has been identified."""
        self.hub.add(session)
        self.broker.session_started(session, is_resumable=is_resumable)

    def session_ended(self, session: Session, *, may_return: bool) -> None:
        """Unregister a session, and let the app know if the session concerns it."""
        self.hub.remove(session)
        if session.concerns_app:
            self._disconnects.add(session)
        moment = self.broker.session_ended(session, may_return=may_return)
        if moment is not None:  # a timer may be early by its own clock, so the broker gets the moment itself
            asyncio.get_running_loop().call_later(self.options.presence_ttl, self._expire, moment)

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

    def execute(self, publications: Iterable[Publication]) -> None:
        """Execute publications, one after another."""
        self._publications.extend(publications)
        if not self._is_publishing:
            self._publish_next()

    def _publish_next(self) -> None:
        """Execute one publication, and the next one in a later turn of the event loop.

        In between, clients are written to. Else many publications at once would fill their outboxes, and the clients
        would count as too slow."""
        self._is_publishing = bool(self._publications)
        if self._is_publishing:
            self._publish(self._publications.popleft())
            asyncio.get_running_loop().call_soon(self._publish_next)

    def _publish(self, publication: Publication) -> None:
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

    async def shut_down(self, timeout: float) -> None:
        """Close all connections, and wait up to `timeout` seconds for clients to go and for the app to be told."""
        for receiver in list(self.receivers.values()):
            receiver.close(SERVER_RESTART, transmissions.disconnect("server_restart", True))
        try:
            async with asyncio.timeout(timeout):
                if self.receivers:
                    await self._is_empty.wait()
                await self._disconnects.finish()
        except TimeoutError:
            logger.warning("stopping after %g s: %d clients are still connected, %d Disconnect calls were not answered",
                           timeout, len(self.receivers), len(self._disconnects))  # fmt: skip
        for receiver in list(self.receivers.values()):
            receiver.abandon()

    def _expire(self, moment: float) -> None:
        self._broadcast_all(self.broker.expire(moment))

    def _broadcast_all(self, broadcasts: Iterable[Broadcast]) -> None:
        for broadcast in broadcasts:
            self.deliver(self.hub.deliveries(broadcast))

    def _disconnect(self, command: RemoteDisconnect) -> None:
        sessions = self.hub.sessions(command.identifiers)
        self.journal.tell(RemotelyDisconnected(command, len(sessions)))
        for session in sessions:
            self.receivers[session].close(CLOSED_REMOTELY, transmissions.disconnect("remote", command.reconnect))
