"""The state of one stream under way: what has come of its request, and how far its answer is."""

from __future__ import annotations

from .grpc_framing import announced_length
from .request_headers import RequestHead, RequestLine

__all__ = ["NO_HEAD", "OpenStream"]

NO_HEAD = RequestHead(RequestLine("", "", is_grpc=False), {}, 0)
"""The head of a stream whose request was handed over: the event has the real one, so that it is not kept twice."""


class OpenStream:
    """The state of a stream.

    One is made for each call. The defaults are on the class, so that most streams set three attributes, not eight.
    """

    body: bytes | bytearray = b""
    kept = 0  # bytes of headers and body, counted while the request is incomplete
    received = 0  # bytes of body, kept or not
    is_complete = False  # the peer has sent all, or the rest is ignored
    is_answered = False  # at least the beginning of the answer was sent
    is_refused = False  # because of its headers: the body is checked, but not kept

    def __init__(self, head: RequestHead, since: int) -> None:
        self.head = head
        self.since = since  # the second in which the peer, or the answer, began

    @property
    def announced(self) -> int:
        """The length that the gRPC message says it has; 0 for other requests."""
        return announced_length(self.body) if self.head.line.is_grpc else 0
