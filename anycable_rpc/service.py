"""One cable behind bytes: what every transport registers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Executor

from . import runner, wire
from .cable import Cable
from .call import Steps
from .errors import ProtocolError
from .protocol import CommandMessage, ConnectionRequest, DisconnectRequest, Request, Response
from .rpc import check_version, error_response, respond

__all__ = ["Service"]

logger = logging.getLogger("anycable_rpc")

_REQUESTS: Mapping[str, type[Request]] = {
    "Connect": ConnectionRequest,
    "Command": CommandMessage,
    "Disconnect": DisconnectRequest,
}


class Service:
    """Answers the three calls of a cable: protobuf bytes in, protobuf bytes out.

    `metadata` has lower-case keys: `sid`, the session's id, and `protov`, the caller's protocol versions. An
    answer is always given: whatever is wrong with the request or the app becomes its status.
    """

    def __init__(
        self,
        cable: Cable,
        *,
        version_check: bool = True,
        sid_header: bool = True,
        pool: Executor | None = None,
    ) -> None:
        self.is_async = cable.is_async
        self._cable = cable
        self._version_check = version_check
        self._sid_header = sid_header
        self._pool = pool
        self._middleware = tuple(cable.middleware)
        self._loop = runner.BackgroundLoop()

    def handle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        """Answer `Connect`, `Command` or `Disconnect` from this thread."""
        if self.is_async:
            return self._loop.run(self.ahandle(method, data, metadata))
        try:
            steps = self._steps(method, data, metadata)
        except ProtocolError as error:
            return _refuse(method, error)
        return _encode(method, runner.run(steps, self._middleware))

    async def ahandle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        """Answer `Connect`, `Command` or `Disconnect` on the running event loop."""
        try:
            steps = self._steps(method, data, metadata)
        except ProtocolError as error:
            return _refuse(method, error)
        return _encode(method, await runner.arun(steps, self._middleware, self._pool))

    def close(self) -> None:
        """Stop what `handle` may have started for an async app."""
        self._loop.stop()

    def _steps(self, method: str, data: bytes, metadata: Mapping[str, str]) -> Steps:
        if self._version_check:
            check_version(metadata.get("protov"))
        sid = metadata.get("sid", "") if self._sid_header else ""
        return respond(self._cable, wire.decode_request(method, data), sid)


def _refuse(method: str, error: ProtocolError) -> bytes:
    logger.warning("%s refused: %s", method, " ".join(str(error).split()))
    return wire.encode_response(error_response(_REQUESTS[method], str(error)))


def _encode(method: str, response: Response) -> bytes:
    try:
        return wire.encode_response(response)
    except ProtocolError as error:
        logger.error("%s: %s", method, error)
        return wire.encode_response(error_response(_REQUESTS[method], "the response cannot be written"))
