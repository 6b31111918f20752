"""A connection on the event loop, with a transport that only notes what is written."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from math import inf
from typing import Any

import pytest

from anycable_rpc.transports.asyncio.calls import CallQueue
from anycable_rpc.transports.asyncio.health import Health
from anycable_rpc.transports.asyncio.peer import Peer, ServerContext
from anycable_rpc.transports.http2 import frames
from anycable_rpc.transports.http2.budget import Budget
from anycable_rpc.transports.http2.limits import Limits

from ..http2.frames import ACKNOWLEDGED, CALL, HELLO, block, call, data, describe, framed, headers


class Transport:
    """A transport that keeps the bytes of the socket."""

    def __init__(self) -> None:
        self.written = b""
        self.is_reading = True
        self.is_closed = False
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def get_extra_info(self, name: str) -> None:
        """Return None: the connection has no TLS."""

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

    def get_write_buffer_size(self) -> int:
        return len(self.written)


class Service:
    """A service that returns its request."""

    is_async = True

    refusal_observers = ()

    class threads:  # noqa: N801 - as that of a real one
        busy = 0
        jobs = ()

    async def ahandle(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        if data == b"wrong":
            raise ValueError
        return data


def connected(limits: Limits | None = None, budget: Budget | None = None) -> tuple[Peer, Transport]:
    """Return a peer that has sent its greeting."""
    service: Any = Service()
    transport: Any = Transport()
    peer = Peer(
        ServerContext(
            calls=CallQueue(service, 2),
            health=Health(),
            limits=limits or Limits(),
            budget=budget or Budget(2**26),
            peers=set(),
            max_age=lambda: inf,
        )
    )
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
    assert describe(written)[-1] == "Headers 1 END_HEADERS END_STREAM"


def test_a_call_that_breaks_is_refused() -> None:
    async def main() -> bytes:
        peer, transport = connected()
        peer.data_received(HELLO + ACKNOWLEDGED + call(1, b"wrong"))
        async with asyncio.timeout(10):
            while b"grpc-status" not in transport.written:
                await asyncio.sleep(0)
        return transport.written

    assert describe(asyncio.run(main()))[-1] == "Headers 1 END_HEADERS END_STREAM"


def test_half_closed_connection_is_answered_and_then_closed() -> None:
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


def test_peer_that_does_not_read_is_not_read_and_finally_dropped() -> None:
    async def main() -> list[tuple[bool, bool]]:
        peer, transport = connected()
        seen: list[tuple[bool, bool]] = []

        def after(seconds: int) -> None:
            for _ in range(seconds):
                peer.tick()
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


def test_closing_does_not_wait_long_for_unread_bytes() -> None:
    async def main() -> list[bool]:
        peer, transport = connected()
        peer.close()
        seen = [transport.is_closed]
        for seconds in (10, 1):
            for _ in range(seconds):
                peer.tick()
            seen.append(transport.is_aborted)
        return seen

    assert asyncio.run(main()) == [True, False, True]


def test_calls_that_are_reset_in_the_same_read_take_no_place() -> None:
    async def main() -> bytes:
        peer, transport = connected()
        resets = [frames.reset(stream, frames.ErrorCode.CANCEL) for stream in (1, 3)]
        peer.data_received(b"".join([HELLO, ACKNOWLEDGED, call(1), call(3), call(5, b"served"), *resets]))
        async with asyncio.timeout(10):
            while b"grpc-status" not in transport.written:
                await asyncio.sleep(0)
        return transport.written

    assert framed(b"served") in asyncio.run(main())


UNKNOWN = {
    "a service": ({":path": "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"}, b"grpc-status\x0212"),
    "a method": ({":path": "/anycable.RPC/Restore"}, b"grpc-status\x0212"),
    "a content type": ({"content-type": "application/json"}, b":status\x03415"),
    "a verb": ({":method": "PUT"}, b":status\x03405"),
}


@pytest.mark.parametrize("unknown", UNKNOWN)
def test_unknown_calls_are_refused_after_their_headers_and_their_data_is_ignored(unknown: str) -> None:
    changed, answer = UNKNOWN[unknown]

    async def main() -> tuple[bytes, bytes]:
        peer, transport = connected()
        peer.data_received(HELLO + ACKNOWLEDGED + headers(1, block([*{**CALL, **changed}.items()])))
        await asyncio.sleep(0)
        refusal, transport.written = transport.written, b""
        for _ in range(200):
            peer.data_received(data(1, bytes(1000), 0))
        peer.data_received(data(1, b"the last") + call(3, b"hi"))
        async with asyncio.timeout(10):
            while b"grpc-status" not in transport.written:
                await asyncio.sleep(0)
        return refusal, transport.written

    refusal, later = asyncio.run(main())

    assert answer in refusal
    assert describe(refusal)[-1] in ("Data 1 END_STREAM", "Headers 1 END_HEADERS END_STREAM")
    assert framed(b"hi") in later
    assert "GoAway" not in str(describe(later))


def test_unread_answers_count_and_the_largest_connection_is_dropped() -> None:
    async def main() -> list[tuple[int, bool]]:
        budget = Budget(1000)
        seen: list[tuple[int, bool]] = []
        peers = [connected(budget=budget) for _ in range(2)]
        for (peer, transport), size in zip(peers, (400, 800), strict=True):
            peer.data_received(HELLO + ACKNOWLEDGED + call(1, b"x"))
            await asyncio.sleep(0.01)
            transport.written = bytes(size)
            peer.pause_writing()
            peer._answer(1, b"late")
            peer._connection._send_queue.add(b"more")
            peer._flush()
            seen.append((budget.held, transport.is_aborted))
        peers[0][0].resume_writing()
        seen.append((budget.held, peers[0][1].is_aborted))
        peers[1][0].connection_lost(None)
        return seen

    first, second, third = asyncio.run(main())

    assert first == (404, False)
    assert second == (404, True)
    assert third == (0, False)
