"""Calls of the app, as anycable-go makes them: encoded, with a deadline, and so many at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from ..protocol import transmissions
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
from .core import server_frames as frames
from .core.options import GatewayOptions
from .core.session import Session

__all__ = ["RPC", "Calls", "NoCalls", "RemoteCalls", "calls_for"]

logger = logging.getLogger("anycable_rpc")

RPC = Callable[[str, bytes, Mapping[str, str]], Awaitable[bytes]]
"""Method, request, metadata -> response; `BytesHandler.ahandle` is one."""

R = TypeVar("R", bound=Response)


class Calls(Protocol):
    """The three calls. What goes wrong is an answer: ERROR."""

    is_real: bool

    async def connect(self, session: Session) -> ConnectionResponse: ...

    async def command(self, sid: str, request: CommandMessage) -> CommandResponse: ...

    async def disconnect(self, sid: str, request: DisconnectRequest) -> DisconnectResponse: ...


class RemoteCalls:
    """Calls of an app behind bytes."""

    is_real = True

    def __init__(self, rpc: RPC, timeout: float, concurrency: int) -> None:
        self._rpc = rpc
        self._timeout = timeout
        self._slots = asyncio.Semaphore(concurrency)

    async def connect(self, session: Session) -> ConnectionResponse:
        """Ask who the session is."""
        return await self._call("Connect", session.sid, session.connect(), ConnectionResponse(Status.ERROR))

    async def command(self, sid: str, request: CommandMessage) -> CommandResponse:
        """Let the app do a client's command."""
        return await self._call("Command", sid, request, CommandResponse(Status.ERROR))

    async def disconnect(self, sid: str, request: DisconnectRequest) -> DisconnectResponse:
        """Tell the app that a session is gone."""
        return await self._call("Disconnect", sid, request, DisconnectResponse(Status.ERROR))

    async def _call(self, method: str, sid: str, request: Request, error: R) -> R:
        metadata = {"sid": sid, "protov": PROTOCOL_VERSION}
        async with self._slots:  # the deadline begins when there is a slot
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await self._rpc(method, wire.encode_request(request), metadata)
                response = wire.decode_response(method, answer)
            except TimeoutError:
                logger.error("%s took longer than %g s: anycable-go would not wait either [sid=%s]",
                             method, self._timeout, sid)  # fmt: skip
            except Exception:
                logger.exception("%s failed [sid=%s]", method, sid)
            else:
                return response if isinstance(response, type(error)) else error
        return error


class NoCalls:
    """Without an app: nobody comes in but with a token, and only the gateway's own channels are there."""

    is_real = False

    async def connect(self, session: Session) -> ConnectionResponse:
        """Nobody knows the client."""
        return ConnectionResponse(Status.FAILURE, transmissions=(transmissions.disconnect("unauthorized", False),))

    async def command(self, sid: str, request: CommandMessage) -> CommandResponse:
        """There is no such channel."""
        if request.command != "subscribe":
            return CommandResponse(Status.ERROR)
        return CommandResponse(Status.FAILURE, transmissions=(frames.reject_subscription(request.identifier),))

    async def disconnect(self, sid: str, request: DisconnectRequest) -> DisconnectResponse:
        """Nobody needs to know."""
        return DisconnectResponse(Status.SUCCESS)


def calls_for(rpc: RPC, options: GatewayOptions) -> Calls:
    """The calls that the options allow."""
    return NoCalls() if options.norpc else RemoteCalls(rpc, options.command_timeout, options.rpc_concurrency)
