"""The start and the end of sessions, on the gateway and on anycable-go."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from time import monotonic, time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from anycable_rpc.protocol.messages import (
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    Env,
    EnvResponse,
    Status,
)

from .client import Client
from .scripted import PATIENCE, ScriptedApp
from .servers import Serve, Server, running_gateway
from .verdicts import SECRET, token

GONE_REMOTELY = [{"type": "disconnect", "reason": "remote", "reconnect": True}]
TOKEN = f"jid={token()}"


# Connect


def test_connect_is_asked_with_url_and_headers(serve: Serve) -> None:
    server = serve(headers=("cookie", "origin", "x-one"))
    headers = [("Cookie", "a=1"), ("Origin", "http://x"), ("X-One", "1"), ("X-One", "2"), ("X-Two", "3")]
    with server.welcomed("b=%20", headers=headers):
        env = Env(
            f"http://{server.address}/cable?b=%20",
            {"cookie": "a=1", "origin": "http://x", "x-one": "1", "REMOTE_ADDR": "127.0.0.1"},
        )
        assert server.app.requests("Connect") == [ConnectionRequest(env)]


@pytest.mark.parametrize("identifiers", ['{"a":1}', "", "not JSON", '{"a": "\u2028<é>"}'])
def test_the_app_says_who_it_is(serve: Serve, identifiers: str) -> None:
    connect = ConnectionResponse(
        Status.SUCCESS, identifiers, ("one", '{"two": 2}'), env=EnvResponse({"c": "1", "gone": ""}, {"i": "1"})
    )
    server = serve(ScriptedApp(connect))
    with server.client() as client:
        assert [client.raw(), client.raw()] == ["one", '{"two": 2}']
        client.subscribe("A")
        client.pending()

    request = server.app.requests("Command")[0]
    assert request.connection_identifiers == identifiers
    assert (request.env.cstate, request.env.istate) == ({"c": "1"}, {})


REFUSALS: dict[str, tuple[ConnectionResponse, int, int, str]] = {
    "failure": (ConnectionResponse(Status.FAILURE, "x", ('{"type":"disconnect"}',)), 1, 1000, "Auth Failed"),
    "bare failure": (ConnectionResponse(Status.FAILURE), 0, 1000, "Auth Failed"),
    "error": (ConnectionResponse(Status.ERROR, "x", ("dropped",), "why"), 0, 1011, "Auth Error"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_the_app_refuses(serve: Serve, name: str) -> None:
    connect, frames, code, reason = REFUSALS[name]
    app = ScriptedApp(connect)
    server = serve(app)
    with server.client() as client:
        sent, *close = client.last_words()

    assert (len(sent), close) == (frames, [code, reason])
    app.connect = ConnectionResponse(Status.SUCCESS, "{}", ('{"type":"welcome"}',))
    with server.welcomed():
        pass
    assert len(app.wait_for("Disconnect")) == 1


def test_an_app_that_fails_is_an_error(serve: Serve) -> None:
    app = ScriptedApp()
    app.connect = None  # type: ignore[assignment]
    with serve(app).client() as client:
        assert client.last_words() == ([], 1011, "Auth Error")


def test_header_that_is_not_utf_8_is_an_error(serve: Serve) -> None:
    server = serve()
    host, _, port = server.address.partition(":")
    request = [
        b"GET /cable HTTP/1.1",
        b"Host: x",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        b"Cookie: a=\xff",
    ]
    with socket.create_connection((host, int(port)), PATIENCE) as client, client.makefile("rb") as answer:
        client.sendall(b"\r\n".join([*request, b"", b""]))
        while answer.readline() != b"\r\n":
            pass
        assert answer.read(14) == b"\x88\x0c" + (1011).to_bytes(2, "big") + b"Auth Error"
    assert server.app.calls == []


def test_commands_wait_for_the_welcome(serve: Serve) -> None:
    app = ScriptedApp(connect_waits=True)
    server = serve(app)
    with server.client() as client:
        identifier = client.subscribe("A")
        app.wait_for("Connect")
        assert app.requests("Command") == []
        app.released.set()
        assert client.next() == {"type": "welcome"}
        assert client.pending() == [{"identifier": identifier, "type": "confirm_subscription"}]


def test_client_that_leaves_during_connect_is_disconnected_after_it(serve: Serve) -> None:
    app = ScriptedApp(connect_waits=True)
    server = serve(app)
    with server.client() as client:
        app.wait_for("Connect")
        client.hang_up()
    assert app.requests("Disconnect") == []
    app.released.set()
    assert app.wait_for("Disconnect")[0].identifiers == '{"from":"rpc"}'


# Disconnect


def test_disconnect_says_what_there_was(serve: Serve) -> None:
    server = serve()
    with server.welcomed("a=1", headers={"Cookie": "x=1"}) as client:
        a = client.subscribe("A", cstate={"c": "1"}, istate={"k": "v", "arr": "[1]"})
        b = client.subscribe("B")
        gone = client.subscribe("C", subscribe={"istate": {"x": "1"}}, unsubscribe={})
        client.send("unsubscribe", gone)
        client.subscribe("D", status="FAILURE")
        client.pending()

    (request,) = server.app.wait_for("Disconnect")
    assert isinstance(request, DisconnectRequest)
    assert request.identifiers == '{"from":"rpc"}'
    assert sorted(request.subscriptions) == sorted([a, b])
    headers = {"cookie": "x=1", "REMOTE_ADDR": "127.0.0.1"}
    istate = {a: '{"arr":"[1]","k":"v"}'}
    assert request.env == Env(f"http://{server.address}/cable?a=1", headers, {"c": "1"}, istate)


Step = tuple[str, dict[str, Any]]

HANGS = pytest.mark.since((1, 6), "after an ERROR to subscribe the session hears of no other command")

HEARD_OF: list[Any] = [
    ("rpc", [], True),
    ("token", [], False),
    ("token", [("A", {})], True),
    ("token", [("A", {"status": "FAILURE"})], True),
    pytest.param("token", [("A", {"status": "ERROR"})], False, marks=HANGS),
    ("token", [("$pubsub", {})], False),
    ("token", [("A", {"disconnect": True})], False),
    ("token", [("A", {"unsubscribe": {}}), ("-A", {"unsubscribe": {}})], True),
]


@pytest.mark.parametrize(("way", "steps", "is_heard"), HEARD_OF)
def test_disconnect_is_called_for_sessions_that_concern_the_app(
    serve: Serve, way: str, steps: list[Step], is_heard: bool
) -> None:
    server = serve(jwt_secrets=(SECRET,), public_streams=True)
    play(server, way, steps)
    with server.welcomed(headers={"X-Request-ID": "last"}):
        pass
    server.app.wait_for("Disconnect", 2 if is_heard else 1)

    heard = [call.metadata["sid"] for call in server.app.calls if call.method == "Disconnect"]
    assert sorted(heard) == ["first", "last"] if is_heard else heard == ["last"]


def play(server: Server, way: str, steps: list[Step]) -> None:
    with server.welcomed(TOKEN if way == "token" else "", headers={"X-Request-ID": "first"}) as client:
        for channel, answer in steps:
            command = "unsubscribe" if channel.startswith("-") else "subscribe"
            params = {"channel": channel.strip("-"), "stream_name": "s", "answer": answer}
            client.send(command, json.dumps(params))
            if answer.get("disconnect"):
                client.last_words()
                return
        _see_that_all_is_done(client)


def _see_that_all_is_done(client: Client) -> None:
    """Subscribe to a stream of the server's own, for which the app is not called."""
    last = json.dumps({"channel": "$pubsub", "stream_name": "last"})
    client.send("subscribe", last)
    while client.next()["identifier"] != last:
        pass


