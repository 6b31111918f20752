"""Sentences about requests that got no answer."""

from __future__ import annotations

import socket

from . import tls_errors

__all__ = ["CHECK_SERVER_LOG", "COMMON_ADVICE", "NO_ANSWER", "NoResponse", "about_exchange", "about_opening"]

CHECK_SERVER_LOG = "see the log of that server"
_REDIRECT = "it redirects, and redirects are not followed: set the URL to where the server really is"
COMMON_ADVICE = {
    400: "is the URL right? For a port with TLS it begins with https://",
    **dict.fromkeys((301, 302, 303, 307, 308), _REDIRECT),
}
"""Advice by status that fits every request."""

NO_ANSWER = "no answer in time: it may or may not have arrived; see anycable-go's log"


class NoResponse(Exception):
    """A request got no response. If `is_transient`, the same request may work later.

    `reason` has the fields {variable} and {check}, for the setting with the URL and for what to check.
    """

    def __init__(self, reason: str, is_transient: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_transient = is_transient


def about_opening(error: Exception) -> NoResponse:
    """Return what went wrong while the connection was opened."""
    about_tls = tls_errors.explain(error)
    if about_tls:
        return NoResponse(about_tls, False)
    if isinstance(error, socket.gaierror | UnicodeError):  # UnicodeError: a name that DNS cannot carry
        return NoResponse("no such host: is {variable} right?", True)
    if isinstance(error, TimeoutError):
        return NoResponse("no connection in time: is anycable-go reachable, and {check}", True)
    return NoResponse("no connection: is anycable-go running, and {check}", True)


def about_exchange(error: Exception, is_sent: bool) -> NoResponse:
    """Return what went wrong after the connection was opened. `is_sent`: the whole request has left."""
    about_tls = tls_errors.explain(error)
    if about_tls:
        return NoResponse(about_tls, False)
    if isinstance(error, TimeoutError) and is_sent:
        return NoResponse(NO_ANSWER, False)
    return NoResponse(
        "the connection broke: see the log of that server (with TLS the URL in {variable} begins with https://)", True
    )
