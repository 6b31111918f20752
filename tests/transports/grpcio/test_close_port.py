"""Close the sockets of one port, and no others."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from anycable_rpc.transports.grpcio.close_port import close_port


class Pair:
    """A listener, and both ends of a connection to it."""

    def __init__(self, family: int, host: str) -> None:
        self.listener = socket.create_server((host, 0), family=family)
        self.address = self.listener.getsockname()[:2]
        self.client = socket.create_connection(self.address, 5)
        self.accepted, _ = self.listener.accept()
        self.port: int = self.address[1]

    def answers(self) -> bool:
        self.client.sendall(b"?")
        return self.accepted.recv(1) == b"?"

    def close(self) -> None:
        for end in (self.listener, self.client, self.accepted):
            end.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def pairs(request: pytest.FixtureRequest) -> Iterator[tuple[Pair, Pair]]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with ExitStack() as stack:
        both = []
        for _ in range(2):
            try:
                both.append(Pair(family, request.param))
            except OSError as error:
                pytest.skip(f"this machine has no {request.param}: {error.strerror}")
            stack.callback(both[-1].close)
        yield both[0], both[1]


def test_connections_end_and_new_ones_are_refused(pairs: tuple[Pair, Pair]) -> None:
    pair, other = pairs

    close_port(pair.port)

    assert pair.client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(pair.address, 5)
    assert other.answers()
    socket.create_connection(other.address, 5).close()


def test_the_descriptor_of_the_listener_stays_taken(pairs: tuple[Pair, Pair]) -> None:
    """The library closes this descriptor later, so that no other file may have it by then."""
    listener = pairs[0].listener.fileno()

    close_port(pairs[0].port)

    os.fstat(listener)
    assert not os.get_inheritable(listener)


def test_closing_twice_is_harmless(pairs: tuple[Pair, Pair]) -> None:
    close_port(pairs[0].port)
    close_port(pairs[0].port)

    assert pairs[1].answers()


def test_without_a_list_of_descriptors_nothing_is_closed(
    pairs: tuple[Pair, Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(path: str) -> list[str]:
        raise FileNotFoundError(path)

    monkeypatch.setattr(os, "listdir", missing)

    close_port(pairs[0].port)

    assert pairs[0].answers()


def test_no_descriptor_is_left_over(pairs: tuple[Pair, Pair]) -> None:
    before = os.listdir("/dev/fd")

    close_port(pairs[0].port)

    assert os.listdir("/dev/fd") == before