@pytest.mark.parametrize(("mode", "expected"), [("always", ["token", "rpc"]), ("never", [])])
def test_disconnect_modes(serve: Serve, mode: str, expected: list[str]) -> None:
    app = ScriptedApp()
    server = serve(app, jwt_secrets=(SECRET,), disconnect_mode=mode)
    for query, sid in ((TOKEN, "token"), ("", "rpc")):
        with server.welcomed(query, headers={"X-Request-ID": sid}) as client:
            client.subscribe("A")
            client.pending()
    if expected:
        app.wait_for("Disconnect", 2)

    assert [call.metadata["sid"] for call in app.calls if call.method == "Disconnect"] == expected


def test_state_in_the_answer_to_unsubscribe_stays(serve: Serve) -> None:
    server = serve()
    with server.welcomed() as client:
        identifier = client.subscribe("A", subscribe={}, unsubscribe={"istate": {"x": "1"}})
        client.send("unsubscribe", identifier)
        client.pending()

    (request,) = server.app.wait_for("Disconnect")
    assert (request.subscriptions, request.env.istate) == ((), {identifier: '{"x":"1"}'})


def test_every_kind_of_end_is_heard_of(serve: Serve) -> None:
    server = serve()

    def close(client: Client) -> None:
        client.close()

    def hang_up(client: Client) -> None:
        client.hang_up()

    def be_disconnected(client: Client) -> None:
        server.publish({"command": "disconnect", "payload": {"identifier": '{"from":"rpc"}', "reconnect": True}})
        client.last_words()

    def fail(client: Client) -> None:
        identifier = client.subscribe("A")
        client.perform(identifier, disconnect=True)
        client.last_words()

    for number, end in enumerate((close, hang_up, be_disconnected, fail), 1):
        with server.welcomed() as client:
            end(client)
            server.app.wait_for("Disconnect", number)


