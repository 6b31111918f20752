"""The events of a connection: a request is complete, or its answer is not wanted any more."""

from __future__ import annotations

from typing import NamedTuple

from .request_headers import RequestHead

__all__ = ["Cancelled", "CompleteRequest", "Event"]


class CompleteRequest(NamedTuple):
    """A request that can be answered.

    `is_too_large` marks a request whose headers or body are over a limit, or that nobody serves. Its body is empty or
    the first bytes only.
    """

    stream: int
    head: RequestHead
    body: bytes
    is_too_large: bool = False


class Cancelled(NamedTuple):
    """The peer does not wait for this stream's answer any more."""

    stream: int


Event = CompleteRequest | Cancelled
