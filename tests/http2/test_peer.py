"""A connection on the loop, with a transport that only notes what is written."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from math import inf
from typing import Any

from anycable_rpc.http2.calls import Calls
from anycable_rpc.http2.health import Health
from anycable_rpc.http2.limits import Limits
from anycable_rpc.http2.peer import Peer, Shared

from .frames import ACKNOWLEDGED, HELLO, call, framed, said


class Transport:
    """What a socket would get."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def get_extra_info(self, name: str) -> None:
        """There is no TLS."""

    def is_closing(self) -> bool:
        return False


class Service:
    """Answers with what it was asked."""

    is_async = True

    class threads:  # noqa: N801 - as that of a real one
        busy = 0

    async def ahandle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        return data


def test_an_answer_that_is_ready_leaves_before_the_half_closed_connection_ends() -> None:
    async def main() -> tuple[bool, bytes]:
        service: Any = Service()
        transport: Any = Transport()
        peer = Peer(Shared(Calls(service, 2), Health(), Limits(), set(), lambda: inf))
        peer.connection_made(transport)
        transport.written = b""
        peer.data_received(HELLO + ACKNOWLEDGED + call(1, b"hi"))
        peer._answer(1, b"hi")  # which leaves with the end of the loop's turn
        assert not transport.written
        return peer.eof_received(), transport.written

    stays_open, written = asyncio.run(main())

    assert not stays_open
    assert framed(b"hi") in written
    assert said(written)[-1] == "Headers 1 END_HEADERS END_STREAM"