# Endings


@pytest.mark.parametrize("command", ["subscribe", "message"])
def test_disconnect_in_a_response_comes_after_its_transmissions(gateway_server: Server, command: str) -> None:
    """anycable-go writes a close frame with the code 1006, which is a protocol error to clients."""
    answer = {"disconnect": True, "transmissions": ["1", "2"]}
    with gateway_server.welcomed() as client:
        identifier = client.subscribe("A", **(answer if command == "subscribe" else {"transmissions": []}))
        if command == "message":
            client.perform(identifier, **answer)
        assert client.last_words() == ([1, 2], None, "")


@pytest.mark.parametrize("reconnect", [True, False, None])
def test_remote_disconnect(server: Server, reconnect: bool | None) -> None:
    identifiers = f'{{"user": {reconnect}}}'
    server.app.connect = ConnectionResponse(Status.SUCCESS, identifiers, ('{"type":"welcome"}',))
    flag = {} if reconnect is None else {"reconnect": reconnect}
    with server.welcomed() as client:
        for other in (identifiers + " ", "{}"):
            server.publish({"command": "disconnect", "payload": {"identifier": other}})
        assert client.pending() == []
        server.publish({"command": "disconnect", "payload": {"identifier": identifiers, **flag}})
        sent, *close = client.last_words()

    assert sent == [{"type": "disconnect", "reason": "remote", "reconnect": bool(reconnect)}]
    assert close == [1000, "Closed remotely"]


def test_remote_disconnect_ends_all_sessions(serve_gateway: Serve) -> None:
    """The gateway ends all, as anycable-go 1.5.1 does; 1.6.16 ends one of them, which looks like a mistake."""
    server = serve_gateway(jwt_secrets=(SECRET,))
    server.app.connect = ConnectionResponse(Status.SUCCESS, '{"user_id":42}', ('{"type":"welcome"}',))
    with server.welcomed() as one, server.welcomed(TOKEN) as two, server.welcomed() as three:
        command = {"command": "disconnect", "payload": {"identifier": '{"user_id":42}', "reconnect": True}}
        server.publish(command)
        assert [client.last_words() for client in (one, two, three)] == [(GONE_REMOTELY, 1000, "Closed remotely")] * 3


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "no JSON",
        "[]",
        "5",
        '{"command":1}',
        '{"command":"subscribe","identifier":{}}',
        '{"command":"ping","history":[]}',
        '{"command":"ping","history":{"since":"x"}}',
        '{"command":"ping","history":{"since":1.5}}',
        '{"command":"ping","history":{"streams":{"a":5}}}',
        '{"command":"ping","history":{"streams":{"a":{"offset":-1}}}}',
        '{"command":"ping","presence":{"id":5}}',
        '{"command":"ping","data":' + "[" * 60_000 + "]",
        b"\xff",
    ],
    ids=lambda frame: repr(frame)[:60],
)
def test_a_frame_that_cannot_be_read_ends_the_connection(gateway_server: Server, frame: str | bytes) -> None:
    """anycable-go reads nothing more, but leaves the connection open."""
    with gateway_server.welcomed() as client:
        client.send_raw(frame)
        with suppress(ConnectionClosed):  # the server may have closed already
            client.send("ping")
        assert client.last_words() == ([], 1003, "Unreadable message")


