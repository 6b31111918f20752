"""An app that uses every feature of channels; `tests/e2e/js/features.mjs` is its client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from anycable_rpc import Cable, Channel, Connection, action


class Refused(Exception):
    """Raised by an action; the middleware transmits its message to the client."""


@contextmanager
def explained(callback: Any) -> Iterator[None]:
    """Count the callbacks of a channel, and explain a refusal to the client."""
    callback.channel.state["callbacks"] = callback.channel.state.get("callbacks", 0) + 1
    try:
        yield
    except Refused as refusal:
        callback.channel.transmit({"refused": str(refusal), "callbacks": callback.channel.state["callbacks"]})


class User(Connection):
    identified_by = ("user",)
    user: str

    def connect(self) -> None:
        self.user = self.query_params.get("user") or self.reject()
        if self.user == "mallory":
            self.reject("banned")


class RoomChannel(Channel):
    connection: User
    middleware = (explained,)

    @property
    def room(self) -> str:
        return str(self.params["room"])

    @property
    def presence_info(self) -> dict[str, str]:
        return {"name": self.connection.user.title()}

    def subscribed(self) -> None:
        self.stream_from(self.room, whisper=True)
        self.stream_for(("user", self.connection.user))
        self.presence_join()

    @action
    def arrive(self) -> None:
        self.presence_join()

    @action
    def tell_others(self, text: str) -> None:
        with self.cable.to_others():
            self.cable.broadcast(self.room, text)

    @action
    def count(self, to: int) -> None:
        with self.cable.batch():
            for number in range(1, to + 1):
                self.cable.broadcast(self.room, number)

    @action
    def mention(self, text: str) -> None:
        self.cable.broadcast(self.room, text, transient=True)

    @action
    def tell(self, user: str, text: str) -> None:
        self.cable.broadcast_to(("user", user), text)

    @action
    def hush(self) -> None:
        self.stop_stream_for(("user", self.connection.user))

    @action
    def who(self) -> None:
        self.transmit({"here": sorted(record.id for record in self.cable.presence(self.room).records)})

    @action
    def refuse(self) -> None:
        raise Refused("not today")


cable = Cable(User, channels=[RoomChannel])
