"""One cable behind bytes: what every transport registers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import perf_counter

from . import runner, wire
from .cable import Cable
from .call import Steps
from .errors import ProtocolError
from .journal import happened
from .protocol import CommandMessage, ConnectionRequest, DisconnectRequest, Request
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

    Args:
        cable: what is served.
        version_check: whether callers of another protocol version are refused.
        sid_header: whether the welcome tells the client its `sid`.
        threads: how many `def` callbacks run at a time under `ahandle`.
    """

    def __init__(self, cable: Cable, *, version_check: bool = True, sid_header: bool = True, threads: int = 30) -> None:
        self.is_async = cable.is_async
        self.turned: Callable[[bool], object] = bool  # is told when the health of the server turns
        self.threads = runner.CallbackThreads(threads)
        self.cable = cable
        self._version_check = version_check
        self._sid_header = sid_header
        self._middleware = tuple(cable.middleware)
        self._tells = logger.isEnabledFor(logging.DEBUG)  # once: calls need not ask

    def handle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        """Answer `Connect`, `Command` or `Disconnect` from this thread; for an app without `async def`."""
        try:
            steps = self._steps(method, data, metadata)
            return wire.encode_response(runner.run(steps, self._middleware))
        except BaseException as error:
            return _failure(method, runner.ordinary(method, error))

    async def ahandle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        """Answer `Connect`, `Command` or `Disconnect` on the running event loop."""
        try:
            steps = self._steps(method, data, metadata)
            return wire.encode_response(await runner.arun(steps, self._middleware, self.threads))
        except BaseException as error:
            return _failure(method, runner.ordinary(method, error))

    def _steps(self, method: str, data: bytes, metadata: Mapping[str, str]) -> Steps:
        if self._version_check:
            check_version(metadata.get("protov"))
        sid = metadata.get("sid", "") if self._sid_header else ""
        request = wire.decode_request(method, data)
        steps = respond(self.cable, request, sid)
        return _told(steps, request, metadata.get("sid", "")) if self._tells else steps


def _told(steps: Steps, request: Request, sid: str) -> Steps:
    """The steps, and at their end a line about the call."""
    began = perf_counter()
    response = yield from steps
    logger.debug("%s", happened(request, response, perf_counter() - began, sid))
    return response


def _failure(method: str, error: Exception) -> bytes:
    """The answer when there is no other: the request cannot be read, the response cannot be written."""
    if isinstance(error, ProtocolError):
        logger.warning("%s: %s", method, " ".join(str(error).split()))
        said = str(error)
    else:
        logger.error("%s failed", method, exc_info=error)
        said = f"{method} failed"
    return wire.encode_response(error_response(_REQUESTS[method], said))
