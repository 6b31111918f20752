"""Keys and tokens through the whole program: rotation, switching off, one warning, and no token in any log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from time import time
from typing import Any

import grpc
import pytest
from websockets.exceptions import ConnectionClosed

from anycable_rpc import Cable, Channel, ConfigurationError, Connection, InvalidToken, action
from anycable_rpc.gateway import Gateway, GatewayOptions
from anycable_rpc.gateway.core.authentication import AskApp, Authenticator, Decision, Denied, Identified
from anycable_rpc.identity.tokens import TokenSigner, TokenVerifier
from anycable_rpc.protocol.messages import (
    CommandMessage,
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    Env,
    Request,
    Response,
    Status,
)
from anycable_rpc.settings.model import Settings
from anycable_rpc.transports import protobuf as wire
from anycable_rpc.transports.bytes_handler import BytesHandler
from anycable_rpc.transports.grpcio.server import AsyncServer, ThreadedServer
from anycable_rpc.transports.service import Service

from ..cli.commands import Servers, folder, run, servers
from ..contract.transports import LoopThread, unary
from ..e2e.processes import free_port, python, running
from ..gateway.client import Client
from ..gateway.servers import Running as GatewayRunning
from ..gateway.verdicts import OTHER, SECRET, token
from ..support.both_ways import App, settings

__all__ = ["folder", "servers"]  # fixtures: an app in the current folder, and servers that do not run

Colour = Callable[..., App]
IDENTIFIER = '{"channel":"Chat"}'
OLDEST = "the oldest secret, of more than thirty-two bytes"
METADATA = {"sid": "s1", "protov": "v1"}


class User(Connection):
    identified_by = ("user_id",)
    user_id: Any

    def connect(self) -> None:
        self.user_id = "by connect"


@pytest.fixture(params=["def", "async"])
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def connect(url_token: str, **headers: str) -> ConnectionRequest:
    return ConnectionRequest(Env(f"http://localhost/cable?jid={url_token}", headers))


def gateway_verdict(values: Settings, text: str) -> Decision:
    authenticator = Authenticator(GatewayOptions.of(values))
    return authenticator.identify("s1", f"http://localhost/cable?jid={text}", {})


class TestRotation:
    VALUES = settings(secret=SECRET, jwt_secrets_old=[OTHER, OLDEST])

    def test_only_the_current_key_signs(self) -> None:
        issued = Cable(User, settings=self.VALUES).token(user_id=42)

        assert TokenVerifier([SECRET]).verify(issued) == '{"user_id":42}'
        with pytest.raises(InvalidToken):
            TokenVerifier([OTHER, OLDEST]).verify(issued)

    def test_the_command_line_signs_with_it_too(self, folder: Path) -> None:
        result = run("token", "a=1", f"--secret={SECRET}", ANYCABLE_JWT_SECRETS_OLD=OTHER)

        assert TokenVerifier([SECRET]).verify(result.stdout.strip()) == '{"a":"1"}'

    @pytest.mark.parametrize("secret", [SECRET, OTHER, OLDEST])
    def test_old_keys_verify_in_connect(self, mode: str, secret: str) -> None:
        response = App(mode, User, settings=self.VALUES)(connect(token(secret)))

        assert isinstance(response, ConnectionResponse)
        assert (response.status, response.identifiers) == (Status.SUCCESS, '{"user_id":42}')

    @pytest.mark.parametrize("secret", [SECRET, OTHER, OLDEST])
    def test_old_keys_verify_in_the_gateway(self, secret: str) -> None:
        assert gateway_verdict(self.VALUES, token(secret)) == Identified('{"user_id":42}')

    @pytest.mark.parametrize("secret", ["a key that was never one", "none", ""])
    def test_other_keys_do_not(self, mode: str, secret: str) -> None:
        values = settings(secret=SECRET, jwt_secrets_old=[OTHER, "none", ""])

        response = App(mode, User, settings=values)(connect(token(secret)))

        assert response.status is Status.FAILURE
        assert gateway_verdict(values, token(secret)) == Denied("unauthorized")

    def test_an_expired_token_of_an_old_key_is_expired(self, mode: str) -> None:
        text = token(OTHER, exp=1)

        response = App(mode, User, settings=self.VALUES)(connect(text))

        assert isinstance(response, ConnectionResponse)
        assert response.transmissions == ('{"type":"disconnect","reason":"token_expired","reconnect":false}',)
        assert gateway_verdict(self.VALUES, text) == Denied("token_expired")

    def test_a_key_of_its_own_is_the_only_one(self, mode: str) -> None:
        values = settings(secret=OTHER, jwt_secret=SECRET)

        assert App(mode, User, settings=values)(connect(token(OTHER))).status is Status.FAILURE
        assert gateway_verdict(values, token(OTHER)) == Denied("unauthorized")
        assert TokenVerifier([SECRET]).verify(Cable(User, settings=values).token(user_id=1))

    def test_changed_settings_change_the_keys(self) -> None:
        cable = Cable(User, settings=settings(secret=OTHER))
        before = cable.token(user_id=1)

        cable.settings = self.VALUES

        assert cable.verify_token(before) == '{"user_id":1}'
        assert TokenVerifier([SECRET]).verify(cable.token(user_id=1))


class TestSwitchedOff:
    @pytest.mark.parametrize(
        "values", [{}, {"secret": "none"}, {"secret": SECRET, "jwt_secret": "none"}, {"jwt_secrets_old": [SECRET]}]
    )
    @pytest.mark.parametrize("text", [token(), token(exp=1), "garbage"])
    def test_tokens_are_neither_read_nor_issued(self, mode: str, values: dict[str, Any], text: str) -> None:
        response = App(mode, User, settings=settings(**values))(connect(text))

        assert isinstance(response, ConnectionResponse)
        assert response.identifiers == '{"user_id":"by connect"}'
        assert gateway_verdict(settings(**values), text) == AskApp()
        with pytest.raises(ConfigurationError, match="tokens need a secret"):
            Cable(User, settings=settings(**values)).token(user_id=1)


class TestOneWarning:
    def test_one_warning_at_start(self, servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
        for command in ("serve", "dev"):
            caplog.clear()

            assert run(command, "chat:cable", "--jwt-secret=short", "--secret=also short").exit_code == 0

            assert [message.split(",")[0] for message in caplog.messages] == ["jwt_secret is shorter than 32 bytes"]

    def test_no_warning_per_call(self, mode: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        values = settings(secret="short", jwt_secrets_old=["old"])
        app = App(mode, User, settings=values)
        for _ in range(3):
            issued = app.cable.token(user_id=1)
            assert app(connect(issued)).status is Status.SUCCESS
            assert gateway_verdict(values, issued) == Identified('{"user_id":1}')

        assert [record for record in caplog.records if record.name != "asyncio"] == []


# No token in any log


KEPT = TokenSigner(SECRET).sign('{"user_id":42}', int(time()) + 3600)
TOKENS = {
    "good": KEPT,
    "foreign": token(ext='{"someone":42}'),
    "not JSON": token(ext="hello"),
    "expired": token(exp=1),
    "of another secret": token(OTHER),
    "without identifiers": token(ext=...),
    "exp is a string": token(exp="1"),
    "nbf is ahead": token(nbf=4102444800),
    "alg none": token(header={"alg": "none"}),
    "alg HS1": token(header={"alg": "HS1"}),
    "in two parts": KEPT.rpartition(".")[0],
    "cut": KEPT[:-7],
    "padded": f"{KEPT}==",
    "in quotes": f"%22{KEPT}%22",
    "and a semicolon": f"{KEPT};x",
    "and a broken escape": f"{KEPT}%zz",
}


def parts(text: str) -> list[str]:
    """Return the parts of a token that must not be seen: each segment that holds more than the usual header."""
    return [segment[:24] for segment in text.replace("%22", "").split(".")[1:] if len(segment) > 24]


def assert_unseen(text: str, *places: str) -> None:
    for part in parts(text):
        assert all(part not in place for place in places)


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """All of it: messages, tracebacks and what is attached. The log of the tests' own WebSocket client is no part."""
    records = [record for record in caplog.records if not record.name.startswith("websockets.client")]
    attached = "".join(str(record.__dict__) for record in records)
    return attached + "".join(logging.Formatter().format(record) for record in records)


