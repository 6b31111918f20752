"""Sentences about errors of NATS."""

from __future__ import annotations

from nats import errors

from ..errors import shorten
from . import tls_errors

__all__ = ["NO_GREETING", "NO_TLS", "UnusableConnection", "describe"]

_CHECK_USER = "check user and password in ANYCABLE_NATS_SERVERS"
_AUTHENTICATION = f"authentication failed: {_CHECK_USER}"
_NO_CONNECTION = "no connection: is NATS running, and is ANYCABLE_NATS_SERVERS right?"
_ERRORS: tuple[tuple[type[BaseException], str, bool], ...] = (
    (errors.MaxPayloadError, "the payload is larger than NATS accepts (its max_payload, 1 MB by default)", False),
    (errors.AuthorizationError, _AUTHENTICATION, False),
    (errors.NoServersError, _NO_CONNECTION, True),
    (errors.ConnectionClosedError, _NO_CONNECTION, True),
    (errors.StaleConnectionError, _NO_CONNECTION, True),
    (TimeoutError, "no answer in time: it may or may not have arrived", False),
    (OSError, _NO_CONNECTION, True),
)
"""Beside each error: what went wrong, and whether the same may work later. The first that matches counts."""

_REASONS = (
    ("authorization", _AUTHENTICATION),
    ("permissions violation", f"this user may not publish there: {_CHECK_USER}, and its permissions ({{reason}})"),
    ("expecting info", "its greeting is not that of NATS: is this the port of NATS?"),
    ("", "it answered {reason}"),
)
"""Beside a part of the server's error (in lower case): what to do. The first that matches counts."""


class UnusableConnection(errors.Error):
    """The connection must not be used. The message says why."""


NO_TLS = (
    "the server offers no TLS, so neither password nor payload was sent: turn TLS on there, or set "
    "ANYCABLE_NATS_SERVERS to nats:// if both may be sent unencrypted"
)
NO_GREETING = (
    "no greeting in time: is this the port of NATS? (one where TLS comes first, by `handshake_first`, is not supported)"
)


def describe(error: Exception) -> tuple[str, bool]:
    """Return what went wrong, and whether the same may work later."""
    about_tls = tls_errors.explain(error)
    if about_tls or isinstance(error, UnusableConnection):
        return about_tls or str(error), False
    known = next((row[1:] for row in _ERRORS if isinstance(error, row[0])), None)
    if known is None and isinstance(error, errors.Error):
        reason = str(error).removeprefix("nats: ")
        sentence = next(sentence for part, sentence in _REASONS if part in reason.lower())
        return sentence.format(reason=shorten(reason, 200)), False
    return known or (f"it answered {type(error).__name__}", False)
