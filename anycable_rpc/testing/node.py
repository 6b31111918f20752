"""The node of the test clients: all that the development gateway does later happens at once or at the end of a verb."""

from __future__ import annotations

from collections import deque
from typing import cast

from ..gateway.app_calls import RPC
from ..gateway.core.options import GatewayOptions
from ..gateway.core.session import Session
from ..gateway.node import Node
from ..protocol.messages import (
    PROTOCOL_VERSION,
    CommandMessage,
    CommandResponse,
    ConnectionResponse,
    DisconnectRequest,
    DisconnectResponse,
    Request,
    Response,
)
from ..transports import protobuf
from .steps import PendingCall

__all__ = ["PendingCalls", "TestNode"]


class PendingCalls:
    """The app's calls, from bytes to bytes, without a deadline: a debugger may stop the app.

    Attributes:
        answers: the last response to each session, by its `sid`.
    """

    has_app = True

    def __init__(self) -> None:
        self.answers: dict[str, Response] = {}

    async def connect(self, session: Session) -> ConnectionResponse:
        """Ask the app who the session is."""
        return cast("ConnectionResponse", await self._call("Connect", session.sid, session.connect()))

    async def command(self, sid: str, request: CommandMessage) -> CommandResponse:
        """Let the app do a client's command."""
        return cast("CommandResponse", await self._call("Command", sid, request))

    async def disconnect(self, sid: str, request: DisconnectRequest) -> DisconnectResponse:
        """Tell the app that a session has ended."""
        return cast("DisconnectResponse", await self._call("Disconnect", sid, request))

    def replace_app(self, rpc: RPC) -> None:
        """Do nothing: test clients keep their app."""

    async def _call(self, method: str, sid: str, request: Request) -> Response:
        metadata = {"sid": sid, "protov": PROTOCOL_VERSION}
        data = await PendingCall(method, protobuf.encode_request(request), metadata)
        self.answers[sid] = answer = protobuf.decode_response(method, data)
        return answer


class TestNode(Node):
    """A node that needs no event loop.

    Attributes:
        disconnects: Disconnect calls to make; the verb that runs makes them at its end.
    """

    __test__ = False

    def __init__(self, options: GatewayOptions) -> None:
        self.pending_calls = PendingCalls()
        super().__init__(self.pending_calls, options)
        self.disconnects: deque[tuple[str, DisconnectRequest]] = deque()

    def call_disconnect(self, sid: str, request: DisconnectRequest) -> None:
        """Make the call at the end of the verb: no callback runs inside another one."""
        self.disconnects.append((sid, request))

    def expire_later(self, moment: float) -> None:
        """Let presence expire now: a test does not wait for `presence_ttl`."""
        self.expire(moment)

    async def finish_disconnects(self) -> None:
        """Make the Disconnect calls that wait."""
        while self.disconnects:
            await self.calls.disconnect(*self.disconnects.popleft())

    def abandon_all(self) -> None:
        """End all sessions. The app is not told."""
        for receiver in self.receivers.values():
            receiver.abandon()
        self.disconnects.clear()
