"""The calls of the app, as anycable-go makes them: with a deadline, and a limited number at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from ..protocol import transmissions
from ..protocol.log_lines import named, subscription
from ..protocol.messages import (
    PROTOCOL_VERSION,
    CommandMessage,
    CommandResponse,
    ConnectionResponse,
    DisconnectRequest,
    DisconnectResponse,
    Request,
    Response,
    Status,
)
from ..transports import protobuf as wire
from .core import server_frames
from .core.options import GatewayOptions
from .core.session import Session

__all__ = ["RPC", "AppCalls", "RemoteCalls", "WithoutApp", "calls_for"]

logger = logging.getLogger("anycable_rpc")

RPC = Callable[[str, bytes, Mapping[str, str]], Awaitable[bytes]]
"""Method, request, metadata -> response; `BytesHandler.ahandle` is one."""

R = TypeVar("R", bound=Response)


class AppCalls(Protocol):
    """The three calls. They do not raise: a call that fails is answered with ERROR."""

    has_app: bool

    async def connect(self, session: Session) -> ConnectionResponse: ...

    async def command(self, sid: str, request: CommandMessage) -> CommandResponse: ...

    async def disconnect(self, sid: str, request: DisconnectRequest) -> DisconnectResponse: ...

    def replace_app(self, rpc: RPC) -> None: ...


class RemoteCalls:
    """Calls of an app that takes and returns bytes."""

    has_app = True

    def __init__(self, rpc: RPC, timeout: float, concurrency: int) -> None:
        self._rpc = rpc
        self._timeout = timeout
        self._slots = asyncio.Semaphore(concurrency)

    async def connect(self, session: Session) -> ConnectionResponse:
        """Ask the app who the session is."""
        return await self._call("Connect", session.sid, session.connect(), ConnectionResponse(Status.ERROR))

    async def command(self, sid: str, request: CommandMessage) -> CommandResponse:
        """Let the app do a client's command."""
        return await self._call("Command", sid, request, CommandResponse(Status.ERROR))

    async def disconnect(self, sid: str, request: DisconnectRequest) -> DisconnectResponse:
        """Tell the app that a session has ended."""
        return await self._call("Disconnect", sid, request, DisconnectResponse(Status.ERROR))

    def replace_app(self, rpc: RPC) -> None:
        """Call another app from now on; calls under way are answered by the old one."""
        self._rpc = rpc

    async def _call(self, method: str, sid: str, request: Request, error: R) -> R:
        metadata = {"sid": sid, "protov": PROTOCOL_VERSION}
        async with self._slots:  # the deadline begins when there is a slot
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await self._rpc(method, wire.encode_request(request), metadata)
                response = wire.decode_response(method, answer)
            except TimeoutError:
                logger.error("%s took longer than %g s: anycable-go would not wait either%s",
                             method, self._timeout, _details(request, sid))  # fmt: skip
            except Exception:
                logger.exception("%s failed%s", method, _details(request, sid))
            else:
                return response if isinstance(response, type(error)) else error
        return error


def _details(request: Request, sid: str) -> str:
    """Return the end of a line in the log: the command, the subscription (a signed stream name is masked), the sid."""
    if not isinstance(request, CommandMessage):
        return named("", sid)
    return named(f" ({request.command}, {subscription(request.identifier)})", sid)


class WithoutApp:
    """Answers without an app: only tokens let clients in, and only the gateway's own channels exist."""

    has_app = False

    async def connect(self, session: Session) -> ConnectionResponse:
        """Refuse the client."""
        return ConnectionResponse(Status.FAILURE, transmissions=(transmissions.disconnect("unauthorized", False),))

    async def command(self, sid: str, request: CommandMessage) -> CommandResponse:
        """Reject a subscription; other commands are an ERROR."""
        if request.command != "subscribe":
            return CommandResponse(Status.ERROR)
        return CommandResponse(Status.FAILURE, transmissions=(server_frames.reject_subscription(request.identifier),))

    async def disconnect(self, sid: str, request: DisconnectRequest) -> DisconnectResponse:
        """Succeed: there is no app to tell."""
        return DisconnectResponse(Status.SUCCESS)

    def replace_app(self, rpc: RPC) -> None:
        """Go on without an app, as the options want it."""


def calls_for(rpc: RPC, options: GatewayOptions) -> AppCalls:
    """Return the calls that the options allow."""
    return WithoutApp() if options.norpc else RemoteCalls(rpc, options.command_timeout, options.rpc_concurrency)
