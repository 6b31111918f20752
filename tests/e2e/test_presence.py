"""Presence: channels join and leave, and a program asks a real anycable-go who is there."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from time import monotonic

import pytest

from anycable_rpc import Cable, Channel, Connection, RequestFailed, action
from anycable_rpc.broadcasters.rest_api import Presence, PresenceRecord
from anycable_rpc.settings.model import Settings
from anycable_rpc.transports.grpcio.server import ThreadedServer
from anycable_rpc.transports.service import Service

from .client import PATIENCE, Client
from .processes import free_port
from .servers import SECRET, anycable_go_version, broadcast_url, running_anycable_go

pytestmark = pytest.mark.usefixtures("anycable_go_binary")


@pytest.fixture(autouse=True)
def since_1_6(anycable_go_binary: object) -> None:
    if anycable_go_version() < (1, 6):
        pytest.skip("presence came with anycable-go 1.6")


class User(Connection):
    identified_by = ("user",)


class RoomChannel(Channel):
    connection: User

    @property
    def presence_info(self) -> dict[str, str]:
        return {"name": f"User {self.connection.identifiers['user']}"}

    def subscribed(self) -> None:
        self.stream_from("room:1")
        self.presence_join()

    @action
    def go(self) -> None:
        self.presence_leave()


@contextmanager
def served(**variables: str) -> Generator[tuple[str, Cable]]:
    """Run anycable-go, and the RPC server in this process; yield the WebSocket and the cable."""
    server = f"127.0.0.1:{free_port()}"
    settings = Settings(secret=SECRET, rpc_host="127.0.0.1:0", http_broadcast_url=broadcast_url(server))
    cable = Cable(User, channels=[RoomChannel], settings=settings)
    rpc = ThreadedServer(Service(cable))
    rpc.start()
    try:
        with running_anycable_go(server, rpc.address, **variables):
            yield f"ws://{server}/cable", cable
    finally:
        rpc.stop(5)


@pytest.fixture
def room() -> Iterator[tuple[str, Cable]]:
    with served(ANYCABLE_BROKER="memory") as (socket, cable):
        wait_for_the_api(cable)
        yield socket, cable


def wait_for_the_api(cable: Cable) -> None:
    """Wait until anycable-go serves its API. It listens a moment earlier, and answers 404 then."""
    end = monotonic() + PATIENCE
    while True:
        try:
            cable.presence("nobody")
            return
        except RequestFailed as error:
            if "404" not in str(error) or monotonic() > end:
                raise


def test_who_has_joined_is_present_until_leaving(room: tuple[str, Cable]) -> None:
    socket, cable = room
    with Client(socket, token=cable.token(user="1")) as first, Client(socket, token=cable.token(user="2")) as second:
        identifier = first.subscribe(channel="RoomChannel")
        assert cable.presence("room:1") == Presence(1, (PresenceRecord("1", {"name": "User 1"}),))

        second.subscribe(channel="RoomChannel")
        joined = first.wait_for(lambda frame: frame.get("type") == "presence" and frame["message"]["id"] == "2")
        assert joined["message"] == {"type": "join", "id": "2", "info": {"name": "User 2"}}
        assert cable.presence("room:1").total == 2

        first.perform(identifier, "go")
        left = second.wait_for(lambda frame: frame.get("type") == "presence" and frame["message"]["type"] == "leave")
        assert left["message"]["id"] == "1"
        assert cable.presence("room:1") == Presence(1, (PresenceRecord("2", {"name": "User 2"}),))
        assert cable.presence("elsewhere") == Presence(0)


def test_without_a_broker_it_says_what_to_do() -> None:
    with served() as (_, cable), pytest.raises(RequestFailed, match="it answered 501: it keeps no presence"):
        cable.presence("room:1")


def test_with_another_key_it_says_what_to_do(room: tuple[str, Cable]) -> None:
    _, cable = room
    cable.settings = cable.settings.model_copy(update={"secret": None})

    with pytest.raises(RequestFailed, match="it answered 401: the keys differ"):
        cable.presence("room:1")
