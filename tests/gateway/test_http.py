"""The gateway over HTTP, and beside and within other web applications."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus

from anycable_rpc.gateway import Gateway, GatewayOptions
from anycable_rpc.gateway.endpoints import MAX_BODY_SIZE
from anycable_rpc.signing import BROADCAST_KEY, derive_key

from .client import Client
from .scripted import ScriptedApp
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


def test_an_integer_that_anycable_go_rounds_is_said_once(
    serve_gateway: Serve, caplog: pytest.LogCaptureFixture
) -> None:
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
def test_broadcasting_is_posting(server: Server, method: str) -> None:
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
def test_what_anycable_go_would_drop_is_refused_with_a_sentence(
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
    """What an ASGI app says to these events."""
    said: list[dict[str, Any]] = []
    waiting = list(events)

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    async def send(event: Any) -> None:
        said.append(dict(event))

    asyncio.run(app(scope, receive, send))
    return said


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(ScriptedApp().rpc)


def test_lifespan(gateway: Gateway) -> None:
    said = converse(gateway, {"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})

    assert [event["type"] for event in said] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_server_that_cannot_say_why_refuses_nevertheless(gateway: Gateway) -> None:
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
