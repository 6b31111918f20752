"""Sentences about failed TLS connections, for all client libraries."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

__all__ = ["explain"]

_WRONG_NAME = (62, 64)
"""OpenSSL's codes for a certificate of another host name or IP address."""


def explain(error: BaseException) -> str | None:
    """Return what went wrong with TLS, or None when `error` is about something else.

    Trying again does not help against any of these errors.
    """
    found = next((cause for cause in _causes(error) if _is_about_tls(cause)), None)
    if isinstance(found, ssl.SSLCertVerificationError):
        advice = (
            "the URL must name a host that the certificate is for"
            if found.verify_code in _WRONG_NAME
            else "let SSL_CERT_FILE name a file with the authority that signed it"
        )
        return f"no trusted TLS connection: its certificate is not accepted ({found.verify_message}); {advice}"
    if found is None:
        return None
    why = found.reason or "closed" if isinstance(found, ssl.SSLError) else "no answer"
    return f"no TLS connection ({why}): does that port speak TLS, or should the URL be the one without TLS?"


def _is_about_tls(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLError) or (isinstance(error, OSError) and "handshake" in str(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes. redis-py also puts causes into `args`."""
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) not in seen:
            seen.add(id(current))
            yield current
            causes = (current.__cause__, current.__context__, *current.args)
            waiting += [cause for cause in causes if isinstance(cause, BaseException)]
