"""Closing what a library has open at a port, when its own way does not fit.

gRPC ends calls as CANCELLED, which anycable-go does not try again; it does when its connection is closed.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from stat import S_ISSOCK

__all__ = ["close_port"]


def close_port(port: int) -> None:
    """Stop listening at the port, and then close the connections accepted there; other sockets stay.

    The library keeps its descriptors: in place of the listener it has a socket where nothing ever comes. Without
    /dev/fd (Linux and macOS have it) nothing is closed.
    """
    with socket.socket(type=socket.SOCK_DGRAM) as quiet:
        _each_at(port, True, lambda number, _: os.dup2(quiet.fileno(), number, inheritable=False))
    _each_at(port, False, lambda _, connection: connection.shutdown(socket.SHUT_RDWR))


def _each_at(port: int, listens: bool, close: Callable[[int, socket.socket], object]) -> None:
    for number in _descriptors():
        with suppress(OSError), socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM) as copy:
            is_listener = copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if copy.getsockname()[1:2] == (port,) and bool(is_listener) is listens:
                close(number, copy)


def _descriptors() -> Iterator[int]:
    """Those of sockets."""
    with suppress(OSError):
        for number in map(int, os.listdir("/dev/fd")):
            with suppress(OSError):  # others close some meanwhile
                if S_ISSOCK(os.fstat(number).st_mode):
                    yield number
