"""Kept connections to one server, and what may go wrong with them: what `http_client` needs of urllib3."""

from __future__ import annotations

from collections.abc import Mapping

from urllib3 import HTTPConnectionPool, Timeout, connection_from_url
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)

from . import tls_errors

__all__ = ["HTTPError", "exchange", "explain", "pool"]

_KEPT_CONNECTIONS = 32
_ERRORS: tuple[tuple[type[HTTPError], str, bool], ...] = (
    (ReadTimeoutError, "no answer in time: it may or may not have arrived; see anycable-go's log", False),
    (NameResolutionError, "no such host: is {variable} right?", True),
    (NewConnectionError, "no connection: is anycable-go running, and {check}", True),
    (ConnectTimeoutError, "no connection in time: is anycable-go reachable, and {check}", True),
    (
        HTTPError,
        "the connection broke: see the log of the server there (with TLS it wants https:// in {variable})",
        True,
    ),
)
"""What went wrong, in words, and whether the same may work later; the first that fits counts."""


def pool(address: str) -> HTTPConnectionPool:
    """Connections to the server there."""
    return connection_from_url(address, maxsize=_KEPT_CONNECTIONS)


def exchange(
    pool: HTTPConnectionPool,
    method: str,
    path: str,
    body: bytes | None,
    headers: Mapping[str, str],
    seconds: float,
    limit: int,
) -> tuple[int, bytes]:
    """The status, and the body up to so many bytes.

    Raises:
        HTTPError: there is no answer.
    """
    timeout = Timeout(total=max(seconds, 0.001))
    response = pool.request(
        method, path, body=body, headers=headers, timeout=timeout, retries=False, preload_content=False
    )
    content = response.read(limit) if limit else b""
    if response.length_remaining == 0:
        response.read()  # gives the connection back
    else:
        response.close()  # the rest could be endless, and nobody needs it
    return response.status, content


def explain(error: HTTPError) -> tuple[str, bool]:
    """What went wrong, and whether the same may work later."""
    about_tls = tls_errors.explain(error)
    return (about_tls, False) if about_tls else next(row[1:] for row in _ERRORS if isinstance(error, row[0]))