@pytest.mark.parametrize("fill", ["x", "é"])
def test_a_frame_that_is_too_big_ends_the_connection(server: Server, fill: str) -> None:
    frame = json.dumps({"command": "subscribe", "identifier": "A", "fill": ""}, ensure_ascii=False)
    size = 65536 - len(frame)
    whole = frame.replace('""', f'"{fill * (size // len(fill.encode()))}"')
    with server.welcomed() as client:
        client.send_raw(whole)
        assert client.next() == {"identifier": "A", "type": "confirm_subscription"}
        client.send_raw(whole + "  ")
        assert client.last_words() == ([], 1009, "")


def test_a_client_that_closes_is_answered(server: Server) -> None:
    with server.welcomed() as client:
        client.close(4321)
        assert client.last_words() == ([], 4321, "")


def test_too_much_for_a_client_ends_its_connection(serve_gateway: Serve) -> None:
    server = serve_gateway(max_pending_size=1000, write_timeout=10)
    with server.welcomed(max_queue=1) as client, server.welcomed() as other:
        identifier = client.subscribe("A", streams=["s"])
        client.pending()
        for _ in range(1000):  # nobody knows how much the system buffers for a client
            server.broadcast("s", "x" * 100_000)
            if server.app.requests("Disconnect"):
                break
        sent, *close = client.last_words()
        assert sent[0] == {"identifier": identifier, "message": "x" * 100_000}
        assert sent[-1] == {"type": "disconnect", "reason": "too_slow", "reconnect": True}
        assert close == [1000, ""]
        assert other.pending() == []


def test_message_may_be_larger_than_the_outbox(server: Server) -> None:
    with server.welcomed() as client:
        identifier = client.subscribe("A", streams=["s"])
        client.pending()
        server.broadcast("s", "x" * 1_300_000)
        assert client.next() == {"identifier": identifier, "message": "x" * 1_300_000}
        assert client.pending() == []


def test_transmission_may_be_larger_than_the_outbox(server: Server) -> None:
    with server.welcomed() as client:
        identifier = client.subscribe("A")
        client.pending()
        client.perform(identifier, transmissions=["1234567890"], times=120_000)
        assert client.raw() == "1234567890" * 120_000


# On the gateway only: anycable-go disconnects a client that is sent more at once than it reads in time


def test_batch_may_be_larger_than_the_outbox(gateway_server: Server) -> None:
    server = gateway_server
    batch = [{"stream": "s", "data": json.dumps(f"{number} {'x' * 15_000}")} for number in range(100)]
    with server.welcomed() as client:
        client.subscribe("A", streams=["s"])
        client.pending()
        server.publish(batch)
        assert [client.next()["message"].split()[0] for _ in batch] == [str(number) for number in range(100)]


def test_transmissions_of_connect_may_be_larger_than_the_outbox(serve_gateway: Serve) -> None:
    server = serve_gateway(
        ScriptedApp(connect=ConnectionResponse(Status.SUCCESS, "{}", ('"' + "x" * 1_200_000 + '"',) * 3))
    )
    with server.client() as client:
        assert [len(client.raw()) for _ in range(3)] == [1_200_002] * 3
        identifier = client.subscribe("A", transmissions=["1234567890"] * 4, times=100_000)
        client.perform(identifier, transmissions=["1234567890"] * 2, times=60_000)
        assert [len(client.raw()) for _ in range(6)] == [*[1_000_000] * 4, *[600_000] * 2]


def test_simultaneous_publications_may_be_larger_than_the_outbox() -> None:
    payload = json.dumps({"stream": "s", "data": json.dumps("x" * 700_000)})
    with running_gateway(ScriptedApp()) as (server, gateway, running), server.welcomed() as client:
        client.subscribe("A", streams=["s"])
        client.pending()

        async def publish() -> None:
            for _ in range(4):
                gateway.publish(payload)

        running.run(publish())
        assert [len(client.next()["message"]) for _ in range(4)] == [700_000] * 4


def test_client_that_does_not_read_is_disconnected(serve_gateway: Serve) -> None:
    server = serve_gateway(max_pending_size=2**30, write_timeout=0.1)
    with server.welcomed(max_queue=1) as client, server.welcomed() as other:
        client.subscribe("A", streams=["s"])
        client.pending()
        for _ in range(40):  # nobody knows how much the system buffers for a client
            server.broadcast("s", ["x" * 100_000] * 60)
            if server.app.requests("Disconnect"):
                break
        server.app.wait_for("Disconnect")
        assert other.pending() == []


