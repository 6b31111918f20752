"""The asyncio engine: the contract of the transports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from anycable_rpc.protocol.messages import ConnectionRequest
from anycable_rpc.transports.asyncio import Server

from ...contract.transports import OutlivingContract, Running, TransportContract, service_of, started_on_a_loop
from ...support.both_ways import async_twin


class TestAsyncioEngine(TransportContract):
    @pytest.fixture
    def start(self) -> Iterator[Any]:
        yield from started_on_a_loop(lambda gate, values: Server(service_of(gate, async_twin, values)))

    def test_headers_that_are_too_large_are_refused(self, run: Callable[..., Running]) -> None:
        with pytest.raises(grpc.RpcError) as error:
            run().call("Connect", ConnectionRequest(), metadata=(("protov", "v1"), ("x", "y" * 20_000)))

        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


class TestAsyncioEngineOnThreads(OutlivingContract):
    @pytest.fixture
    def start(self) -> Iterator[Any]:
        yield from started_on_a_loop(lambda gate, values: Server(service_of(gate, lambda cls: cls, values)))
