"""The ASGI app: the contracts, and the cases of ASGI."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from anycable_rpc import Cable, Channel, ConfigurationError, Connection
from anycable_rpc.protocol.messages import ConnectionRequest, Status
from anycable_rpc.transports.http import ASGIApp, caller

from ...contract.http_transports import KEY, HttpContract, HttpRunning, post_chunked
from ...contract.transports import WAIT, CallFailed, assert_named, cable_of, outcome, started_on_a_loop
from ...support.both_ways import async_twin, settings
from ...support.http_servers import AsgiServer


class TestASGI(HttpContract):
    @pytest.fixture
    def start(self) -> Iterator[Any]:
        yield from started_on_a_loop(lambda gate, values: AsgiServer(cable_of(gate, async_twin, values).asgi()))

    @pytest.mark.parametrize(("size", "status"), [(2000, 200), (2001, 413), (8001, 413)])
    def test_a_body_without_a_length_has_the_same_limit(
        self, run: Callable[..., HttpRunning], size: int, status: int
    ) -> None:
        assert post_chunked(run(rpc_max_call_send_size=2000), size) == status


class TestASGIOnThreads(HttpContract):
    @pytest.fixture
    def start(self) -> Iterator[Any]:
        yield from started_on_a_loop(lambda gate, values: AsgiServer(cable_of(gate, lambda cls: cls, values).asgi()))

    def test_a_callback_that_outlives_its_caller_is_named_in_the_log(
        self, run: Callable[..., HttpRunning], caplog: pytest.LogCaptureFixture
    ) -> None:
        server = run()

        for _ in range(2):
            with pytest.raises(CallFailed):
                server.call("Command", WAIT, timeout=0.2)

        assert_named(caplog)
        assert outcome(lambda: server.call("Connect", ConnectionRequest())) is Status.SUCCESS


class Hangs(Connection):
    entered = cancelled = 0

    async def connect(self) -> None:
        Hangs.entered += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            Hangs.cancelled += 1
            raise


HEADERS = [(b"authorization", f"Bearer {KEY}".encode()), (b"x-anycable-meta-protov", b"v1")]
SCOPE = {"type": "http", "method": "POST", "path": "/connect", "headers": HEADERS}
GONE = {"type": "http.disconnect"}
FOR_NOBODY = [
    {"type": "http.response.start", "status": 499, "headers": [(b"content-length", b"0")]},
    {"type": "http.response.body", "body": b""},
]


def app_of(connection: type[Connection] = Connection, **values: Any) -> ASGIApp:
    return Cable(connection, settings=settings(**{"http_rpc_secret": KEY, **values})).asgi()


class Caller:
    """A server's side of an ASGI call: `receive` returns what is given, and then never returns."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.sent: list[Any] = []
        self._messages = [*messages]

    async def receive(self) -> Any:
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def calls(self, app: ASGIApp, scope: dict[str, Any] = SCOPE) -> list[Any]:
        await app(scope, self.receive, self.send)
        return self.sent


def body(data: bytes, **more: Any) -> dict[str, Any]:
    return {"type": "http.request", "body": data, **more}