class Failing(Connection):
    """A connection whose callbacks fail in every way."""

    identified_by = ("user_id",)

    def connect(self) -> None:
        raise RuntimeError("connect has failed")

    def disconnect(self) -> None:
        raise RuntimeError("disconnect has failed")


class Chat(Channel):
    def subscribed(self) -> None:
        _ = self.connection.user_id  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        self.stream_from("chat")

    def unsubscribed(self) -> None:
        raise RuntimeError("unsubscribed has failed")

    @action
    def speak(self, text: str) -> None:
        self.state["x"] = object()


def failing_on_error(error: Exception, callback: object) -> None:
    raise RuntimeError("on_error has failed")


def requests(text: str) -> list[Request]:
    """Return the requests that a client with this token causes, with and without a JWT session."""
    env = Env(f"http://localhost/cable?a=1&jid={text}", {"x-jid": text, "REMOTE_ADDR": "127.0.0.1"})
    query_only = Env(env.url, {})
    commands = [
        CommandMessage("subscribe", IDENTIFIER, identifiers, env=env)
        for identifiers in ('{"user_id":42}', '{"someone":42}', "{}", "hello", "", "[1]")
    ]
    commands += [
        CommandMessage("subscribe", identifier, '{"user_id":42}', env=env)
        for identifier in ('{"channel":"Nope"}', "garbage", '{"channel":"$pubsub"}')
    ]
    commands += [
        CommandMessage("message", IDENTIFIER, '{"user_id":42}', data, env)
        for data in ('{"action":"speak","text":"hi"}', '{"action":"speak","text":5}', '{"action":"nope"}', "garbage")
    ]
    commands += [CommandMessage("unsubscribe", IDENTIFIER, "{}", env=env), CommandMessage("nope", "", "{}", env=env)]
    ends = [DisconnectRequest(who, (IDENTIFIER, "garbage"), env) for who in ('{"user_id":42}', "hello")]
    return [ConnectionRequest(env), ConnectionRequest(query_only), *commands, *ends]


