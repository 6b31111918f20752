"""Test clients receive what clients of a served gateway receive.

The gateway itself is compared with anycable-go in `tests/gateway/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import pytest

from anycable_rpc import Cable
from anycable_rpc.gateway import Gateway
from anycable_rpc.testing import TestServer
from anycable_rpc.testing.upgrade import upgrade
from anycable_rpc.testing.wire import Wire

from ..gateway.client import Client
from ..gateway.servers import Running
from ..support.both_ways import App, settings
from .chat import ChatChannel, User
from .ways import SECRET

ROOM, SECRET_ROOM, BROKEN_ROOM, NOWHERE = (
    json.dumps({"channel": channel, "room": room}, separators=(",", ":"))
    for channel, room in [("ChatChannel", "1"), ("ChatChannel", "secret"), ("ChatChannel", "broken"), ("Nowhere", "1")]
)
Step = tuple[int, str, str, dict[str, Any]]
"""The number of a client, and its command."""


def perform(client: int, action: str, **payload: Any) -> Step:
    return client, "message", ROOM, {"data": json.dumps({"action": action, **payload})}


STEPS: list[Step] = [
    (0, "subscribe", ROOM, {}),
    (1, "subscribe", ROOM, {}),
    (0, "subscribe", ROOM, {}),
    perform(0, "speak", text="<hi> ü"),
    perform(1, "speak_to_others", text="others"),
    perform(0, "speak_twice", text="batch"),
    perform(0, "echo", text="echo"),
    perform(0, "fail"),
    perform(0, "nothing"),
    perform(0, "join"),
    perform(1, "join"),
    (1, "presence", ROOM, {}),
    (0, "whisper", ROOM, {"data": {"typing": True}}),
    perform(1, "leave"),
    (1, "subscribe", SECRET_ROOM, {}),
    (1, "subscribe", BROKEN_ROOM, {}),
    (1, "subscribe", NOWHERE, {}),
    (1, "message", SECRET_ROOM, {"data": '{"action":"echo","text":"nobody"}'}),
    perform(1, "stop"),
    perform(0, "speak", text="only ann"),
    (1, "unsubscribe", ROOM, {}),
    (1, "subscribe", ROOM, {}),
    perform(0, "follow", stream="log"),
    perform(0, "kick", user_id="bob"),
]


@pytest.mark.parametrize("mode", ["def", "async"])
def test_frames_are_the_same(mode: str) -> None:
    ann, bob = by_test_clients(cable_of(mode))

    assert [ann, bob] == by_websockets(cable_of(mode))
    assert len(ann) > 12


def cable_of(mode: str) -> Cable:
    return App(mode, User, [ChatChannel], settings=settings(secret=SECRET, ping_interval=0)).cable


def by_test_clients(cable: Cable) -> list[list[str]]:
    """Return the frames of each client, sent and received in this thread."""
    with TestServer(cable, raise_exceptions=False) as server:
        wires = [wire(server, name) for name in ("ann", "bob")]
        for client, command, identifier, rest in STEPS:
            wires[client].run(wires[client].send(command, identifier, **rest), "")
        return [plain(frame.value for frame in wire.inbox.frames) for wire in wires]


def wire(server: TestServer, name: str) -> Wire:
    client = Wire(server, upgrade(server.node.options, name, cookies={"user_id": name}), None)
    client.run(client.conversation.start(), "")
    return client


def by_websockets(cable: Cable) -> list[list[str]]:
    """Return the frames of each client of a served gateway."""
    gateway = Gateway.of(cable)
    cable.broadcaster = gateway
    server = Running(gateway, gateway.options)
    try:
        with ExitStack() as stack:
            clients = [
                stack.enter_context(Client(f"ws://{server.address}/cable", {"Cookie": f"user_id={name}"}))
                for name in ("ann", "bob")
            ]
            frames: list[list[Any]] = [[client.next()] for client in clients]
            for client, command, identifier, rest in STEPS[:-1]:
                clients[client].send(command, identifier, **rest)
                for number in (client, 1 - client):
                    frames[number] += clients[number].pending()
            client, command, identifier, rest = STEPS[-1]
            clients[client].send(command, identifier, **rest)
            frames[1] += clients[1].last_words()[0]
            frames[0] += [clients[0].next(), clients[0].next()]
            return [plain(each) for each in frames]
    finally:
        server.run(gateway.shutdown())
        server.stop()


def plain(frames: Iterable[dict[str, Any]]) -> list[str]:
    """Return the frames without what differs from run to run, sorted.

    A server does not say whether a broadcast comes before or after the answer to the call that has broadcast it.
    """
    varies = {"sid", "epoch", "offset", "stream_id"}
    kept = ({name: value for name, value in frame.items() if name not in varies} for frame in frames)
    return sorted(json.dumps(frame) for frame in kept)
