"""Publications as POST requests: one as it is, several as one JSON array.

anycable-go reads a body of one publication, of an array of publications, or of one remote command. It drops an array
with an element that it cannot read, and answers 201 all the same (`node/node.go`). So only what it surely reads goes
into an array. Everything else travels alone, in its turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import groupby
from time import monotonic
from typing import NamedTuple

from ..errors import BroadcastFailed
from ..publishing.payloads import is_publication
from .grouped import GroupedBroadcaster
from .http_async import AsyncConnections
from .http_messages import head_of
from .http_problems import NoResponse
from .http_sync import Connections
from .http_url import ErrorTexts, Target
from .steps import adrive, drive
from .trips import CROWDED, Failed, Outcomes, with_context

__all__ = ["AsyncHTTPCarrier", "HTTPCarrier", "PostingBroadcaster", "Posts", "Refusal", "may_be_about_content"]


class Refusal(NamedTuple):
    """A status that is not the expected one: what it means, and whether the same request may work later."""

    reason: str
    is_transient: bool
    is_about_content: bool = False


def may_be_about_content(status: int) -> bool:
    """Return whether the status may come from one of several publications, so that the others may be accepted alone."""
    return 400 <= status < 500 and status not in (401, 404, 429)


_Result = int | NoResponse
_Exchange = Generator[bytes, _Result, Outcomes]


class Posts:
    """The requests of trips, and the meaning of their answers. It does no input or output.

    Args:
        target: the server.
        path: where publications are posted.
        texts: parts of the error sentences.
        refusal: returns what a status means, or None when the publication has been accepted.
        failed: makes the error of a publication.
    """

    def __init__(
        self, target: Target, path: str, texts: ErrorTexts, refusal: Callable[[int], Refusal | None], failed: Failed
    ) -> None:
        self.target = target
        self.failed = failed
        self._texts = texts
        self._refusal = refusal
        self._head = head_of("POST", path, {**target.headers, "Content-Type": "application/json"})

    def request(self, payload: str) -> bytes:
        """Return the request of a payload."""
        body = payload.encode()
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)

    def problem(self, result: _Result) -> Refusal | None:
        """Return what is wrong with the result of a request, or None."""
        if isinstance(result, NoResponse):
            reason = result.reason.format(variable=self._texts.variable, check=self._texts.check)
            return Refusal(reason, result.is_transient)
        return self._refusal(result)

    def error(self, result: _Result) -> BroadcastFailed | None:
        """Return the error of a publication, or None."""
        problem = self.problem(result)
        if problem is None:
            return None
        failure = self.failed(problem.reason, problem.is_transient)
        return with_context(failure, result) if isinstance(result, NoResponse) else failure

    def of_trip(self, payloads: Sequence[str]) -> _Exchange:
        """Yield the requests of a trip, each to be answered with its result. Return the outcomes."""
        outcomes: Outcomes = []
        runs = deque(_runs(payloads))
        while runs:
            run = runs.popleft()
            result = yield self.request(_joined(run))
            problem = self.problem(result)
            if problem and problem.is_about_content and len(run) > 1:
                runs.extendleft([payload] for payload in reversed(run))
                continue
            outcomes += [self.error(result) for _ in run]
            if problem and isinstance(result, NoResponse):
                reason = problem.reason if problem.is_transient else CROWDED
                return outcomes + [self.failed(reason, True) for _ in payloads[len(outcomes) :]]
        return outcomes


class HTTPCarrier:
    """A `Carrier` that posts."""

    def __init__(self, posts: Posts) -> None:
        self._posts = posts
        self._connections = Connections(posts.target)

    def send_one(self, payload: str, seconds: float) -> None:
        error = self._posts.error(self._send(self._posts.request(payload), seconds))
        if error:
            raise error

    def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
        end = monotonic() + seconds
        return drive(self._posts.of_trip(payloads), lambda request: self._send(request, end - monotonic()))

    def close(self) -> None:
        self._connections.close()

    def _send(self, request: bytes, seconds: float) -> _Result:
        try:
            return self._connections.exchange(request, seconds).status
        except NoResponse as error:
            return error


class AsyncHTTPCarrier:
    """An `AsyncCarrier` that posts."""

    def __init__(self, posts: Posts) -> None:
        self._posts = posts
        self._connections = AsyncConnections(posts.target)

    async def send_one(self, payload: str, seconds: float) -> None:
        error = self._posts.error(await self._send(self._posts.request(payload), seconds))
        if error:
            raise error

    async def send_many(self, payloads: Sequence[str], seconds: float) -> Outcomes:
        end = monotonic() + seconds
        return await adrive(self._posts.of_trip(payloads), lambda request: self._send(request, end - monotonic()))

    async def close(self) -> None:
        await self._connections.close()

    async def _send(self, request: bytes, seconds: float) -> _Result:
        try:
            return (await self._connections.exchange(request, seconds)).status
        except NoResponse as error:
            return error


class PostingBroadcaster(GroupedBroadcaster):
    """A broadcaster that posts.

    Args:
        target: the server.
        path: where publications are posted.
        texts: parts of the error sentences.
        refusal: see `Posts`.
        deadline: seconds that a publication may take in all.
    """

    def __init__(
        self, target: Target, path: str, texts: ErrorTexts, refusal: Callable[[int], Refusal | None], deadline: float
    ) -> None:
        super().__init__(target.address, deadline)
        self._posts = Posts(target, path, texts, refusal, self._failed)

    def _carrier(self) -> HTTPCarrier:
        return HTTPCarrier(self._posts)

    def _async_carrier(self) -> AsyncHTTPCarrier:
        return AsyncHTTPCarrier(self._posts)


def _runs(payloads: Sequence[str]) -> Iterator[list[str]]:
    """Yield the payloads of each request."""
    for may_join, group in groupby(payloads, is_publication):
        if may_join:
            yield list(group)
        else:
            yield from ([payload] for payload in group)


def _joined(run: Sequence[str]) -> str:
    if len(run) == 1:
        return run[0]
    return f"[{','.join(payload[1:-1] if payload.startswith('[') else payload for payload in run)}]"