class TestNoTokenInALog:
    @pytest.mark.parametrize("connect_tokens", [True, False])
    @pytest.mark.parametrize("text", TOKENS.values(), ids=TOKENS)
    def test_of_the_rpc(self, mode: str, text: str, connect_tokens: bool, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        values = settings(secret=SECRET, connect_tokens=connect_tokens)
        app = App(mode, Failing, [Chat], settings=values, on_error=failing_on_error)

        answers: list[Response] = [app(request, sid="s1") for request in requests(text)]

        assert_unseen(text, logged(caplog), str(answers))
        assert len({record.getMessage() for record in caplog.records}) > 5

    @pytest.mark.parametrize("debug", [True, False])
    def test_of_what_is_answered_in_debugging(self, mode: str, debug: bool, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        app = App(mode, Failing, [Chat], settings=settings(secret=SECRET, debug=debug, connect_tokens=False))

        answers = [app(request) for request in requests(KEPT)]

        assert_unseen(KEPT, logged(caplog), str(answers))
        assert ("connect has failed" in str(answers)) is debug

    def test_of_the_grpc_server(self, grpc_server: GRPC, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        answers: list[Any] = []
        for text in TOKENS.values():
            answers += [grpc_server(*_encoded(request)) for request in requests(text)]
            answers += [grpc_server("Connect", b"\xff" + text.encode()), grpc_server("Nope", text.encode())]
            answers += [grpc_server("Connect", *_encoded(connect(text))[1:], protov="v9")]

        seen = logged(caplog) + "".join(map(str, answers))

        assert "Incompatible AnyCable RPC client" in seen
        for text in TOKENS.values():
            assert_unseen(text, seen)

    @pytest.mark.parametrize(
        "options",
        [
            {"secret": SECRET},
            {"secret": SECRET, "enforce_jwt": True},
            {"secret": SECRET, "jwt_secret": "none", "headers": ["cookie", "x-jid"]},
            {"secret": SECRET, "norpc": True},
        ],
    )
    def test_of_the_gateway(self, options: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        values = settings(**options)
        cable = Cable(Failing, [Chat], settings=values)
        gateway = Gateway(BytesHandler(Service(cable)).ahandle, GatewayOptions.of(values))
        server = GatewayRunning(gateway, gateway.options)
        try:
            for text in TOKENS.values():
                ways: list[dict[str, Any]] = [
                    {"query": f"?jid={text}"},
                    {"headers": {"X-JID": text}},
                    {"headers": {"X-JID": text, "X-Request-ID": "é"}},
                    {"subprotocols": ("actioncable-v1-json", f"anycable-token.{KEPT}")},
                ]
                for way in ways:
                    talk(server.address, **way)
        finally:
            server.run(gateway.shutdown())
            server.stop()

        for text in TOKENS.values():
            assert_unseen(text, logged(caplog))

    @pytest.mark.parametrize("arguments", [("--debug", "--log-grpc"), ("--log-level=debug",)])
    def test_of_the_programs(self, tmp_path: Path, arguments: tuple[str, ...]) -> None:
        """Whole processes, so that loggers of every library and the standard streams are there."""
        (tmp_path / "app.py").write_text(APP)
        port, rpc_port = free_port(), free_port()
        command = python(
            "anycable_rpc", "dev", "app:cable", f"--port={port}", f"--rpc-host=127.0.0.1:{rpc_port}", *arguments
        )
        with running(command, {"ANYCABLE_SECRET": SECRET}, tmp_path) as program:
            program.wait_for("Gateway is listening")
            with grpc.insecure_channel(f"127.0.0.1:{rpc_port}") as channel:
                for text in TOKENS.values():
                    talk(f"127.0.0.1:{port}", query=f"?jid={text}")
                    for request in requests(text):
                        method, data = _encoded(request)
                        unary(channel, method)(data, metadata=tuple(METADATA.items()), timeout=10)

        output = "\n".join(program.lines)
        assert "has failed" in output
        for text in TOKENS.values():
            assert_unseen(text, output)

    @pytest.mark.parametrize("text", TOKENS.values(), ids=TOKENS)
    @pytest.mark.parametrize("command", ["serve", "dev", "token", ""])
    def test_of_the_command_line(
        self, command: str, text: str, servers: Servers, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        for words in ((text,), ("--secret=x", text), ("--inspect", text), ("--inspect", text, "--secret", SECRET)):
            result = run(*([command] if command else []), *words)

            assert_unseen(text, result.output, logged(caplog))


APP = """
from anycable_rpc import Cable, Channel, Connection

class User(Connection):
    identified_by = ("user_id",)

    def connect(self):
        raise RuntimeError("connect has failed")

    def disconnect(self):
        raise RuntimeError("disconnect has failed")

class Chat(Channel):
    def subscribed(self):
        self.transmit(self.connection.user_id)
        raise RuntimeError("subscribed has failed")

cable = Cable(User, [Chat])
"""

GRPC = Callable[..., object]


@pytest.fixture(params=["def", "async"])
def grpc_server(request: pytest.FixtureRequest) -> Iterator[GRPC]:
    """Return a function that calls a sync or async server over a socket and returns its bytes or the error."""
    values = settings(secret=SECRET, rpc_host="127.0.0.1:0")
    app = App(request.param, Failing, [Chat], settings=values, on_error=failing_on_error)
    with ExitStack() as stack:
        address = _threaded(app, stack) if request.param == "def" else _asynchronous(app, stack)
        channel = stack.enter_context(grpc.insecure_channel(address))

        def call(method: str, data: bytes, **metadata: str) -> object:
            try:
                answer: object = unary(channel, method)(
                    data, metadata=tuple({**METADATA, **metadata}.items()), timeout=10
                )
            except grpc.RpcError as error:
                return error
            return answer

        yield call


def _threaded(app: App, stack: ExitStack) -> str:
    server = ThreadedServer(Service(app.cable))
    server.start()
    stack.callback(server.stop, 5)
    return server.address


def _asynchronous(app: App, stack: ExitStack) -> str:
    loop = LoopThread()
    stack.callback(loop.close)

    async def start() -> AsyncServer:
        server = AsyncServer(Service(app.cable))
        await server.start()
        return server

    server: AsyncServer = loop(start())
    stack.callback(lambda: loop(server.stop(5)))
    return server.address


def _encoded(request: Request) -> tuple[str, bytes]:
    methods = {ConnectionRequest: "Connect", CommandMessage: "Command", DisconnectRequest: "Disconnect"}
    return methods[type(request)], wire.encode_request(request)


def talk(address: str, query: str = "", **how: Any) -> None:
    """Connect, and after a welcome subscribe, send an unreadable message, and wait until the server closes."""
    with Client(f"ws://{address}/cable{query}", **how) as client:
        with suppress(ConnectionClosed):
            if client.next()["type"] == "welcome":
                client.send("subscribe", IDENTIFIER)
                client.send("message", IDENTIFIER, data="garbage")
                client.send_raw("garbage")
        client.last_words()
