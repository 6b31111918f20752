"""The asyncio engine: the contract of the transports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from anycable_rpc.protocol.messages import ConnectionRequest
from anycable_rpc.transports.asyncio import Server

from ...contract.transports import GrpcContract, OutlivingContract, Running, outcome, service_of, started_on_a_loop
from ...support.both_ways import async_twin


class TestAsyncioEngine(GrpcContract):
    @pytest.fixture
    def start(self) -> Iterator[Any]:
        yield from started_on_a_loop(lambda gate, values: Server(service_of(gate, async_twin, values)))

    def test_headers_that_are_too_large_are_refused(self, run: Callable[..., Running]) -> None:
        server, long = run(), (("protov", "v1"), ("x", "y" * 20_000))

        assert outcome(lambda: server.call("Connect", ConnectionRequest(), metadata=long)) == "RESOURCE_EXHAUSTED"


class TestAsyncioEngineOnThreads(OutlivingContract):
    @pytest.fixture
    def start(self) -> Iterator[Any]:
        yield from started_on_a_loop(lambda gate, values: Server(service_of(gate, lambda cls: cls, values)))
