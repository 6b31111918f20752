"""A cable that answers requests. Each transport passes requests to it, with a codec of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import NamedTuple, Self, TypeVar

from ..cable import Cable
from ..errors import ProtocolError, ResponseTooLarge
from ..protocol.log_lines import call_line
from ..protocol.messages import METHOD_NAMES, METHODS, Request, Response
from ..rpc.call import Call
from ..rpc.dispatch import answer, call_for, check_version, error_response, fail
from . import runner
from .admission import Refusal
from .observers import notify

__all__ = ["AnsweredCall", "Service"]

logger = logging.getLogger("anycable_rpc")

_Encoded = TypeVar("_Encoded")


class AnsweredCall(NamedTuple):
    """A call that has been answered; `seconds` is the time from the request to the encoded response.

    `errors` are those that were logged: what callbacks have raised, and mistakes of the client.
    """

    request: Request
    response: Response
    seconds: float
    sid: str
    errors: tuple[BaseException, ...] = ()

    @property
    def method(self) -> str:
        """`Connect`, `Command` or `Disconnect`."""
        return METHOD_NAMES[type(self.request)]


class Service:
    """Answers the three calls of a cable: a request in, a response out.

    `metadata` has lower-case keys: `sid`, the session's id, and `protov`, the caller's protocol versions. A response is
    always returned: an error of the request or the app becomes its status.

    Args:
        cable: the cable that is served.
        version_check: refuse callers of another protocol version.
        sid_header: tell the client its `sid` in the welcome.
        threads: how many `def` callbacks run at a time under `ahandle`.

    Attributes:
        observers: each is called with every call that has been answered, on the thread that has run it. A call costs
            nothing more while there are none.
        refusal_observers: each is called with every `Refusal` of a call that is not admitted.
        on_health_change: called with True or False when the health of the server turns, on any thread.
        wait: runs an `async def` callback to its end for `handle`, where that may happen.
        thread_runner: runs `def` callbacks for `ahandle`. At first it is the service's own `threads`.
    """

    def __init__(self, cable: Cable, *, version_check: bool = True, sid_header: bool = True, threads: int = 30) -> None:
        self.cable = cable
        self.is_async = cable.is_async
        self.threads = runner.CallbackThreads(threads)
        self.thread_runner: runner.ThreadRunner = self.threads
        self.wait: runner.Wait | None = None
        self.observers: list[Callable[[AnsweredCall], object]] = []
        self.refusal_observers: list[Callable[[Refusal], object]] = []
        self.on_health_change: Callable[[bool], object] = _ignore
        self._version_check = version_check
        self._sid_header = sid_header
        self._middleware = tuple(cable.middleware)
        if logger.isEnabledFor(logging.DEBUG):  # asked once, not in each call
            self.observers.append(_log_call)

    @classmethod
    def of(cls, cable: Cable) -> Self:
        """Return the service of a cable as the cable's settings want it."""
        settings = cable.settings
        return cls(
            cable,
            version_check=settings.version_check_enabled,
            sid_header=settings.sid_header_enabled,
            threads=settings.rpc_pool_size,
        )

    def handle(self, request: Request, metadata: Mapping[str, str]) -> Response:
        """Answer a request from this thread; for an app without `async def`."""
        return self.answer(request, metadata, _as_it_is)

    async def ahandle(self, request: Request, metadata: Mapping[str, str]) -> Response:
        """Answer a request on the running event loop."""
        return await self.aanswer(request, metadata, _as_it_is)

    def answer(
        self,
        request: Request,
        metadata: Mapping[str, str],
        encode: Callable[[Response], _Encoded],
        problem: ProtocolError | None = None,
    ) -> _Encoded:
        """Answer a request from this thread with an encoded response; for a transport with a codec.

        Args:
            request: what anycable-go asks.
            metadata: see the class.
            encode: makes of a response what the transport sends. It may raise ResponseTooLarge: then the call fails
                with that error, and the response that says so is encoded instead.
            problem: an error of the request that the transport has found; no callback runs then.
        """
        began = perf_counter() if self.observers else 0.0
        try:
            call = self._begin(request, metadata)
            response = runner.run(fail(call, problem) if problem else answer(call), self._middleware, self.wait)
            try:
                encoded = encode(response)
            except ResponseTooLarge as error:
                response = runner.run(fail(call, error), self._middleware, self.wait)
                encoded = _encode_instead(encode, response)
            errors: tuple[BaseException, ...] = call.errors
        except BaseException as error:
            response = self.failure(METHOD_NAMES[type(request)], error, metadata)
            encoded, errors = _encode_failure(encode, response, request), (error,)
        if self.observers:
            call_ended = AnsweredCall(request, response, perf_counter() - began, metadata.get("sid", ""), errors)
            notify(self.observers, call_ended, "calls")
        return encoded

    async def aanswer(
        self,
        request: Request,
        metadata: Mapping[str, str],
        encode: Callable[[Response], _Encoded],
        problem: ProtocolError | None = None,
        threads: runner.ThreadRunner | None = None,
    ) -> _Encoded:
        """`answer` on the running event loop; `def` callbacks run on `threads`, or on `thread_runner` if None."""
        began = perf_counter() if self.observers else 0.0
        threads = threads or self.thread_runner
        try:
            call = self._begin(request, metadata)
            steps = fail(call, problem) if problem else answer(call)
            response = await runner.arun(steps, self._middleware, threads)
            try:
                encoded = encode(response)
            except ResponseTooLarge as error:
                response = await runner.arun(fail(call, error), self._middleware, threads)
                encoded = _encode_instead(encode, response)
            errors: tuple[BaseException, ...] = call.errors
        except BaseException as error:
            response = self.failure(METHOD_NAMES[type(request)], error, metadata)
            encoded, errors = _encode_failure(encode, response, request), (error,)
        if self.observers:
            call_ended = AnsweredCall(request, response, perf_counter() - began, metadata.get("sid", ""), errors)
            notify(self.observers, call_ended, "calls")
        return encoded

    def failure(self, method: str, error: BaseException, metadata: Mapping[str, str]) -> Response:
        """Log an error outside every callback, and return the response for it: the request cannot be read, say.

        A caller of another protocol version hears of that first: its requests may well be unreadable.

        Raises:
            KeyboardInterrupt, CancelledError: the process is interrupted, the call is cancelled.
        """
        failure = runner.as_exception(method, error)
        if self._version_check:
            try:
                check_version(metadata.get("protov"))
            except ProtocolError as incompatible:
                failure = incompatible
        if isinstance(failure, ProtocolError):
            logger.warning("%s: %s", method, " ".join(str(failure).split()))
            return error_response(METHODS[method], str(failure))
        logger.error("%s failed", method, exc_info=failure)
        return error_response(METHODS[method], f"{method} failed")

    def _begin(self, request: Request, metadata: Mapping[str, str]) -> Call:
        if self._version_check:
            check_version(metadata.get("protov"))
        return call_for(self.cable, request, metadata.get("sid", "") if self._sid_header else "")


def _ignore(is_serving: bool) -> None:
    """Do nothing when the health turns."""


def _as_it_is(response: Response) -> Response:
    return response


def _encode_instead(encode: Callable[[Response], _Encoded], response: Response) -> _Encoded:
    """Encode the response that replaces one that is too large; with a long identifier it may be too large as well."""
    try:
        return encode(response)
    except ResponseTooLarge:
        raise ProtocolError("the response that would say so is too large as well") from None


def _encode_failure(encode: Callable[[Response], _Encoded], response: Response, request: Request) -> _Encoded:
    """Encode the response of a failed call; without its sentence, where not even that is small enough."""
    try:
        return encode(response)
    except ResponseTooLarge:
        return encode(error_response(type(request), ""))


def _log_call(call: AnsweredCall) -> None:
    logger.debug("%s", call_line(call.request, call.response, call.seconds, call.sid))
