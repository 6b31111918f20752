"""A node on an event loop: it paces publications, and does later what takes time or has to wait."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable

from ..protocol import transmissions
from ..protocol.messages import DisconnectRequest
from .app_calls import AppCalls
from .core.options import GatewayOptions
from .core.publications import Publication
from .core.session import Session
from .disconnect_queue import DisconnectQueue
from .endings import SERVER_RESTART
from .node import Node, Receiver

__all__ = ["NodeOnLoop"]

logger = logging.getLogger("anycable_rpc")


class NodeOnLoop(Node):
    """The node of a gateway. All methods run on one event loop."""

    def __init__(self, calls: AppCalls, options: GatewayOptions) -> None:
        super().__init__(calls, options)
        self._disconnects = DisconnectQueue(calls)
        self._is_empty = asyncio.Event()
        self._publications: deque[Publication] = deque()
        self._is_publishing = False

    def opened(self, session: Session, receiver: Receiver) -> None:
        """Register a socket; its client need not be identified yet."""
        super().opened(session, receiver)
        self._is_empty.clear()

    def closed(self, session: Session) -> None:
        """Forget a socket whose tasks have ended."""
        super().closed(session)
        if not self.receivers:
            self._is_empty.set()

    def call_disconnect(self, sid: str, request: DisconnectRequest) -> None:
        """Queue a Disconnect call."""
        self._disconnects.add(sid, request)

    def expire_later(self, moment: float) -> None:
        """Set a timer. It may be early by its own clock, so the broker gets the moment itself."""
        asyncio.get_running_loop().call_later(self.options.presence_ttl, self.expire, moment)

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
            self.publish(self._publications.popleft())
            asyncio.get_running_loop().call_soon(self._publish_next)

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
