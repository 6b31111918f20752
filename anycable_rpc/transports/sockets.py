"""Where the RPC server listens and with which certificate, whichever engine serves."""

from __future__ import annotations

import socket
from contextlib import suppress
from errno import EACCES, EADDRINUSE
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BindError, ConfigurationError

if TYPE_CHECKING:
    from ..settings.model import Settings

__all__ = ["check_free", "key_pair", "listeners"]

_BACKLOG = 1024
_WHY = (OSError, UnicodeError)


def check_free(address: str, shared: bool = False) -> None:
    """Let the system say why nobody can listen on HOST:PORT.

    Raises:
        BindError: it does.
    """
    try:
        for listener in _bound(address, shared):
            listener.close()
    except _WHY as error:
        raise _bind_error(address, error) from None


def listeners(address: str, shared: bool = False) -> list[socket.socket]:
    """Sockets that listen on HOST:PORT, one for each address that the host has; a port of 0 is chosen, for all.

    A `shared` port may be listened on by another process that shares it too.

    Raises:
        BindError: the system refuses it.
    """
    try:
        bound = _bound(address, shared)
        for listener in bound:
            listener.listen(_BACKLOG)
    except _WHY as error:
        raise _bind_error(address, error) from None
    return bound


def _bind_error(address: str, error: BaseException) -> BindError:
    reason = error.strerror if isinstance(error, OSError) else "not a host name"
    return BindError(f"cannot listen on {address}: {reason}; choose another address with --rpc-host")


def _bound(address: str, shared: bool) -> list[socket.socket]:
    host, _, port = address.rpartition(":")
    bound: list[socket.socket] = []
    refusals: list[OSError] = []
    wanted = int(port)
    for family, kind, _, _, place in socket.getaddrinfo(host.strip("[]"), wanted, type=socket.SOCK_STREAM):
        try:
            bound.append(_bind(family, kind, (place[0], wanted, *place[2:]), shared))
            wanted = bound[0].getsockname()[1]
        except OSError as error:
            refusals.append(error)
    fatal = [error for error in refusals if error.errno in (EADDRINUSE, EACCES)]
    if fatal or not bound:  # of a name's addresses one is enough: a container has no ::1
        for listener in bound:
            listener.close()
        raise (fatal or refusals)[0]
    return bound


def _bind(family: int, kind: int, place: Any, shared: bool) -> socket.socket:
    # asyncio sets TCP_NODELAY only on a socket that names its protocol; without it every second frame waits 40 ms
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            with suppress(OSError):
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, place[0] != "::")
        listener.bind(place)
    except OSError:
        listener.close()
        raise
    return listener


def key_pair(settings: Settings) -> tuple[bytes, bytes] | None:
    """The private key and the certificate as PEM, if TLS is wanted.

    Raises:
        ConfigurationError: one of the two is missing, or no PEM.
    """
    key, certificate = settings.rpc_tls_key, settings.rpc_tls_cert
    if not key and not certificate:
        return None
    if not key or not certificate:
        raise ConfigurationError("TLS needs both: set --rpc-tls-cert and --rpc-tls-key")
    return _pem(key.get_secret_value(), "--rpc-tls-key"), _pem(certificate, "--rpc-tls-cert")


def _pem(value: str, option: str) -> bytes:
    """A PEM text, or the file that has one."""
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