# Pings


def test_pings(serve_gateway: Serve) -> None:
    before = int(time())
    with serve_gateway(ping_interval=0.05).client() as client:
        client.next()
        pings = [client.wait_for_ping() for _ in range(3)]

    assert all(set(ping) == {"type", "message"} for ping in pings)
    assert all(before <= ping["message"] <= time() for ping in pings)


def test_pings_come_before_a_slow_welcome(serve_gateway: Serve) -> None:
    app = ScriptedApp(connect_waits=True)
    with serve_gateway(app, ping_interval=0.05).client() as client:
        client.wait_for_ping()
        app.released.set()
        assert client.next() == {"type": "welcome"}


def test_the_unit_of_pings(serve_gateway: Serve) -> None:
    server = serve_gateway(ping_interval=0.02)
    for precision, unit in (("s", 1), ("ms", 10**3), ("ns", 10**9), ("x", 1)):
        with server.welcomed(f"ptp={precision}") as client:
            assert client.wait_for_ping()["message"] / unit == pytest.approx(time(), abs=5)


def test_a_client_may_want_no_pings(serve_gateway: Serve) -> None:
    server = serve_gateway(ping_interval=0.02)
    with server.welcomed("pi=0") as quiet, server.welcomed() as client:
        for _ in range(3):
            client.wait_for_ping()
        assert quiet.pending() == []
        assert quiet.pings == []


# Calls


@pytest.mark.parametrize("waits_for", ["Connect", "subscribe", "message"])
def test_calls_have_a_deadline(serve_gateway: Serve, caplog: pytest.LogCaptureFixture, waits_for: str) -> None:
    app = ScriptedApp(connect_waits=waits_for == "Connect")
    server = serve_gateway(app, command_timeout=0.1)
    with server.client() as client:
        if waits_for == "Connect":
            assert client.last_words() == ([], 1011, "Auth Error")
        else:
            client.next()
            identifier = client.subscribe("A", subscribe={"wait": waits_for == "subscribe"})
            client.perform(identifier, wait=True)
            assert len(client.pending()) == (waits_for == "message")
    app.released.set()

    assert "took longer than 0.1 s" in caplog.text


def test_calls_at_a_time_are_limited(serve_gateway: Serve) -> None:
    app = ScriptedApp()
    server = serve_gateway(app, rpc_concurrency=2)
    with server.welcomed() as one, server.welcomed() as two, server.welcomed() as three:
        for client in (one, two):
            client.subscribe("Slow", wait=True)
        app.wait_for("Command", 2)
        three.subscribe("A")
        three.send("ping")
        one.send("ping")
        assert len(app.requests("Command")) == 2
        app.released.set()
        assert three.next()["type"] == "confirm_subscription"
    assert len(app.requests("Command")) == 3


