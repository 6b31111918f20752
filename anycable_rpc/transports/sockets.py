"""The listening sockets and the TLS certificate of the RPC server, for both engines."""

from __future__ import annotations

import socket
from contextlib import suppress
from errno import EACCES, EADDRINUSE
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BindError, ConfigurationError

if TYPE_CHECKING:
    from ..settings.model import Settings

__all__ = ["bind", "check_free", "key_pair", "listeners"]

_BACKLOG = 1024
_BIND_ERRORS = (OSError, UnicodeError)  # UnicodeError: the host is no host name


def check_free(address: str, shared: bool = False) -> None:
    """Pass if it is possible to listen on HOST:PORT. A library that fails to listen may not say why.

    Raises:
        BindError: the system refuses it, with the reason.
    """
    try:
        for listener in _bind_all(address, shared):
            listener.close()
    except _BIND_ERRORS as error:
        raise _bind_error(address, error) from None


def listeners(address: str, shared: bool = False) -> list[socket.socket]:
    """Return sockets that listen on HOST:PORT, one for each address of the host.

    With port 0 the system chooses a port, the same for all. Other processes may listen on a `shared` port too.

    Raises:
        BindError: the system refuses it.
    """
    try:
        bound = _bind_all(address, shared)
        for listener in bound:
            listener.listen(_BACKLOG)
    except _BIND_ERRORS as error:
        raise _bind_error(address, error) from None
    return bound


def _bind_error(address: str, error: BaseException) -> BindError:
    reason = error.strerror if isinstance(error, OSError) else "not a host name"
    return BindError(f"cannot listen on {address}: {reason}; choose another address with --rpc-host")


def _bind_all(address: str, shared: bool) -> list[socket.socket]:
    host, _, port = address.rpartition(":")
    bound: list[socket.socket] = []
    refusals: list[OSError] = []
    wanted = int(port)
    for family, kind, _, _, place in socket.getaddrinfo(host.strip("[]"), wanted, type=socket.SOCK_STREAM):
        try:
            bound.append(bind(family, kind, (place[0], wanted, *place[2:]), shared))
            wanted = bound[0].getsockname()[1]
        except OSError as error:
            refusals.append(error)
    # one address of a name is enough, because a container may have no ::1; but a port in use is always an error
    fatal = [error for error in refusals if error.errno in (EADDRINUSE, EACCES)]
    if fatal or not bound:
        for listener in bound:
            listener.close()
        raise (fatal or refusals)[0]
    return bound


def bind(family: int, kind: int, place: Any, shared: bool = False) -> socket.socket:
    """Return a socket that is bound to a place, for asyncio.

    Raises:
        OSError, UnicodeError: the system refuses it, or the host is not a host name.
    """
    # asyncio sets TCP_NODELAY only on a socket that names its protocol. Without it every second frame waits 40 ms.
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            with suppress(OSError):  # `::` also takes IPv4, where the system can do that
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, place[0] != "::")
        listener.bind(place)
    except _BIND_ERRORS:
        listener.close()
        raise
    return listener


def key_pair(settings: Settings) -> tuple[bytes, bytes] | None:
    """Return the private key and the certificate as PEM, or None without TLS.

    Raises:
        ConfigurationError: one of the two is missing, or is not PEM.
    """
    key, certificate = settings.rpc_tls_key, settings.rpc_tls_cert
    if not key and not certificate:
        return None
    if not key or not certificate:
        raise ConfigurationError("TLS needs both: set --rpc-tls-cert and --rpc-tls-key")
    return _pem(key.get_secret_value(), "--rpc-tls-key"), _pem(certificate, "--rpc-tls-cert")


def _pem(value: str, option: str) -> bytes:
    """Return PEM given as a string or as the name of a file."""
    if "-----BEGIN" in value:
        return value.encode()
    try:
        content = Path(value).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise ConfigurationError(f"{option}: the file cannot be read: {reason}") from None
    if b"-----BEGIN" not in content:
        raise ConfigurationError(f"{option}: the file has no PEM block")
    return content
