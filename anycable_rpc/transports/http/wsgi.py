"""The WSGI app that answers anycable-go's calls over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from wsgiref.types import StartResponse, WSGIEnvironment

from ...protocol.messages import Request
from ..service import Service
from .endpoint import JSON_HEADERS, Endpoint, Head, HTTPError
from .json_codec import encode_response
from .loop_thread import CallerThread, LoopThread
from .per_process import PerProcess

if TYPE_CHECKING:
    from ...cable import Cable

__all__ = ["WSGIApp"]

_PIECE = 2**16  # bytes


class WSGIApp:
    """Answers the calls of a cable; see `Cable.wsgi`.

    `def` callbacks run in the server's thread. `async def` callbacks run on one event loop, which the first call
    starts in each process. The arguments are those of `ASGIApp`.
    """

    def __init__(
        self, cable: Cable, *, insecure: bool = False, service_of: Callable[[Cable], Service] = Service.of
    ) -> None:
        self._endpoint = Endpoint.of(cable, insecure=insecure)
        self._answerer = PerProcess(lambda: _Answerer(service_of(cable)))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        head = _head(environ)
        try:
            method = self._endpoint.admit(head)
            request = self._endpoint.read(method, self._body(method, head, environ))
            status, headers, body = 200, JSON_HEADERS, self._answerer.get().answer(request, head.metadata)
        except HTTPError as error:
            status, headers, body = error.status, error.headers, error.body
        start_response(
            f"{status} {HTTPStatus(status).phrase}",
            [*((name.title(), value) for name, value in headers), ("Content-Length", str(len(body)))],
        )
        return [] if head.method == "HEAD" else [body]

    def _body(self, method: str, head: Head, environ: WSGIEnvironment) -> bytes:
        """Return the body: `Content-Length` bytes, or up to the end of a chunked body where the server finds it."""
        body, left = self._endpoint.body(method), head.size
        if left is None:
            left = sys.maxsize if environ.get("wsgi.input_terminated") else 0
        while left > 0 and (data := environ["wsgi.input"].read(min(left, _PIECE))):
            left -= len(data)
            body.add(data)
        return body.whole()


class _Answerer:
    """A service, and the event loop for it if its app has `async def` callbacks."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = LoopThread() if service.is_async else None

    def answer(self, request: Request, metadata: Mapping[str, str]) -> bytes:
        """Answer a request from this thread."""
        if self._loop is None:
            return self._service.answer(request, metadata, encode_response)
        return self._loop.run(partial(self._answer_on_loop, request, metadata))

    async def _answer_on_loop(self, request: Request, metadata: Mapping[str, str], thread: CallerThread) -> bytes:
        return await self._service.aanswer(request, metadata, encode_response, threads=thread)


def _head(environ: Mapping[str, Any]) -> Head:
    return Head(
        environ["REQUEST_METHOD"],
        environ.get("PATH_INFO", ""),
        authorization=environ.get("HTTP_AUTHORIZATION", ""),
        sid=environ.get("HTTP_X_ANYCABLE_META_SID", ""),
        protov=environ.get("HTTP_X_ANYCABLE_META_PROTOV", ""),
        length=environ.get("CONTENT_LENGTH", ""),
    )
