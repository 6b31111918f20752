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
        self.is_reading = True
        self.is_closed = False
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def get_extra_info(self, name: str) -> None:
        """There is no TLS."""

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True


class Service:
    """Answers with what it was asked."""

    is_async = True

    class threads:  # noqa: N801 - as that of a real one
        busy = 0
        jobs = ()

    async def ahandle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        if data == b"wrong":
            raise ValueError
        return data


def connected() -> tuple[Peer, Transport]:
    """A peer that has been greeted."""
    service: Any = Service()
    transport: Any = Transport()
    peer = Peer(Shared(Calls(service, 2), Health(), Limits(), set(), lambda: inf))
    peer.connection_made(transport)
    transport.written = b""
    return peer, transport


def test_an_answer_that_is_ready_leaves_before_the_half_closed_connection_ends() -> None:
    async def main() -> tuple[bool, bytes]:
        peer, transport = connected()
        peer.data_received(HELLO + ACKNOWLEDGED + call(1, b"hi"))
        peer._answer(1, b"hi")  # which leaves with the end of the loop's turn
        assert not transport.written
        return peer.eof_received(), transport.written

    stays_open, written = asyncio.run(main())

    assert not stays_open
    assert framed(b"hi") in written
    assert said(written)[-1] == "Headers 1 END_HEADERS END_STREAM"


def test_a_call_that_breaks_is_refused() -> None:
    async def main() -> bytes:
        peer, transport = connected()
        peer.data_received(HELLO + ACKNOWLEDGED + call(1, b"wrong"))
        async with asyncio.timeout(10):
            while b"grpc-status" not in transport.written:
                await asyncio.sleep(0)
        return transport.written

    assert said(asyncio.run(main()))[-1] == "Headers 1 END_HEADERS END_STREAM"


def test_who_has_ended_his_half_is_answered_and_then_left() -> None:
    async def main() -> tuple[bool, list[bool], bytes]:
        peer, transport = connected()
        peer.data_received(HELLO + ACKNOWLEDGED + call(1, b"hi"))
        stays_open = peer.eof_received()
        closed = [transport.is_closed]
        async with asyncio.timeout(10):
            while not transport.is_closed:
                await asyncio.sleep(0)
        return stays_open, closed, transport.written

    stays_open, closed, written = asyncio.run(main())

    assert (stays_open, closed) == (True, [False])
    assert framed(b"hi") in written


def test_who_does_not_read_is_not_read_until_he_does_and_not_kept_for_long() -> None:
    async def main() -> list[tuple[bool, bool]]:
        peer, transport = connected()
        seen: list[tuple[bool, bool]] = []

        def after(seconds: int) -> None:
            for _ in range(seconds):
                peer.a_second_passed()
            seen.append((transport.is_reading, transport.is_aborted))

        peer.pause_writing()
        after(20)
        peer.resume_writing()
        after(1)
        peer.pause_writing()
        after(20)
        after(1)
        return seen

    assert asyncio.run(main()) == [(False, False), (True, False), (False, False), (False, True)]


def test_last_words_that_do_not_leave_are_not_waited_for_long() -> None:
    async def main() -> list[bool]:
        peer, transport = connected()
        peer.close()
        seen = [transport.is_closed]
        for seconds in (10, 1):
            for _ in range(seconds):
                peer.a_second_passed()
            seen.append(transport.is_aborted)
        return seen

    assert asyncio.run(main()) == [True, False, True]
