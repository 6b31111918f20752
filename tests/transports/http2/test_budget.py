"""The budget of all connections: the largest one drops bytes when it is used up."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from anycable_rpc.transports.asyncio.heap import trim
from anycable_rpc.transports.http2.budget import Budget
from anycable_rpc.transports.http2.connection import H2Connection
from anycable_rpc.transports.http2.events import CompleteRequest
from anycable_rpc.transports.http2.frames import PREFACE, Type, frame
from anycable_rpc.transports.http2.grpc_framing import HEADERS, OK
from anycable_rpc.transports.http2.limits import Limits

from .frames import ACKNOWLEDGED, HELLO, block, call, data, describe, framed, headers, resized


def connection(budget: Budget, hello: bytes = HELLO + ACKNOWLEDGED) -> H2Connection:
    """Return a connection with this budget, after its greeting."""
    one = H2Connection(Limits(), budget)
    one.receive(hello)
    one.take()
    return one


def unfinished(stream: int, size: int) -> bytes:
    return headers(stream) + data(stream, framed(bytes(10_000))[:size], 0)


def refused(one: H2Connection) -> list[int]:
    return [event.stream for event in one.tick() if isinstance(event, CompleteRequest) and event.is_too_large]


def test_largest_request_of_largest_connection_is_refused() -> None:
    budget = Budget(10_000)
    modest, greedy = connection(budget), connection(budget)
    greedy.receive(unfinished(1, 2000) + unfinished(3, 5000) + unfinished(5, 900))
    modest.receive(unfinished(1, 3000))

    assert budget.held <= budget.limit
    assert (refused(modest), refused(greedy)) == ([], [3])


def test_any_number_of_connections_keep_no_more_than_the_budget() -> None:
    budget = Budget(100_000)
    peers = [connection(budget) for _ in range(30)]
    for _ in range(5):
        for one in peers:
            highest = one.streams.highest
            one.receive(b"".join(unfinished(highest + 2 * place, 9000) for place in range(1, 3)))
            assert budget.held <= budget.limit

    assert sum(len(found.body) for one in peers for found in one.streams.open.values()) <= budget.limit


def test_abandoned_connection_frees_its_bytes() -> None:
    budget = Budget(100_000)
    peers = [connection(budget) for _ in range(3)]
    for one in peers:
        one.receive(unfinished(1, 9000) + headers(3, block()[:9], 0))
    held = budget.held
    for one in peers:
        one.abandon()

    assert held > 27_000
    assert budget.held == 0
    assert not any(one.streams.open or one._block for one in peers)


def test_headers_alone_count() -> None:
    budget = Budget(10_000)
    one = connection(budget)
    events = one.receive(b"".join(headers(stream) for stream in range(1, 201, 2)))

    assert budget.held <= budget.limit
    assert len(events) > 60


def test_incomplete_header_block_counts() -> None:
    budget = Budget(50_000)
    peers = [connection(budget) for _ in range(6)]
    for one in peers:
        one.receive(headers(1, block(), 0) + frame(Type.CONTINUATION, 0, 1, b"x" * 10_000))

    assert [one.is_closed for one in peers].count(True) == 2
    assert budget.held <= budget.limit


@pytest.mark.parametrize("others", [0, 3000])
def test_unread_answer_counts_and_is_reset(others: int) -> None:
    budget = Budget(10_000)
    modest, greedy = connection(budget), connection(budget, PREFACE + resized(0) + ACKNOWLEDGED)
    modest.receive(unfinished(1, others) if others else b"")
    greedy.receive(call(1) + call(3))
    for stream, size in ((1, 6000), (3, 7000)):
        greedy.respond(stream, HEADERS, bytes(size), OK)

    assert describe(greedy.take())[-1] == "RstStream 3 ENHANCE_YOUR_CALM"
    assert budget.held <= budget.limit
    assert refused(modest) == []


def test_fall_is_reported_once() -> None:
    budget = Budget(100_000)
    one = connection(budget)
    one.receive(unfinished(1, 9000))
    before = budget.has_fallen(5000)
    one.abandon()

    assert (before, budget.has_fallen(5000), budget.has_fallen(5000)) == (False, True, False)


def test_memory_is_trimmed_if_the_c_library_can(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = list[int]()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(malloc_trim=calls.append))
    trim()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    trim()

    assert calls == [0]


def test_complete_request_is_not_kept() -> None:
    budget = Budget(10_000)
    one = connection(budget)
    one.receive(unfinished(1, 5000))
    held = budget.held
    one.receive(data(1, framed(bytes(10_000))[5000:]))

    assert (held > 5000, budget.held) == (True, 0)
