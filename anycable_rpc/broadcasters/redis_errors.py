"""Sentences about errors of Redis."""

from __future__ import annotations

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
)
from redis.exceptions import ConnectionError as BrokenConnection
from redis.exceptions import TimeoutError as TimedOut
from redis.sentinel import MasterNotFoundError

from ..errors import shorten
from . import tls_errors

__all__ = ["describe"]

_BY_PARAMETER = " (or ?ssl_ca_certs=FILE in ANYCABLE_REDIS_URL)"
_CHECK_USER = "check the user and the password in ANYCABLE_REDIS_URL"
_ERRORS: tuple[tuple[type[Exception], str, bool], ...] = (
    (AuthenticationError, f"authentication failed: {_CHECK_USER}", False),
    (NoPermissionError, f"this user may not publish there: {_CHECK_USER}, and its rights (ACL)", False),
    (BusyLoadingError, "it is still reading its data", True),
    (
        MasterNotFoundError,
        "no Sentinel knows a primary of that name: do those in ANYCABLE_REDIS_SENTINELS run, with these passwords, "
        "and is ANYCABLE_REDIS_URL redis://NAME with their name for the primary?",
        True,
    ),
    (ClusterDownError, "the cluster is down, or not yet up: see CLUSTER INFO there", True),
    (
        RedisClusterException,
        "no cluster answers: do these servers run with cluster-enabled? For a single server give one URL",
        True,
    ),
    (
        BrokenConnection,
        "no connection: is Redis running, and is ANYCABLE_REDIS_URL right (rediss:// for a port with TLS)?",
        True,
    ),
    (TimedOut, "no answer in time: it may or may not have arrived", False),
    (ReadOnlyError, "it is a replica: ANYCABLE_REDIS_URL must name the primary", True),
)
"""Beside each error: what went wrong, and whether the same may work later. The first that matches counts."""


def describe(error: Exception) -> tuple[str, bool]:
    """Return what went wrong, and whether the same may work later."""
    about_tls = tls_errors.explain(error)
    if about_tls:
        return about_tls + (_BY_PARAMETER if "SSL_CERT_FILE" in about_tls else ""), False
    return next((row[1:] for row in _ERRORS if isinstance(error, row[0])), (_reply(error), False))


def _reply(error: Exception) -> str:
    """Return the error reply of Redis, which is safe to show: it holds no payload and no password."""
    reply = shorten(str(error), 200) if isinstance(error, ResponseError) else type(error).__name__
    return f"it answered {reply}"
