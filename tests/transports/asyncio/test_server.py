"""The asyncio engine: the contract of the transports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from anycable_rpc.protocol.messages import ConnectionRequest
from anycable_rpc.transports.asyncio import Server

from ...contract.transports import Gate, LoopThread, OutlivingContract, Running, TransportContract, service_of
from ...support.both_ways import async_twin


def on_a_loop(twin: Callable[[type[Any]], type[Any]]) -> Iterator[Any]:
    """Yield what starts the engine with the app that a twin makes."""
    loop = LoopThread()

    async def run(gate: Gate, values: Any) -> Server:
        server = Server(service_of(gate, twin, values))
        await server.start()
        return server

    def start(gate: Gate, values: Any) -> Any:
        server = loop(run(gate, values))
        return server, lambda grace: loop(server.stop(grace))

    yield start
    loop.close()


class TestAsyncioEngine(TransportContract):
    @pytest.fixture
    def start(self) -> Iterator[Any]:
        yield from on_a_loop(async_twin)

    def test_headers_that_are_too_large_are_refused(self, run: Callable[..., Running]) -> None:
        with pytest.raises(grpc.RpcError) as error:
            run().call("Connect", ConnectionRequest(), metadata=(("protov", "v1"), ("x", "y" * 20_000)))

        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


class TestAsyncioEngineOnThreads(OutlivingContract):
    @pytest.fixture
    def start(self) -> Iterator[Any]:
        yield from on_a_loop(lambda cls: cls)
