"""Close the sockets that a library has open at a port, when its own way does not fit.

grpcio ends calls as CANCELLED, and anycable-go does not retry those. It does retry when its connection is closed.
grpcio has no function for that, and does not hand out its sockets, so they are found among the process's descriptors.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from stat import S_ISSOCK

__all__ = ["close_port"]


def close_port(port: int) -> None:
    """Stop listening at a port, and then close the connections accepted there. Sockets of other ports stay.

    Nothing is closed where there is no /dev/fd (Linux and macOS have it).
    """
    # The library still owns the descriptors and will close them. A closed number could by then belong to another file,
    # so none is closed here: the listener's number gets a socket that never receives anything (dup2), and connections
    # are only shut down.
    with socket.socket(type=socket.SOCK_DGRAM) as quiet:
        _for_each(port, True, lambda number, _: os.dup2(quiet.fileno(), number, inheritable=False))
    _for_each(port, False, lambda _, connection: connection.shutdown(socket.SHUT_RDWR))


def _for_each(port: int, listens: bool, close: Callable[[int, socket.socket], object]) -> None:
    """Call `close` with the descriptor and a copy of each socket at the port that listens, or of each that does not."""
    for number in _socket_descriptors():
        with suppress(OSError), socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM) as copy:
            is_listener = copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if copy.getsockname()[1:2] == (port,) and bool(is_listener) is listens:
                close(number, copy)


def _socket_descriptors() -> Iterator[int]:
    with suppress(OSError):
        for number in map(int, os.listdir("/dev/fd")):
            with suppress(OSError):  # another thread may close a descriptor meanwhile
                if S_ISSOCK(os.fstat(number).st_mode):
                    yield number