def test_an_app_that_answers_nonsense_has_answered_error(caplog: pytest.LogCaptureFixture) -> None:
    class Nonsense(ScriptedApp):
        async def rpc(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
            return b"\xff" if method == "Command" else await super().rpc(method, data, metadata)

    with running_gateway(Nonsense()) as (server, _, _), server.welcomed() as client:
        client.subscribe("A")
        assert client.pending() == []

    assert "Command failed (subscribe, A) [sid=" in caplog.text


def test_a_call_that_fails_is_logged_without_a_signed_stream_name(
    serve_gateway: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve_gateway()
    with server.welcomed() as client:
        client.send("subscribe", '{"channel":"Room","id":7,"signed_stream_name":"c2VjcmV0","answer":{"raise":true}}')
        assert client.pending() == []

    lines = [record.getMessage() for record in caplog.records if record.exc_info]
    assert [line.partition(" [sid=")[0] for line in lines] == [
        "Command failed (subscribe, Room (id: 7, signed_stream_name: …, answer: …))"
    ]
    assert "c2VjcmV0" not in caplog.text


def test_a_result_that_comes_after_the_end_is_passed_over(serve_gateway: Serve) -> None:
    app = ScriptedApp()
    server = serve_gateway(app)
    with server.welcomed() as client:
        client.subscribe("A", wait=True, streams=["s"], transmissions=["late"])
        app.wait_for("Command")
        server.publish({"command": "disconnect", "payload": {"identifier": '{"from":"rpc"}', "reconnect": True}})
        assert client.last_words() == (GONE_REMOTELY, 1000, "Closed remotely")
        app.released.set()
        assert app.wait_for("Disconnect")[0].subscriptions == ()


def test_a_response_to_connect_that_comes_after_the_end_is_ignored(serve_gateway: Serve) -> None:
    app = ScriptedApp(connect_waits=True)
    server = serve_gateway(app, ping_interval=0.05, pong_timeout=0.05)
    with server.client(subprotocols=("actioncable-v1-ext-json",)) as client:
        app.wait_for("Connect")
        assert client.last_words()[1:] == (1000, "No Pong")
        app.released.set()
    assert app.requests("Disconnect") == []


def test_a_response_to_perform_that_comes_after_the_end_is_ignored(serve_gateway: Serve) -> None:
    app = ScriptedApp()
    server = serve_gateway(app)
    with server.welcomed() as client:
        identifier = client.subscribe("A")
        client.pending()
        client.perform(identifier, wait=True, istate={"late": "1"}, transmissions=["late"])
        app.wait_for("Command", 2)
        server.publish({"command": "disconnect", "payload": {"identifier": '{"from":"rpc"}', "reconnect": True}})
        assert client.last_words() == (GONE_REMOTELY, 1000, "Closed remotely")
        app.released.set()
        assert app.wait_for("Disconnect")[0].env.istate == {}


# This process's own publications, and the end


def test_publishing_from_any_thread() -> None:
    with running_gateway(ScriptedApp()) as (server, gateway, running), server.welcomed() as client:
        client.subscribe("A", streams=["s"])
        client.pending()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(gateway.publish, [f'{{"stream":"s","data":"{number}"}}' for number in range(100)]))
        running.run(gateway.apublish('{"stream":"s","data":"100"}'))
        heard = [client.next()["message"] for _ in range(101)]

    assert sorted(heard) == list(range(101))
    assert heard[-1] == 100
    gateway.publish('{"stream":"s","data":"nobody is there"}')


def test_shutdown_says_goodbye_and_the_app_hears_of_it() -> None:
    app = ScriptedApp()
    with running_gateway(app) as (server, gateway, running):
        with server.welcomed() as one, server.welcomed() as two:
            running.run(gateway.shutdown())
            assert len(app.requests("Disconnect")) == 2
            frame = {"type": "disconnect", "reason": "server_restart", "reconnect": True}
            assert one.last_words() == two.last_words() == ([frame], 1001, "Server restart")
        with pytest.raises(Exception, match="503"):
            server.client()
        running.run(gateway.shutdown())


def test_shutdown_waits_only_so_long(caplog: pytest.LogCaptureFixture) -> None:
    app = ScriptedApp()
    with running_gateway(app) as (server, gateway, running), server.welcomed() as client:
        client.subscribe("A", wait=True)
        app.wait_for("Command")
        begun = monotonic()
        running.run(gateway.shutdown(0.2))
        assert monotonic() - begun < 2
        assert client.last_words()[1:] == (1001, "Server restart")

    assert "stopping after 0.2 s" in caplog.text


def test_shutdown_does_not_wait_for_connect() -> None:
    app = ScriptedApp(connect_waits=True)
    with running_gateway(app) as (server, gateway, running):
        with server.client() as client:
            app.wait_for("Connect")
            running.run(gateway.shutdown(0.1))
            assert client.last_words()[1:] == (1001, "Server restart")
        app.released.set()
    assert app.requests("Disconnect") == []


def test_disconnects_are_one_after_another(serve_gateway: Serve) -> None:
    class Counting(ScriptedApp):
        under_way = 0
        most = 0

        async def rpc(self, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
            self.under_way += method == "Disconnect"
            self.most = max(self.most, self.under_way)
            await asyncio.sleep(0.005)
            self.under_way -= method == "Disconnect"
            return await super().rpc(method, data, metadata)

    app = Counting()
    server = serve_gateway(app)
    with ExitStack() as clients:
        for _ in range(5):
            clients.enter_context(server.welcomed())
        server.publish({"command": "disconnect", "payload": {"identifier": '{"from":"rpc"}'}})
        app.wait_for("Disconnect", 5)

    assert app.most == 1
