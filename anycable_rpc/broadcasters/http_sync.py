"""Kept connections to an HTTP server, for any thread."""

from __future__ import annotations

import socket
import ssl
import weakref
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import Any

from .http_messages import Answer, NotHTTP, read_answer
from .http_problems import about_exchange, about_opening
from .http_url import Target

__all__ = ["Connections"]

_AT_ONCE = 2**16
_SHORTEST = 0.001


class Connections:
    """Idle connections of one process; each may be used by any thread. They are closed when this object goes."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._idle: deque[socket.socket] = deque()
        weakref.finalize(self, _close_all, self._idle)

    def exchange(self, request: bytes, seconds: float) -> Answer:
        """Send a request and return its answer.

        Raises:
            NoResponse: there was none in time.
        """
        end = monotonic() + seconds
        connection = self._take() or self._open(end)
        try:
            answer = _exchange(connection, request, end)
        except BaseException:
            connection.close()
            raise
        if answer.is_reusable:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def fetch(self, request: bytes, seconds: float, limit: int) -> tuple[int, bytes]:
        """Send a GET request. Return the status, and at most `limit` bytes of the body.

        Raises:
            NoResponse: there was no answer in time.
        """
        from http.client import HTTPException, HTTPResponse

        end = monotonic() + seconds
        with self._open(end) as connection:
            try:
                connection.settimeout(_left(end))
                connection.sendall(request)
                with HTTPResponse(connection, method="GET") as response:
                    response.begin()
                    return response.status, response.read(limit)
            except (OSError, HTTPException) as error:
                raise about_exchange(error, is_sent=True) from error

    def close(self) -> None:
        """Close the idle connections. The next request opens a new one."""
        _close_all(self._idle)

    def _take(self) -> socket.socket | None:
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if _is_open(connection):
                    return connection
                connection.close()
        return None

    def _open(self, end: float) -> socket.socket:
        try:
            connection = self._connect(end)
            return self._secure(connection, end)
        except (OSError, UnicodeError) as error:
            raise about_opening(error) from error

    def _connect(self, end: float) -> socket.socket:
        target = self._target
        found = socket.getaddrinfo(target.host, target.port, 0, socket.SOCK_STREAM)
        for place, (family, kind, protocol, _, address) in enumerate(found):
            try:
                connection = socket.socket(family, kind, protocol)
                return _connected(connection, address, _left(end) / (len(found) - place))
            except OSError:
                if place == len(found) - 1:
                    raise
        raise socket.gaierror(socket.EAI_NONAME, "no address")

    def _secure(self, connection: socket.socket, end: float) -> socket.socket:
        if self._target.tls is None:
            return connection
        try:
            connection.settimeout(_left(end))
            return self._target.tls.wrap_socket(connection, server_hostname=self._target.name_in_certificate)
        except BaseException:
            connection.close()
            raise


def _connected(connection: socket.socket, address: Any, seconds: float) -> socket.socket:
    try:
        connection.settimeout(seconds)
        connection.connect(address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


def _exchange(connection: socket.socket, request: bytes, end: float) -> Answer:
    is_sent = False
    try:
        # A server may refuse a large request, and close, before it has read it all.
        with suppress(ConnectionError, ssl.SSLEOFError):
            _send(connection, request, end)
        is_sent = True
        return _receive(connection, end)
    except (OSError, NotHTTP) as error:
        raise about_exchange(error, is_sent) from error


def _send(connection: socket.socket, request: bytes, end: float) -> None:
    """Send everything. With TLS, `sendall` would give each record the time that is meant for all."""
    unsent = memoryview(request)
    while unsent:
        connection.settimeout(_left(end))
        unsent = unsent[connection.send(unsent) :]


def _receive(connection: socket.socket, end: float) -> Answer:
    received = b""
    answer = None
    while answer is None:
        connection.settimeout(_left(end))
        some = connection.recv(_AT_ONCE)
        if not some:
            raise ConnectionError("closed")
        received += some
        answer = read_answer(received)
    return answer


def _left(end: float) -> float:
    return max(_SHORTEST, end - monotonic())


def _is_open(connection: socket.socket) -> bool:
    """Return whether the server keeps the connection open. An idle connection that has something to read has ended."""
    connection.settimeout(0)
    try:
        connection.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


def _close_all(connections: deque[socket.socket]) -> None:
    with suppress(IndexError):
        while True:
            connections.pop().close()
