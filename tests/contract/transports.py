"""The contract of the transports, over a real socket: subclass it with a fixture `start`.

`TransportContract` is for all, `GrpcContract` adds what gRPC has more: refusals, health, a listener of our own.
`http_transports.py` adds what HTTP has more.
"""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, ClassVar

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from anycable_rpc import Cable, Channel, ConfigurationError, Connection, action
from anycable_rpc.errors import BindError
from anycable_rpc.protocol.messages import (
    CommandMessage,
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    DisconnectResponse,
    EnvResponse,
    Request,
    Response,
    Status,
)
from anycable_rpc.settings.model import Settings
from anycable_rpc.transports import protobuf as wire
from anycable_rpc.transports import threads
from anycable_rpc.transports.service import Service

from ..support.both_ways import async_twin, settings

METADATA = (("sid", "s1"), ("protov", "v1"))
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Gate:
    """Holds calls until it is opened, and counts those inside; `most` is how many were inside at a time."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()
        self.refusals: list[str] = []
        self.most = 0
        self._inside = 0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        self._count(1)
        self.entered.release()
        assert self.opened.wait(20)
        self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._inside += change
            self.most = max(self.most, self._inside)

    def wait_for(self, calls: int) -> None:
        for _ in range(calls):
            assert self.entered.acquire(timeout=10)


class LoopThread:
    """An event loop in a thread, for the asyncio server."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def __call__(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


