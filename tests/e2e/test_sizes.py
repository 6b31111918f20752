"""Answers that are too large for anycable-go, and requests that are too large for the RPC server."""

from __future__ import annotations

import os
import textwrap
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ..support.paths import PROJECT
from . import servers
from .client import Client
from .processes import Program, free_port

LIMIT = 4 * 2**20
APP = """
    from anycable_rpc import Cable, Channel, Connection, action

    HUGE = "x" * 4_300_000

    def note(name):
        print(f"<{name}>", flush=True)

    class User(Connection):
        identified_by = ("name",)

        async def unused(self): ...

        DEF connect(self):
            self.name = self.cookies["chat_name"]
            if self.name == "Huge":
                note("connect")
                self.transmit(HUGE)

    class Greedy(Channel):
        DEF subscribed(self):
            note("subscribed")
            self.stream_from("greedy")
            self.transmit(HUGE)

    class Room(Channel):
        DEF subscribed(self):
            self.stream_from("room")

        DEF unsubscribed(self):
            note("unsubscribed")
            self.transmit(HUGE)

        @action
        DEF speak(self):
            note("speak")
            self.transmit(HUGE)

        @action
        DEF keep(self):
            note("keep")
            self.state["kept"] = HUGE

        @action
        DEF grow(self, name: str):
            note("grow")
            self.connection.state[name] = "x" * 3_000_000

        @action
        DEF echo(self, text: str):
            self.transmit({"text": text})

    cable = Cable(User, channels=[Greedy, Room])
    if cable.settings.secret:
        asgi, wsgi = cable.asgi(), cable.wsgi()
"""


@contextmanager
def serving(kind: str, keyword: str, folder: Path, **settings: str) -> Generator[tuple[str, Program]]:
    """Run the app behind the gateway, or behind anycable-go with an engine; yield its WebSocket and its process."""
    (folder / "greedy.py").write_text(textwrap.dedent(APP).replace("DEF", keyword))
    path = os.pathsep.join((str(folder), str(PROJECT)))
    own = {"ANYCABLE_APP": "greedy:cable", "PYTHONPATH": path, **settings}
    if kind == "gateway":
        with servers.gateway(0, **own) as chat:
            yield chat.socket, chat.programs["rpc"]
        return
    server, rpc_host = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        if kind in servers.WEB_SERVERS:
            web = stack.enter_context(servers.running_web_server(kind, server, rpc_host, app="greedy", **own))
            stack.enter_context(servers.running_anycable_go(server, servers.over_http(rpc_host), **settings))
            yield f"ws://{server}/cable", web
            return
        rpc = stack.enter_context(servers.running_rpc_server(server, rpc_host, ANYCABLE_RPC_ENGINE=kind, **own))
        stack.enter_context(servers.running_anycable_go(server, rpc_host, **settings))
        yield f"ws://{server}/cable", rpc


@pytest.fixture(params=["gateway", "grpcio", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param != "gateway":
        request.getfixturevalue("anycable_go_binary")
    return str(request.param)


@pytest.fixture(params=["gateway", "grpcio", "asyncio", "uvicorn", "gunicorn"])
def kind_or_web_server(request: pytest.FixtureRequest) -> str:
    if request.param != "gateway":
        request.getfixturevalue("anycable_go_binary")
    return str(request.param)


@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_too_large_an_answer_runs_its_callback_once(kind: str, keyword: str, tmp_path: Path) -> None:
    with serving(kind, keyword, tmp_path) as (socket, rpc), Client(socket, cookie="Ada") as client:
        room = client.subscribe(channel="Room")
        client.perform(room, "speak")
        client.perform(room, "keep")
        client.send("subscribe", '{"channel":"Greedy"}')
        client.wait_for_type("reject_subscription")
        client.perform(room, "echo", text="still here")
        client.hears("still here")
        client.send("unsubscribe", room)
        with Client(socket, cookie="Huge") as refused:
            refused.closed()
        for callback in ("Room.speak", "Room.keep", "Greedy.subscribed", "Room.unsubscribed", "User.connect"):
            rpc.wait_for(rf"{callback} failed: the answer has 43\d+ bytes, more than the {LIMIT} ")
        client.only_pings(seconds=7)

    ran = Counter(line.strip() for line in rpc.lines if line.startswith("<"))
    wanted = {f"<{name}>": 1 for name in ("speak", "keep", "subscribed", "connect")}
    assert ran.pop("<unsubscribed>") >= 1  # at the end of the connection too, where anycable-go thinks so
    assert ran == wanted


def test_too_large_a_request_is_refused_once(kind_or_web_server: str, tmp_path: Path) -> None:
    with serving(kind_or_web_server, "def", tmp_path) as (socket, rpc), Client(socket, cookie="Ada") as client:
        room = client.subscribe(channel="Room")
        client.perform(room, "grow", name="first")
        client.perform(room, "grow", name="second")
        client.perform(room, "echo", text="too much")
        rpc.wait_for(rf"the request has .* {LIMIT} ")
        client.only_pings(seconds=7)
        warnings = [line for line in rpc.lines if "the request has" in line]

    assert len(warnings) == 1


def test_the_limit_of_both_can_be_raised_by_one_variable(kind: str, tmp_path: Path) -> None:
    sizes = {"ANYCABLE_RPC_MAX_CALL_RECV_SIZE": "6000000", "ANYCABLE_RPC_MAX_CALL_SEND_SIZE": "8000000"}
    with serving(kind, "def", tmp_path, **sizes) as (socket, _), Client(socket, cookie="Ada") as client:
        room = client.subscribe(channel="Room")
        client.perform(room, "keep")
        client.perform(room, "grow", name="one")
        client.perform(room, "echo", text="as large as that")
        client.hears("as large as that")
