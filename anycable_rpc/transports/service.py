"""One cable behind bytes: what every transport registers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import perf_counter

from ..cable import Cable
from ..errors import AnswerTooLarge, ProtocolError, RequestTooLarge
from ..protocol.log_lines import happened
from ..protocol.messages import MESSAGE_SIZE, CommandMessage, ConnectionRequest, DisconnectRequest, Request
from ..rpc.call import Call, Steps
from ..rpc.respond import answer, call_for, check_version, error_response, fail
from . import protobuf as wire
from . import runner

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
        largest_request: in bytes; a larger one is an error, and no callback runs.
        largest_answer: in bytes; instead of a larger one an error is sent. anycable-go would take its own "larger
            than max" for a server that is busy, and call again and again.
    """

    def __init__(
        self,
        cable: Cable,
        *,
        version_check: bool = True,
        sid_header: bool = True,
        threads: int = 30,
        largest_request: int = MESSAGE_SIZE,
        largest_answer: int = MESSAGE_SIZE,
    ) -> None:
        self.is_async = cable.is_async
        self.turned: Callable[[bool], object] = bool  # is told when the health of the server turns
        self.threads = runner.CallbackThreads(threads)
        self.cable = cable
        self._version_check = version_check
        self._sid_header = sid_header
        self._middleware = tuple(cable.middleware)
        self._tells = logger.isEnabledFor(logging.DEBUG)  # once: calls need not ask
        self._largest_request = largest_request
        self._largest_answer = largest_answer

    def handle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        """Answer `Connect`, `Command` or `Disconnect` from this thread; for an app without `async def`."""
        try:
            call = self._call(method, data, metadata)
            written = wire.encode_response(runner.run(self._steps(call, data, metadata), self._middleware))
            if len(written) > self._largest_answer:
                steps = fail(call, AnswerTooLarge(len(written), self._largest_answer))
                return self._checked(wire.encode_response(runner.run(steps, self._middleware)))
            return written
        except BaseException as error:
            return _failure(method, runner.ordinary(method, error))

    async def ahandle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        """Answer `Connect`, `Command` or `Disconnect` on the running event loop."""
        try:
            call = self._call(method, data, metadata)
            response = await runner.arun(self._steps(call, data, metadata), self._middleware, self.threads)
            written = wire.encode_response(response)
            if len(written) > self._largest_answer:
                steps = fail(call, AnswerTooLarge(len(written), self._largest_answer))
                return self._checked(wire.encode_response(await runner.arun(steps, self._middleware, self.threads)))
            return written
        except BaseException as error:
            return _failure(method, runner.ordinary(method, error))

    def _call(self, method: str, data: bytes, metadata: Mapping[str, str]) -> Call:
        if self._version_check:
            check_version(metadata.get("protov"))
        sid = metadata.get("sid", "") if self._sid_header else ""
        return call_for(self.cable, wire.decode_request(method, data), sid)

    def _steps(self, call: Call, data: bytes, metadata: Mapping[str, str]) -> Steps:
        if len(data) > self._largest_request:
            steps = fail(call, RequestTooLarge(len(data), self._largest_request))
        else:
            steps = answer(call)
        return _told(steps, call.request, metadata.get("sid", "")) if self._tells else steps

    def _checked(self, written: bytes) -> bytes:
        """Return what is sent instead of too large an answer; a subscription's identifier may be too large as well.

        Raises:
            ProtocolError: it is too large itself.
        """
        if len(written) > self._largest_answer:
            raise ProtocolError("nor can what was to be sent instead")
        return written


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
