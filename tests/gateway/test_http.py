"""The gateway over HTTP, and beside and within other web applications."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus

from anycable_rpc.gateway import Gateway, GatewayOptions
from anycable_rpc.gateway.http_endpoints import MAX_BODY_SIZE
from anycable_rpc.identity.keys import BROADCAST_KEY, derive_key

from .client import Client
from .scripted import PATIENCE, ScriptedApp
from .servers import Answer, Running, Serve, Server, ask, running_gateway
from .verdicts import SECRET

KEY = derive_key(SECRET, BROADCAST_KEY)
PUBLICATION = '{"stream":"s","data":"1"}'


def post(server: Server, body: str | bytes, headers: dict[str, str] | None = None) -> Answer:
    return ask(f"http://{server.broadcast_address}/_broadcast", "POST", body, headers)


HEADERS: list[tuple[dict[str, str], int]] = [
    ({"Authorization": f"Bearer {KEY}"}, 201),
    ({"authorization": f"Bearer {KEY}"}, 201),
    ({}, 401),
    ({"Authorization": KEY}, 401),
    ({"Authorization": f"bearer {KEY}"}, 401),
    ({"Authorization": f"Bearer {KEY[:-1]}"}, 401),
    ({"Authorization": f"Bearer {SECRET}"}, 401),
    ({"Authorization": "Bearer \xe9"}, 401),
]


def test_broadcasting_needs_the_key(serve: Serve) -> None:
    server = serve(broadcast_key=KEY)

    assert [post(server, PUBLICATION, headers) for headers, _ in HEADERS] == [(status, "") for _, status in HEADERS]


@pytest.mark.parametrize("options", [{}, {"public": True, "broadcast_key": None}])
def test_without_a_key_everybody_may_broadcast(serve: Serve, options: dict[str, Any]) -> None:
    assert post(serve(**options), PUBLICATION) == (201, "")


def test_in_public_no_key_is_needed(serve_gateway: Serve) -> None:
    assert post(serve_gateway(public=True, broadcast_key=KEY), PUBLICATION) == (201, "")


def test_integer_that_anycable_go_rounds_is_logged_once(serve_gateway: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = serve_gateway()

    for data in ("[1,9007199254740992]", '"a text 1285704473650888702"', "no JSON 1285704473650888702"):
        post(server, json.dumps({"stream": "s", "data": data}))
    assert [line for line in caplog.messages if "2**53" in line] == []

    for data in ('{"id":[1285704473650888702]}', "-9007199254740993", "9" * 400):
        post(server, json.dumps([{"stream": "s", "data": data}]))
    assert [line for line in caplog.messages if "2**53" in line] == [
        "a broadcast to 's' has an integer beyond 2**53, which anycable-go and browsers round: send it as a string"
    ]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_broadcasting_needs_the_method_post(server: Server, method: str) -> None:
    assert ask(f"http://{server.broadcast_address}/_broadcast", method).status == 422


WRONG = {
    "no JSON": "not JSON",
    "": "not JSON",
    "5": "not a JSON object",
    "[]": "the array is empty",
    "{}": "names no stream",
    '{"stream":"","data":"1"}': "names no stream",
    '{"stream":5,"data":"1"}': "stream has a wrong type",
    '{"stream":"s","data":{"a":1}}': "data has a wrong type",
    '{"stream":"s","data":"1","meta":{"exclude_socket":5}}': "exclude_socket has a wrong type",
    '{"stream":"s","data":"1","meta":{"transient":1}}': "transient has a wrong type",
    '[{"stream":"s","data":"1"},{"data":"1"}]': "names no stream",
    '{"command":"restart"}': "there is no remote command 'restart'",
    '{"command":"disconnect"}': "no identifier",
    '{"command":"disconnect","payload":{"identifier":{"a":1}}}': "identifier has a wrong type",
    '{"command":"disconnect","payload":{"identifier":"x","reconnect":"yes"}}': "reconnect has a wrong type",
}


@pytest.mark.parametrize("body", WRONG)
def test_publication_that_anycable_go_drops_is_refused_with_a_sentence(
    gateway_server: Server, caplog: pytest.LogCaptureFixture, body: str
) -> None:
    status, text = post(gateway_server, body)

    assert status == 422
    assert WRONG[body] in text
    assert WRONG[body] in caplog.text


def test_a_body_has_a_limit(gateway_server: Server) -> None:
    assert post(gateway_server, b"x" * (MAX_BODY_SIZE + 1)).status == 413


def test_names_of_fields_are_in_any_case(server: Server) -> None:
    with server.welcomed() as client:
        identifier = client.subscribe("A", streams=["s"])
        client.pending()
        server.publish({"Stream": "s", "DATA": "1", "command": "ignored"})
        assert client.next() == {"identifier": identifier, "message": 1}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_health(server: Server, method: str) -> None:
    assert ask(f"http://{server.address}/health", method).status == 200


def test_other_addresses(server: Server) -> None:
    assert ask(f"http://{server.address}/").status == 404
    assert ask(f"http://{server.address}/cable") == (400, "Bad Request\n")
    with pytest.raises(InvalidStatus, match="404"):
        Client(f"ws://{server.address}/cable/")


@pytest.mark.parametrize(("origin", "status"), [("http://a.test", 0), ("http://b.test", 403), (None, 403)])
def test_origins(serve: Serve, origin: str | None, status: int) -> None:
    server = serve(allowed_origins=("a.test",))
    headers = {"Origin": origin} if origin else {}
    if status:
        with pytest.raises(InvalidStatus, match=str(status)):
            server.client(headers=headers)
    else:
        with server.welcomed(headers=headers):
            pass


def test_a_refused_origin_is_logged_with_the_setting_and_nothing_else(
    serve_gateway: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve_gateway(allowed_origins=("a.test", "*.b.test"))

    for origin in ("http://c.test", ""):
        with pytest.raises(InvalidStatus, match="403"):
            server.client(headers={"Origin": origin} if origin else {})

    assert caplog.messages == [
        f"{who} was refused: --allowed-origins (ANYCABLE_ALLOWED_ORIGINS) has only a.test,*.b.test; "
        "add the host of the page there"
        for who in ("a page of 'http://c.test'", "a client without the header Origin")
    ]


def test_an_unknown_subprotocol_is_no_obstacle(server: Server) -> None:
    answer = exchange(server.address, upgrade(**{"Sec-WebSocket-Protocol": "graphql-ws"}))

    assert answer.startswith("HTTP/1.1 101 ")
    assert "sec-websocket-protocol" not in answer.lower()


def test_an_unknown_subprotocol_is_logged_without_a_token(
    serve_gateway: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve_gateway()

    exchange(server.address, upgrade(**{"Sec-WebSocket-Protocol": "graphql-ws, anycable-token.abc.def.ghi"}))
    with server.welcomed():
        pass

    (line,) = [message for message in caplog.messages if "sub-protocols" in message]
    assert line.startswith("a client offers the sub-protocols 'graphql-ws', 'anycable-token.…', of which none is known")
    assert "set the option protocol of the client to actioncable-v1-json or actioncable-v1-ext-json" in line
    assert "abc.def" not in caplog.text


LARGE: dict[str, tuple[str, dict[str, str]]] = {
    "a cookie": ("/cable", {"Cookie": f"a={'x' * 9000}"}),
    "a URL": (f"/cable?a={'x' * 9000}", {}),
    "a token": ("/cable", {"X-JID": "x" * 20_000}),
    "many headers": ("/cable", {f"X-{number}": "x" for number in range(150)}),
    "half a megabyte": ("/cable", {f"X-{number}": "x" * 50_000 for number in range(10)}),
}


@pytest.mark.parametrize("name", LARGE)
def test_requests_are_as_large_as_browsers_make_them(server: Server, name: str) -> None:
    path, headers = LARGE[name]

    assert exchange(server.address, upgrade(path, **headers)).startswith("HTTP/1.1 101 ")
    assert exchange(server.address, get(path, **headers)).startswith("HTTP/1.1 400 ")


def test_the_app_sees_the_whole_of_a_large_request(serve: Serve) -> None:
    server = serve()
    with server.welcomed(f"a={'x' * 9000}", headers={"Cookie": f"b={'y' * 9000}"}):
        env = server.app.requests("Connect")[0].env

    assert env.url.endswith(f"/cable?a={'x' * 9000}")
    assert env.headers["cookie"] == f"b={'y' * 9000}"


@pytest.mark.parametrize("make", ["upgrade", "get"])
def test_a_request_that_is_too_large_is_refused_at_once(server: Server, make: str) -> None:
    request = {"upgrade": upgrade, "get": get}[make]("/cable", Cookie="x" * 1_200_000)

    assert exchange(server.address, request).startswith("HTTP/1.1 431 Request Header Fields Too Large\r\n")


def test_a_request_that_is_too_large_is_logged(gateway_server: Server, caplog: pytest.LogCaptureFixture) -> None:
    exchange(gateway_server.address, upgrade("/cable", Cookie="x" * 3_000_000))

    assert "a request was refused with 431 Request Header Fields Too Large" in caplog.text
    assert "are there very large cookies?" in caplog.text


def test_data_that_is_not_http_is_refused(server: Server) -> None:
    assert exchange(server.address, "nonsense\r\n\r\n").startswith("HTTP/1.1 400 Bad Request\r\n")


def test_an_upgrade_request_with_a_body_is_not_met_with_silence(gateway_server: Server) -> None:
    assert exchange(gateway_server.address, upgrade(**{"Content-Length": "2"}) + "ab").startswith("HTTP/1.1 101 ")


def test_a_target_may_be_a_whole_url(serve: Serve) -> None:
    server = serve(broadcast_key=KEY)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Length": str(len(PUBLICATION))}
    there = f"http://{server.broadcast_address}/_broadcast"

    assert exchange(server.broadcast_address, get(there, "POST", **headers) + PUBLICATION).startswith("HTTP/1.1 201 ")
    assert exchange(server.address, upgrade("http://example.test:1/cable?a=1")).startswith("HTTP/1.1 101 ")
    assert server.app.wait_for("Connect")[0].env.url == "http://example.test:1/cable?a=1"


def test_a_target_that_is_a_whole_url_is_served_by_the_web_application_too() -> None:
    with running_gateway(ScriptedApp(), Site().app) as (server, _, _):
        for target in ("http://example.test/", "http://example.test"):
            assert exchange(server.address, get(target), "a page").startswith("HTTP/1.1 200 ")


def exchange(address: str, request: str, end: str = "") -> str:
    """Return the answer of a server to these bytes, until it ends with `end`."""
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        with suppress(ConnectionError):  # the server need not read everything
            connection.sendall(request.encode("latin-1"))
        answer = connection.recv(65536)
        while not answer.endswith(end.encode()):
            more = connection.recv(65536)
            assert more, answer
            answer += more
        return answer.decode("latin-1")


def get(target: str = "/cable", method: str = "GET", **headers: str) -> str:
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *(f"{name}: {text}" for name, text in headers.items())]
    return "".join(f"{line}\r\n" for line in [*lines, ""])


def upgrade(target: str = "/cable", **headers: str) -> str:
    own = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    return get(target, **own, **headers)


def test_several_paths(serve_gateway: Serve) -> None:
    server = serve_gateway(paths=("/cable", "/ws"))
    for path in ("/cable", "/ws"):
        with Client(f"ws://{server.address}{path}") as client:
            assert client.next() == {"type": "welcome"}


# Beside a web application


class Site:
    """A web application that knows whether it is running."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.app = Starlette(
            routes=[Route("/", self.page), Route("/health", self.page), WebSocketRoute("/echo", self.echo)],
            lifespan=self.lifespan,
        )

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self.events.append("started")
        yield
        self.events.append("stopped")

    async def page(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("a page")

    async def echo(self, socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()


def test_a_web_application_answers_the_rest() -> None:
    site = Site()
    with running_gateway(ScriptedApp(), site.app) as (server, _, _):
        assert site.events == ["started"]
        assert ask(f"http://{server.address}/") == (200, "a page")
        assert ask(f"http://{server.address}/none").status == 404
        assert ask(f"http://{server.address}/health").text != "a page"
        assert ask(f"http://{server.address}/cable").status == 400
        with server.welcomed():
            pass
        with Client(f"ws://{server.address}/echo", subprotocols=None) as client:
            client.send_raw("hello")
            assert client.raw() == "hello"
    assert site.events == ["started", "stopped"]


def test_it_can_be_mounted() -> None:
    app = ScriptedApp()
    gateway = Gateway(app.rpc, GatewayOptions(ping_interval=0, paths=("/cable",)))
    running = Running(Starlette(routes=[Mount("/live", gateway)]), GatewayOptions())
    try:
        assert ask(f"http://{running.address}/live/health").status == 200
        with Client(f"ws://{running.address}/live/cable?a=1") as client:
            assert client.next() == {"type": "welcome"}
            identifier = client.subscribe("A", disconnect=True)
            assert [frame["identifier"] for frame in client.last_words()[0]] == [identifier]
        assert app.requests("Connect")[0].env.url == f"http://{running.address}/live/cable?a=1"
    finally:
        running.run(gateway.shutdown())
        running.stop()


def test_a_server_that_just_stops_is_noticed() -> None:
    app = ScriptedApp()
    running = Running(Gateway(app.rpc, GatewayOptions(ping_interval=0)), GatewayOptions())
    with Client(f"ws://{running.address}/cable") as client:
        client.next()
        running.stop()
        assert client.last_words()[1] == 1012

    assert len(app.requests("Disconnect")) == 1


# As ASGI


def converse(app: Any, scope: dict[str, Any], *events: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what an ASGI app sends for these events."""
    sent: list[dict[str, Any]] = []
    waiting = list(events)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(event: Any) -> None:
        sent.append(dict(event))

    asyncio.run(app(scope, receive, send))
    return sent


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(ScriptedApp().rpc)


def test_lifespan(gateway: Gateway) -> None:
    sent = converse(gateway, {"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})

    assert [event["type"] for event in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_server_without_the_denial_extension_refuses_with_403(gateway: Gateway) -> None:
    scope = {"type": "websocket", "path": "/nothing", "headers": []}

    assert converse(gateway, scope, {"type": "websocket.connect"}) == [{"type": "websocket.close"}]


def test_nobody_hears_what_is_published_before_and_after(gateway: Gateway) -> None:
    gateway.publish(PUBLICATION)
    converse(gateway, {"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    gateway.publish(PUBLICATION)


def test_a_broadcaster_that_goes_away_in_the_middle(gateway: Gateway) -> None:
    scope = {"type": "http", "method": "POST", "path": "/_broadcast", "headers": [], "query_string": b""}
    events = {"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}

    assert converse(gateway, scope, *events)[0]["status"] == 400


def test_a_batch_is_read_as_one(gateway: Gateway) -> None:
    with pytest.raises(Exception, match="names no stream"):
        gateway.publish(json.dumps([{"stream": "s", "data": "1"}, {}]))