class CallFailed(Exception):
    """A call that has no response; `code` is the status of gRPC or HTTP."""

    def __init__(self, code: str, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code


class Running:
    """A started server and a caller of it. `start` returns the server, with its `address`, and how to stop it."""

    def __init__(self, start: Callable[..., tuple[Any, Callable[[float], bool]]], gate: Gate, **values: Any) -> None:
        self.gate = gate
        self.server, self.stop = start(gate, settings(rpc_host="127.0.0.1:0", **values))
        self.address = self.server.address

    def call(self, method: str, request: Request | bytes, **options: Any) -> Response:
        """Return the response to a request, or to bytes that are none; raise CallFailed."""
        raise NotImplementedError

    def future(self, method: str, request: Request) -> Future[Response]:
        """Return the response that is to come."""
        raise NotImplementedError

    def late_code(self) -> str:
        """Call on new connections until such a call fails, and return its code."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class GrpcRunning(Running):
    """A gRPC server and a channel to it."""

    def __init__(self, *arguments: Any, **values: Any) -> None:
        super().__init__(*arguments, **values)
        self.channel = grpc.insecure_channel(self.address)

    def call(self, method: str, request: Request | bytes, **options: Any) -> Response:
        data = request if isinstance(request, bytes) else wire.encode_request(request)
        options = {"metadata": METADATA, "timeout": 10, **options}
        try:
            return wire.decode_response(method, unary(self.channel, method)(data, **options))
        except grpc.RpcError as error:
            raise _failed(error) from None

    def future(self, method: str, request: Request) -> Future[Response]:
        response: Future[Response] = Future()
        call = unary(self.channel, method).future(wire.encode_request(request), metadata=METADATA, timeout=20)

        def done(_: object) -> None:
            try:
                response.set_result(wire.decode_response(method, call.result()))
            except grpc.RpcError as error:
                response.set_exception(_failed(error))

        call.add_done_callback(done)
        return response

    def late_code(self) -> str:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                with grpc.insecure_channel(self.address) as late:
                    unary(late, "Connect")(b"", metadata=METADATA, timeout=5)
            except grpc.RpcError as error:
                return _failed(error).code
        raise AssertionError("late calls are answered")

    def close(self) -> None:
        self.channel.close()

    def turns_to(self, status: int) -> bool:
        deadline = time.monotonic() + 10
        while self.health("") != status and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.health("anycable.RPC") == status

    def health(self, service: str) -> int:
        stub: Any = health_pb2_grpc.HealthStub(self.channel)
        status: int = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status
        return status


def _failed(error: Any) -> CallFailed:
    return CallFailed(error.code().name, error.details())


def outcome(call: Callable[[], Response]) -> Status | str:
    """Return the status of a response, or the code of a call that fails."""
    try:
        return call().status
    except CallFailed as error:
        return error.code


def unary(channel: grpc.Channel, method: str) -> Any:
    return channel.unary_unary(f"/anycable.RPC/{method}")


def cable_of(gate: Gate, twin: Callable[[type[Any]], type[Any]], values: Any) -> Cable:
    class User(Connection):
        def connect(self) -> None:
            self.state["seen"] = self.query_params

    class Chat(Channel):
        @action
        def echo(self, text: str) -> None:
            self.transmit(text)

    return Cable(twin(User), [twin(Chat), slow(gate, twin)], settings=values)


def service_of(gate: Gate, twin: Callable[[type[Any]], type[Any]], values: Settings) -> Service:
    service = Service(cable_of(gate, twin, values), threads=values.rpc_pool_size)
    service.refusal_observers.append(lambda refusal: gate.refusals.append(refusal.status))
    return service


def slow(gate: Gate, twin: Callable[[type[Any]], type[Any]]) -> type[Channel]:
    class Slow(Channel):
        def subscribed(self) -> None:
            gate()

    class AsyncSlow(Channel):
        name = "Slow"

        async def subscribed(self) -> None:
            await asyncio.to_thread(gate)

    return AsyncSlow if twin is async_twin else Slow


WAIT = CommandMessage("subscribe", '{"channel":"Slow"}', "{}")


class TransportContract:
    """Cases that every transport passes. The attributes say in which words of its own."""

    running: ClassVar[type[Running]]
    garbage: ClassVar[Status | str]
    """The answer to bytes that are no request."""
    unknown_method: ClassVar[str]
    too_large: ClassVar[tuple[Status | str, ...]]
    """The answers to a request that is too large: anycable-go does not try again after them."""
    beyond_the_pool: ClassVar[Status | str]
    """The answer to a call while no place is free. SUCCESS if it waits for one."""

    @pytest.fixture
    def start(self) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def run(self, start: Any) -> Iterator[Callable[..., Any]]:
        started: list[Running] = []

        def run(**values: Any) -> Running:
            started.append(self.running(start, Gate(), **values))
            return started[-1]

        yield run
        for running in started:
            running.gate.opened.set()
            running.stop(5)
            running.close()

    def test_the_three_calls(self, run: Callable[..., Running]) -> None:
        server = run()

        connected = server.call("Connect", ConnectionRequest())
        performed = server.call(
            "Command", CommandMessage("message", '{"channel":"Chat"}', "{}", '{"action":"echo","text":"€"}')
        )
        gone = server.call("Disconnect", DisconnectRequest("{}", ('{"channel":"Chat"}',)))

        assert connected == ConnectionResponse(
            Status.SUCCESS, "{}", ('{"type":"welcome","sid":"s1"}',), env=EnvResponse({"seen": "{}"})
        )
        assert performed.transmissions == (  # type: ignore[union-attr]
            '{"identifier":"{\\"channel\\":\\"Chat\\"}","message":"€"}',
        )
        assert gone == DisconnectResponse(Status.SUCCESS)

    def test_a_caller_of_another_version_is_refused(self, run: Callable[..., Running]) -> None:
        response = run().call("Connect", ConnectionRequest(), metadata=())

        assert response.status is Status.ERROR

    def test_garbage_is_answered_and_the_next_call_is_served(self, run: Callable[..., Running]) -> None:
        server = run()

        assert outcome(lambda: server.call("Command", b"\xff" * 1000)) == self.garbage
        assert outcome(lambda: server.call("Connect", ConnectionRequest())) is Status.SUCCESS

    def test_an_unknown_method_is_unimplemented(self, run: Callable[..., Running]) -> None:
        server = run()

        assert outcome(lambda: server.call("Restore", b"")) == self.unknown_method

    def test_too_large_a_message_is_refused_and_the_next_is_served(
        self, run: Callable[..., Running], caplog: pytest.LogCaptureFixture
    ) -> None:
        server = run()
        huge = CommandMessage("message", "{}", "{}", "x" * 5_000_000)

        assert outcome(lambda: server.call("Command", huge)) in self.too_large
        assert "more than the 4194304 of rpc_max_call_send_size" in caplog.text.replace("bytes of", "of")
        assert outcome(lambda: server.call("Connect", ConnectionRequest())) is Status.SUCCESS

    def test_calls_beyond_the_pool_do_not_reach_user_code_before_a_place_is_free(
        self, run: Callable[..., Running]
    ) -> None:
        server = run(rpc_pool_size=2)
        inside = [server.future("Command", WAIT) for _ in range(2)]
        server.gate.wait_for(2)

        beyond = [server.future("Command", WAIT) for _ in range(20)]
        if self.beyond_the_pool is not Status.SUCCESS:
            wait(beyond, 10)  # refused while the places are taken
        server.gate.opened.set()

        assert {outcome(call.result) for call in beyond} == {self.beyond_the_pool}
        assert {outcome(call.result) for call in inside} == {Status.SUCCESS}
        assert outcome(lambda: server.call("Command", WAIT)) is Status.SUCCESS
        assert server.gate.most == 2

    def test_a_drain_ends_calls_and_takes_no_new_ones(self, run: Callable[..., Running]) -> None:
        server = run()
        inside = server.future("Command", WAIT)
        server.gate.wait_for(1)
        with ThreadPoolExecutor(1) as pool:
            stopping = pool.submit(server.stop, 10)
            code = server.late_code()
            server.gate.opened.set()
            drained = stopping.result(10)

        assert code == "UNAVAILABLE"  # anycable-go tries again
        assert inside.result(5).status is Status.SUCCESS
        assert drained

    def test_a_call_that_does_not_end_is_cut_when_the_time_is_over(self, run: Callable[..., Running]) -> None:
        server = run()
        inside = server.future("Command", WAIT)
        server.gate.wait_for(1)

        drained = server.stop(0.1)

        assert not drained
        assert isinstance(inside.exception(5), CallFailed)


class GrpcContract(TransportContract):
    """Cases that every gRPC server passes."""

    running = GrpcRunning
    garbage = Status.ERROR
    unknown_method = "UNIMPLEMENTED"
    too_large = (Status.ERROR, "INVALID_ARGUMENT")
    beyond_the_pool = "RESOURCE_EXHAUSTED"

    def test_calls_that_wait_for_a_thread_have_their_places_and_hold_up_no_health_check(
        self, run: Callable[..., GrpcRunning], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(threads, "next_size", lambda target, limit, share: target)
        server = run(rpc_pool_size=4)
        inside = [server.future("Command", WAIT) for _ in range(4)]
        server.gate.wait_for(2)

        refused = outcome(server.future("Command", WAIT).result)
        healthy = server.health("")
        server.gate.opened.set()

        assert refused == "RESOURCE_EXHAUSTED"
        assert healthy == SERVING
        assert all(call.result() for call in inside)

    def test_calls_beyond_the_pool_are_refused_before_user_code(self, run: Callable[..., GrpcRunning]) -> None:
        server = run(rpc_pool_size=2)
        inside = [server.future("Command", WAIT) for _ in range(2)]
        server.gate.wait_for(2)

        refused = [server.future("Command", WAIT) for _ in range(20)]
        reasons = {str(call.exception(10)) for call in refused}
        healthy = server.health("")
        server.gate.opened.set()

        assert len(reasons) == 1
        assert "rpc_concurrency" in reasons.pop()
        assert healthy == SERVING
        assert all(call.result(10) for call in inside)
        assert server.call("Command", WAIT)
        assert server.gate.entered.acquire(timeout=1)
        assert not server.gate.entered.acquire(blocking=False)

    def test_callbacks_that_never_return_turn_health_until_a_place_is_free(
        self, run: Callable[..., GrpcRunning], caplog: pytest.LogCaptureFixture
    ) -> None:
        server = run(rpc_pool_size=2, rpc_stuck_timeout=1)
        inside = [server.future("Command", WAIT) for _ in range(2)]
        server.gate.wait_for(2)

        refused = outcome(server.future("Command", WAIT).result)
        has_turned = server.turns_to(NOT_SERVING)
        server.gate.opened.set()

        assert refused == "RESOURCE_EXHAUSTED"
        assert has_turned
        assert server.turns_to(SERVING)
        assert all(call.result() for call in inside)
        assert "1 call was refused" in caplog.text
        assert server.gate.refusals == ["RESOURCE_EXHAUSTED"]

    def test_health_is_told_for_the_server_and_the_service(self, run: Callable[..., GrpcRunning]) -> None:
        server = run()

        assert (server.health(""), server.health("anycable.RPC")) == (SERVING, SERVING)
        with pytest.raises(grpc.RpcError) as error:
            server.health("other.Service")
        assert error.value.code() is grpc.StatusCode.NOT_FOUND

    def test_a_drain_turns_health_while_calls_end(self, run: Callable[..., GrpcRunning]) -> None:
        server = run()
        stub: Any = health_pb2_grpc.HealthStub(server.channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="anycable.RPC"), timeout=20)
        first = next(watch).status
        inside = server.future("Command", WAIT)
        server.gate.wait_for(1)
        with ThreadPoolExecutor(1) as pool:
            stopping = pool.submit(server.stop, 10)
            turned = next(watch).status
            began = time.monotonic()
            server.gate.opened.set()
            drained = stopping.result(10)

        assert (first, turned) == (SERVING, NOT_SERVING)
        assert inside.result(5).status is Status.SUCCESS
        assert drained
        assert time.monotonic() - began < 5  # the watcher does not hold it up

    def test_a_port_in_use_is_a_clear_error(self, run: Callable[..., GrpcRunning], start: Any) -> None:
        address = run().address

        with pytest.raises(BindError, match=f"cannot listen on {address}: Address already in use; .*--rpc-host"):
            start(Gate(), settings(rpc_host=address))

    def test_tls(self, start: Any, tmp_path: Path) -> None:
        certificate, key = self_signed(tmp_path)
        tls = settings(rpc_host="localhost:0", rpc_tls_cert=str(certificate), rpc_tls_key=key.read_text())
        server, stop = start(Gate(), tls)
        trusted = grpc.ssl_channel_credentials(certificate.read_bytes())
        with grpc.secure_channel(server.address, trusted) as channel:
            answer = unary(channel, "Connect")(b"", metadata=METADATA, timeout=10)
        with grpc.insecure_channel(server.address) as channel, pytest.raises(grpc.RpcError):
            unary(channel, "Connect")(b"", metadata=METADATA, timeout=10)
        stop(1)

        assert wire.decode_response("Connect", answer).status is Status.SUCCESS

    def test_tls_files_that_cannot_be_used_are_clear_errors(self, start: Any, tmp_path: Path) -> None:
        certificate, key = self_signed(tmp_path)
        garbage = tmp_path / "garbage"
        garbage.write_text("not PEM")
        for cert, private, said in (
            (str(tmp_path / "none"), str(key), "--rpc-tls-cert: the file cannot be read: No such file"),
            (str(certificate), str(garbage), "--rpc-tls-key: the file has no PEM block"),
            ("\0", str(key), "--rpc-tls-cert: the file cannot be read: not a file name"),
        ):
            with pytest.raises(ConfigurationError, match=said):
                start(Gate(), settings(rpc_host="127.0.0.1:0", rpc_tls_cert=cert, rpc_tls_key=private))


def started_on_a_loop(serve: Callable[[Gate, Settings], Any]) -> Iterator[Any]:
    """Yield a `start` for a server that lives on an event loop: `serve` makes it there."""
    loop = LoopThread()

    async def run(gate: Gate, values: Settings) -> Any:
        server = serve(gate, values)
        await server.start()
        return server

    def start(gate: Gate, values: Settings) -> Any:
        server = loop(run(gate, values))
        return server, lambda grace: loop(server.stop(grace))

    yield start
    loop.close()


class OutlivingContract(GrpcContract):
    """The same for `def` callbacks, which outlive a call that is cut."""

    def test_a_callback_beyond_its_deadline_is_named(
        self, run: Callable[..., Running], caplog: pytest.LogCaptureFixture
    ) -> None:
        server = run()

        with pytest.raises(CallFailed):
            server.call("Command", WAIT, timeout=0.2)

        assert_named(caplog)


def assert_named(caplog: pytest.LogCaptureFixture) -> None:
    """Wait until the callback at the gate is named in the log."""
    deadline = time.monotonic() + 10
    while "has not returned" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.05)

    assert "Slow.subscribed has not returned" in caplog.text
    assert "in subscribed" in caplog.text


def self_signed(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *files], check=True, capture_output=True)
    return certificate, key
