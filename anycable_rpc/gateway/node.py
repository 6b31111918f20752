"""What the clients of one gateway share, and what happens to all of them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable

from ..errors import shorten
from ..protocol import transmissions
from .app_calls import RPC, calls_for
from .client import CLOSED_REMOTELY, SERVER_RESTART, Client
from .core.authentication import Authenticator
from .core.broker import broker_for
from .core.client_frames import Present
from .core.hub import Delivery, Hub
from .core.options import GatewayOptions
from .core.publications import Publication
from .core.session import Broadcast, RemoteDisconnect, Session
from .core.signed_channels import Streams
from .disconnect_queue import Disconnects

__all__ = ["Node"]

logger = logging.getLogger("anycable_rpc")


class Node:
    """Everything is done on one event loop."""

    def __init__(self, rpc: RPC, options: GatewayOptions) -> None:
        self.options = options
        self.hub = Hub()
        self.broker = broker_for(options)
        self.authenticator = Authenticator(options)
        self.streams = Streams(options)
        self.calls = calls_for(rpc, options)
        self.disconnects = Disconnects(self.calls)
        self.clients: dict[Session, Client] = {}
        self._is_empty = asyncio.Event()
        self._publications: deque[Publication] = deque()
        self._is_publishing = False

    def enter(self, client: Client) -> None:
        """A client has come; who it is need not be known yet."""
        self.clients[client.session] = client
        self._is_empty.clear()

    def leave(self, client: Client) -> None:
        """A client is gone, and its tasks too."""
        del self.clients[client.session]
        if not self.clients:
            self._is_empty.set()

    def depart(self, session: Session, *, may_return: bool) -> None:
        """A session has ended that may have been one of the hub's."""
        if not self.hub.remove(session):
            return
        if session.concerns_app:
            self.disconnects.add(session)
        moment = self.broker.depart(session, may_return=may_return)
        if moment is not None:  # a timer may be early by its own clock: it is told which moment it stands for
            asyncio.get_running_loop().call_later(self.options.presence_ttl, self._expire, moment)

    def join_presence(self, session: Session, identifier: str, present: Present) -> None:
        """A session is there; who was not told of it is."""
        self._tell(self.broker.join(session, identifier, present))

    def leave_presence(self, session: Session, stream: str) -> None:
        """A session is there no more."""
        self._tell(self.broker.leave(session, stream))

    def execute(self, publications: Iterable[Publication]) -> None:
        """Do what was published, one after another."""
        self._publications.extend(publications)
        if not self._is_publishing:
            self._publish_next()

    def _publish_next(self) -> None:
        """Between two of them clients are written to: what waits only for us makes nobody slow."""
        self._is_publishing = bool(self._publications)
        if self._is_publishing:
            self._publish(self._publications.popleft())
            asyncio.get_running_loop().call_soon(self._publish_next)

    def _publish(self, publication: Publication) -> None:
        match publication:
            case Broadcast():
                deliveries = self.hub.deliveries(self.broker.record(publication))
                logger.info("broadcast to %s, receivers: %d", shorten(publication.stream), len(deliveries))
                self.deliver(deliveries)
            case RemoteDisconnect(identifiers, reconnect):
                self._disconnect(identifiers, reconnect)

    def deliver(self, deliveries: Iterable[Delivery]) -> None:
        """Write frames to those whom they are for."""
        for session, text in deliveries:
            self.clients[session].transmit(text)

    async def shut_down(self, timeout: float) -> None:
        """Say goodbye to all, and let the app hear of it."""
        for client in list(self.clients.values()):
            client.close(SERVER_RESTART, transmissions.disconnect("server_restart", True))
        try:
            async with asyncio.timeout(timeout):
                if self.clients:
                    await self._is_empty.wait()
                await self.disconnects.finish()
        except TimeoutError:
            logger.warning("stopping after %g s: %d clients have not gone, the app has not heard of the end of %d",
                           timeout, len(self.clients), len(self.disconnects))  # fmt: skip
        for client in list(self.clients.values()):
            client.abandon()

    def _expire(self, moment: float) -> None:
        self._tell(self.broker.expire(moment))

    def _tell(self, events: Iterable[Broadcast]) -> None:
        for event in events:
            self.deliver(self.hub.deliveries(event))

    def _disconnect(self, identifiers: str, reconnect: bool) -> None:
        sessions = self.hub.sessions(identifiers)
        logger.info("remote disconnect of %s, connections: %d", shorten(identifiers, 200), len(sessions))
        for session in sessions:
            self.clients[session].close(CLOSED_REMOTELY, transmissions.disconnect("remote", reconnect))
