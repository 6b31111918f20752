"""A service that runs all callbacks in the thread of the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from ..errors import ProtocolError
from ..protocol.messages import Request, Response
from ..transports.runner import ThreadRunner, Wait
from ..transports.service import Service

__all__ = ["InPlaceService"]

_Encoded = TypeVar("_Encoded")


class InPlaceService(Service):
    """Answers with `wait` from a thread, and with `hops` on an event loop; see `TestServer`."""

    wait: Wait
    hops: ThreadRunner

    def answer(
        self,
        request: Request,
        metadata: Mapping[str, str],
        encode: Callable[[Response], _Encoded],
        problem: ProtocolError | None = None,
        wait: Wait | None = None,
    ) -> _Encoded:
        """Answer a request from this thread."""
        return super().answer(request, metadata, encode, problem, wait or self.wait)

    async def aanswer(
        self,
        request: Request,
        metadata: Mapping[str, str],
        encode: Callable[[Response], _Encoded],
        problem: ProtocolError | None = None,
        threads: ThreadRunner | None = None,
    ) -> _Encoded:
        """Answer a request on the running event loop."""
        return await super().aanswer(request, metadata, encode, problem, threads or self.hops)
