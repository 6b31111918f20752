"""Cases that need a real anycable-go: the bytes that it sends, a restart under traffic, a long silence."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from anycable_rpc import Cable
from anycable_rpc.protocol.messages import METHOD_NAMES, CommandMessage, DisconnectRequest, Request
from anycable_rpc.settings.model import Settings
from anycable_rpc.transports.grpcio.server import ThreadedServer
from anycable_rpc.transports.service import Service
from app_example.chat import ChatChannel, ChatConnection

from ..contract.transports import self_signed
from .client import Client, NotReceived
from .processes import Program, free_port
from .servers import (
    SECRET,
    TERMINATED,
    broadcast_url,
    outside,
    over_http,
    running_anycable_go,
    running_rpc_server,
    running_web_server,
)

pytestmark = pytest.mark.usefixtures("anycable_go_binary")

SILENCE = 65  # seconds; grpcio's own defaults end the connection after 30
ENGINES = ["grpcio", "asyncio"]
OVER_HTTP = ["uvicorn", "gunicorn"]
ODD_NAMES = ["Ada", "Grüße \U0001f44b", 'a"b\\c', "<&>/+ ="]


class Recorder(Service):
    """A service that records the method and the identifiers of each call."""

    def __init__(self, cable: Cable) -> None:
        super().__init__(cable)
        self.identifiers: list[str] = []
        self.calls: list[str] = []
        self._news = threading.Condition()

    def answer(self, request: Request, *arguments: Any, **named: Any) -> Any:
        with self._news:
            self.calls.append(METHOD_NAMES[type(request)])
            if isinstance(request, CommandMessage):
                self.identifiers.append(request.connection_identifiers)
            if isinstance(request, DisconnectRequest):
                self.identifiers.append(request.identifiers)
            self._news.notify_all()
        return super().answer(request, *arguments, **named)

    def wait_for(self, method: str, times: int) -> None:
        """Wait until the method has been called that often."""
        with self._news:
            assert self._news.wait_for(lambda: self.calls.count(method) >= times, 10), self.calls


@contextmanager
def recorded(server: str) -> Generator[tuple[Recorder, str]]:
    """Run an RPC server in this process; yield the recorder and the address."""
    settings = Settings(secret=SECRET, rpc_host="127.0.0.1:0", http_broadcast_url=broadcast_url(server))
    recorder = Recorder(Cable(ChatConnection, channels=[ChatChannel], settings=settings))
    rpc = ThreadedServer(recorder)
    rpc.start()
    try:
        yield recorder, rpc.address
    finally:
        rpc.stop(5)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_identifiers_are_the_same_bytes_by_either_way(name: str) -> None:
    server = f"127.0.0.1:{free_port()}"
    with recorded(server) as (recorder, rpc_host), running_anycable_go(server, rpc_host):
        socket, cable = f"ws://{server}/cable", outside(server)
        for client in (Client(socket, cookie=name), Client(socket, token=cable.token(user=name))):
            with client:
                client.wait_for_type("welcome")
                client.enter("bytes")
                cable.disconnect(user=name)
                assert client.closed() == (1000, "Closed remotely")
        recorder.wait_for("Disconnect", times=2)
        assert recorder.identifiers == [cable.codec.dumps({"user": name})] * 4
        assert recorder.calls.count("Connect") == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_calls_over_tls(engine: str, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    server, port = f"127.0.0.1:{free_port()}", free_port()
    ours = {"ANYCABLE_RPC_TLS_CERT": str(certificate), "ANYCABLE_RPC_TLS_KEY": str(key), "ANYCABLE_RPC_ENGINE": engine}
    theirs = {"ANYCABLE_RPC_ENABLE_TLS": "true", "ANYCABLE_RPC_TLS_ROOT_CA": str(certificate)}
    with ExitStack() as stack:
        stack.enter_context(running_rpc_server(server, f"127.0.0.1:{port}", **ours))
        stack.enter_context(running_anycable_go(server, f"localhost:{port}", **theirs))  # as the certificate says
        clients = [stack.enter_context(Client(f"ws://{server}/cable", cookie=f"Ada {n}")) for n in range(20)]
        for number, client in enumerate(clients):
            room = client.enter("secrets")
            client.speak(room, f"nobody but us {number}")
        for client in clients:
            client.hears("nobody but us 19")


@contextmanager
def calls_answered(engine: str, server: str, address: str) -> Generator[Program]:
    """Run an RPC server with this engine, or a web server with the chat mounted."""
    if engine in OVER_HTTP:
        with running_web_server(engine, server, address) as web:
            yield web
    else:
        with running_rpc_server(server, address, ANYCABLE_RPC_ENGINE=engine) as rpc:
            yield rpc


@pytest.mark.parametrize("engine", ENGINES + OVER_HTTP)
def test_a_restart_of_the_rpc_server_loses_no_client(engine: str) -> None:
    server, address = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    socket, cable = f"ws://{server}/cable", outside(server)
    with ExitStack() as longer, ExitStack() as stack:  # the calls at the end of the connections find a server
        first = stack.enter_context(calls_answered(engine, server, address))
        stack.enter_context(running_anycable_go(server, over_http(address) if engine in OVER_HTTP else address))
        clients = [stack.enter_context(Client(socket, cookie=f"Ada {n}")) for n in range(5)]
        clients += [stack.enter_context(Client(socket, token=cable.token(user=f"Grace {n}"))) for n in range(5)]
        rooms = [client.enter("restart") for client in clients]
        talker = stack.enter_context(Client(socket, cookie="Talker"))

        with talking(talker, "restart") as talk:
            talk.wait_for(heard=20)
            assert first.stop() in ((0, TERMINATED) if engine == "uvicorn" else (0,))
            longer.enter_context(calls_answered(engine, server, address))
            talk.wait_for(heard=20 + talk.heard)

        for number, (client, room) in enumerate(zip(clients, rooms, strict=True)):
            client.speak(room, f"still here, {number}")
            client.hears(f"still here, {number}")
        for client in clients:
            client.hears("still here, 9")
            assert [frame for frame in client.received if frame.get("type") == "disconnect"] == []


class Talk:
    """A client that speaks, hears its own message, and speaks again. A message not heard in time counts as lost."""

    def __init__(self, client: Client, room: str) -> None:
        self.heard = 0
        self.lost = 0
        self.broken: BaseException | None = None
        self._client, self._room = client, client.enter(room)
        self._news = threading.Condition()
        self._enough = threading.Event()

    def run(self) -> None:
        try:
            while not self._enough.is_set():
                self._say_one()
        except BaseException as error:
            self.broken = error
        with self._news:
            self._news.notify_all()

    def _say_one(self) -> None:
        text = f"talk {self.heard + self.lost}"
        self._client.speak(self._room, text)
        try:
            self._client.hears(text, seconds=4)
            heard = True
        except NotReceived:
            heard = False
        with self._news:
            self.heard += heard
            self.lost += not heard
            self._news.notify_all()

    def wait_for(self, heard: int, seconds: float = 40) -> None:
        """Wait until so many messages have been heard."""
        with self._news:
            enough = self._news.wait_for(lambda: self.heard >= heard or self.broken, seconds)
        assert enough, f"heard only {self.heard}, lost {self.lost}"
        assert self.broken is None, f"after {self.heard} heard and {self.lost} lost: {self.broken!r}"

    def end(self) -> None:
        """Stop after the message that is under way."""
        self._enough.set()


@contextmanager
def talking(client: Client, room: str) -> Generator[Talk]:
    """Run a `Talk` in a thread."""
    talk = Talk(client, room)
    thread = threading.Thread(target=talk.run)
    thread.start()
    try:
        yield talk
    finally:
        talk.end()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_minute_of_silence_costs_no_connection(engine: str) -> None:
    server, rpc_host = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    verbose = {"GRPC_GO_LOG_SEVERITY_LEVEL": "info", "GRPC_GO_LOG_VERBOSITY_LEVEL": "2"}
    with ExitStack() as stack:
        stack.enter_context(running_rpc_server(server, rpc_host, ANYCABLE_RPC_ENGINE=engine))
        go = stack.enter_context(running_anycable_go(server, rpc_host, **verbose))
        client = stack.enter_context(Client(f"ws://{server}/cable", cookie="Ada"))
        room = client.enter("silence")
        before = len(connections(go))
        client.only_pings(seconds=SILENCE)
        client.speak(room, "and on we go")
        client.hears("and on we go")
        assert before == len(connections(go)) == 1, "\n".join(connections(go))


def connections(go: Program) -> list[str]:
    """Return the lines in which gRPC in anycable-go logs that it has connected."""
    return [line for line in go.lines if "change to READY" in line and "Subchannel" in line]
