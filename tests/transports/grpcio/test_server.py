"""The servers on grpcio: the contract of the transports, and their options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from anycable_rpc.protocol.messages import ConnectionRequest
from anycable_rpc.transports.grpcio.server import AsyncServer, ThreadedServer, options

from ...contract.transports import (
    WAIT,
    CallFailed,
    Gate,
    GrpcContract,
    OutlivingContract,
    Running,
    outcome,
    service_of,
    started_on_a_loop,
)
from ...support.both_ways import async_twin, settings


class TestAsyncServerWithDefCallbacks(OutlivingContract):
    """One `async def` makes an async app; here the others are `def`, on threads."""

    @pytest.fixture
    def start(self) -> Iterator[Any]:
        yield from started_on_a_loop(lambda gate, values: AsyncServer(service_of(gate, lambda cls: cls, values)))

    def test_a_callback_that_outlives_its_call_keeps_its_place(self, run: Callable[..., Running]) -> None:
        server = run(rpc_pool_size=2)
        for _ in range(2):
            with pytest.raises(CallFailed):
                server.call("Command", WAIT, timeout=0.2)
        server.gate.wait_for(2)

        assert outcome(lambda: server.call("Connect", ConnectionRequest())) == "RESOURCE_EXHAUSTED"


class TestThreadedServer(OutlivingContract):
    @pytest.fixture
    def start(self) -> Any:
        def start(gate: Gate, values: Any) -> Any:
            server = ThreadedServer(service_of(gate, lambda cls: cls, values))
            server.start()
            return server, server.stop

        return start


class TestAsyncServer(GrpcContract):
    @pytest.fixture
    def start(self) -> Iterator[Any]:
        yield from started_on_a_loop(lambda gate, values: AsyncServer(service_of(gate, async_twin, values)))


class TestOptions:
    def test_anycable_gos_pings_are_no_abuse(self) -> None:
        arguments = dict(options(settings()))

        assert arguments["grpc.so_reuseport"] == 0
        assert arguments["grpc.keepalive_permit_without_calls"] == 1
        assert arguments["grpc.http2.min_recv_ping_interval_without_data_ms"] <= 10_000
        assert arguments["grpc.http2.min_ping_interval_without_data_ms"] <= 10_000
        assert arguments["grpc.max_connection_age_ms"] == 300_000

    def test_a_request_somewhat_too_large_is_read_to_say_so(self) -> None:
        asked = {size: dict(options(settings(rpc_max_call_send_size=size))) for size in (1000, 2**30 - 1)}

        assert [each["grpc.max_receive_message_length"] for each in asked.values()] == [4000, 2**31 - 1]

    def test_a_user_may_change_any(self) -> None:
        arguments = dict(
            options(settings(rpc_max_connection_age=0, rpc_server_args={"so_reuseport": 1, "grpc.x": "y"}))
        )

        assert (arguments["grpc.so_reuseport"], arguments["grpc.x"]) == (1, "y")
        assert "grpc.max_connection_age_ms" not in arguments