class TestMessages:
    def test_a_body_may_come_in_pieces(self) -> None:
        pieces = [body(b"{", more_body=True), {"type": "http.request", "more_body": True}, body(b"}")]

        sent = asyncio.run(Caller(*pieces).calls(app_of()))

        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        assert sent[0]["status"] == 200
        assert dict(sent[0]["headers"])[b"content-length"] == str(len(sent[1]["body"])).encode()

    def test_a_caller_that_goes_before_the_body_has_come_calls_nothing(self) -> None:
        assert asyncio.run(Caller(body(b"{", more_body=True), GONE).calls(app_of())) == FOR_NOBODY

    def test_a_call_is_cancelled_when_its_caller_goes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(caller, "_LISTEN_AFTER", 0)
        before = Hangs.cancelled

        sent = asyncio.run(Caller(body(b"{}"), body(b""), GONE).calls(app_of(Hangs)))

        assert sent == FOR_NOBODY
        assert Hangs.cancelled == before + 1

    def test_a_caller_that_goes_while_it_waits_for_a_place_reaches_no_user_code(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(caller, "_LISTEN_AFTER", 0)
        before = Hangs.entered
        app = app_of(Hangs, rpc_pool_size=1)

        async def both() -> list[Any]:
            first = asyncio.create_task(Caller(body(b"{}")).calls(app))
            while Hangs.entered == before:
                await asyncio.sleep(0)
            second = await Caller(body(b"{}"), GONE).calls(app)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            return second

        assert asyncio.run(both()) == FOR_NOBODY
        assert Hangs.entered == before + 1

    def test_an_answer_for_nobody_is_no_error(self) -> None:
        async def refuse(message: Any) -> None:
            raise OSError("the client has gone")

        caller = Caller(body(b"{}"))
        caller.send = refuse  # type: ignore[method-assign]

        assert asyncio.run(caller.calls(app_of())) == []

    def test_a_server_that_never_says_the_end_does_not_hold_up_the_event_loop(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Patient(Connection):
            async def connect(self) -> None:
                for _ in range(10):
                    await asyncio.sleep(0)

        class Chatty(Caller):
            received = 0

            async def receive(self) -> Any:
                self.received += 1
                assert self.received < 100
                return body(b"{}")

        monkeypatch.setattr(caller, "_LISTEN_AFTER", 0)
        chatty = Chatty()

        sent = asyncio.run(chatty.calls(app_of(Patient)))

        assert sent[0]["status"] == 200
        assert 1 < chatty.received < 100

    def test_an_event_loop_that_has_ended_is_not_kept(self) -> None:
        class Slow(Connection):
            async def connect(self) -> None:
                await asyncio.sleep(0)

        app = app_of(Slow, rpc_pool_size=1)

        async def crowd() -> weakref.ref[Any]:
            await asyncio.gather(*(Caller(body(b"{}")).calls(app) for _ in range(3)))
            return weakref.ref(asyncio.get_running_loop())

        first, _ = asyncio.run(crowd()), asyncio.run(crowd())
        gc.collect()

        assert first() is None

    def test_calls_on_several_event_loops(self) -> None:
        app = app_of(rpc_pool_size=1)

        sent = [asyncio.run(Caller(body(b"{}")).calls(app)) for _ in range(3)]

        assert [messages[0]["status"] for messages in sent] == [200] * 3

    def test_calls_on_event_loops_that_live_at_the_same_time(self) -> None:
        app = app_of()

        with asyncio.Runner() as first, asyncio.Runner() as second:
            sent = [runner.run(Caller(body(b"{}")).calls(app)) for runner in (first, second, first)]

        assert [messages[0]["status"] for messages in sent] == [200] * 3

    def test_the_lifespan_is_completed_where_a_server_runs_the_app_alone(self) -> None:
        phases = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

        sent = asyncio.run(Caller(*phases).calls(app_of(), {"type": "lifespan"}))

        assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]

    def test_a_websocket_is_closed(self) -> None:
        sent = asyncio.run(Caller({"type": "websocket.connect"}).calls(app_of(), {"type": "websocket"}))

        assert sent == [{"type": "websocket.close"}]


class TestKey:
    @pytest.mark.parametrize("values", [{}, {"secret": "none"}, {"secret": "s" * 32, "http_rpc_secret": "none"}])
    def test_an_app_without_a_key_is_an_error(self, values: dict[str, str]) -> None:
        cable = Cable(Connection, settings=settings(**values))

        for make in (cable.asgi, cable.wsgi):
            with pytest.raises(ConfigurationError, match="set ANYCABLE_SECRET or ANYCABLE_HTTP_RPC_SECRET"):
                make()

    def test_insecure_lets_everybody_in_only_where_there_is_no_key(self) -> None:
        anonymous = {**SCOPE, "headers": [(b"x-anycable-meta-protov", b"v1")]}
        cables = [Cable(Connection, settings=settings(**values)) for values in ({}, {"http_rpc_secret": KEY})]

        sent = [asyncio.run(Caller(body(b"{}")).calls(cable.asgi(insecure=True), anonymous)) for cable in cables]

        assert [messages[0]["status"] for messages in sent] == [200, 401]

    @pytest.mark.parametrize(
        ("key", "authorization", "status"),
        [(f"{KEY} \t", f"Bearer {KEY}", 200), (" ", "Bearer", 401), (f" {KEY}", f"Bearer {KEY}", 401)],
    )
    def test_spaces_at_the_end_of_a_key_do_not_count_since_http_has_none(
        self, key: str, authorization: str, status: int
    ) -> None:
        scope = {**SCOPE, "headers": [(b"authorization", authorization.encode()), *HEADERS[1:]]}

        sent = asyncio.run(Caller(body(b"{}")).calls(app_of(http_rpc_secret=key), scope))

        assert sent[0]["status"] == status


class TestColours:
    def test_the_channels_of_an_app_may_be_of_both_kinds(self) -> None:
        class Both(Channel):
            async def subscribed(self) -> None:
                await asyncio.sleep(0)
                self.stream_from("both")

        cable = Cable(Connection, [Both], settings=settings(http_rpc_secret=KEY))
        request = b'{"command":"subscribe","identifier":"{\\"channel\\":\\"Both\\"}","connection_identifiers":"{}"}'

        sent = asyncio.run(Caller(body(request)).calls(cable.asgi(), {**SCOPE, "path": "/command"}))

        assert b'"streams":["both"]' in sent[1]["body"]
