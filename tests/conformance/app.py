"""The app behind the servers: a connection and channels, as a user of the package writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from anycable_rpc import Cable, Channel, Connection, action

HEADERS = ("cookie", "x-api-token")
"""Headers that the servers forward."""

RULES: Mapping[str, Callable[[Connection], bool]] = {
    "url": lambda caller: urlsplit(caller.url).hostname == "127.0.0.1",
    "cookies": lambda caller: caller.cookies.get("name") == "ada lovelace",
    "headers": lambda caller: caller.headers.get("x-api-token") == "open",
    "nobody": lambda caller: False,
}
"""Conditions to connect, by the parameter `rule`; without it everybody may."""


class Visitor(Connection):
    identified_by = ("user",)
    user: str

    def connect(self) -> None:
        rule = RULES.get(self.query_params.get("rule", ""))
        if rule and not rule(self):
            self.reject()
        self.user = self.query_params.get("user", "")


class Plain(Channel):
    """A channel with actions, and nothing else."""

    @action
    def tick(self) -> None:
        self.transmit("tock")

    @action
    def echo(self, text: str) -> None:
        self.transmit({"said": text})


class Closed(Channel):
    def subscribed(self) -> None:
        self.reject()


class Secret(Channel):
    """Only for connections with the password in their URL."""

    def subscribed(self) -> None:
        if self.connection.query_params.get("password") != "sesame":
            self.reject()


class Greeting(Channel):
    def subscribed(self) -> None:
        self.transmit("hello")
        self.transmit("goodbye")


class Room(Channel):
    """Streams from all `rooms`; a subscriber with a `name` is announced when they leave."""

    def subscribed(self) -> None:
        for room in self.params["rooms"]:
            self.stream_from(room, whisper=self.params.get("whispers", False))

    def unsubscribed(self) -> None:
        if name := self.params.get("name"):
            self.cable.broadcast(self.params["rooms"][0], {"left": name})

    @action
    def leave(self, room: str) -> None:
        self.stop_stream_from(room)

    @action
    def say(self, text: str) -> None:
        self.cable.broadcast(self.params["rooms"][0], {"text": text})

    @action
    def say_to_others(self, text: str) -> None:
        with self.cable.to_others():
            self.cable.broadcast(self.params["rooms"][0], {"text": text})


class Counter(Channel):
    """Keeps a number and the name of the client in its state."""

    def subscribed(self) -> None:
        self.state["count"] = 1
        self.state["user"] = {"name": self.params["name"]}
        self.stream_from(self.params["room"])

    def unsubscribed(self) -> None:
        self.cable.broadcast(self.params["room"], {"gone": self.state["user"]["name"], "at": self.state["count"]})

    @action
    def add(self) -> None:
        self.state["count"] += 2
        self.transmit({"count": self.state["count"], "name": self.state["user"]["name"]})


class Visited(Channel):
    """Presence by the connection's own identifier."""

    @property
    def presence_info(self) -> Any:
        return {"name": self.connection.query_params["name"]}

    def subscribed(self) -> None:
        self.stream_from("visited")
        if self.connection.identifiers["user"]:
            self.presence_join()


class Signed(Channel):
    """Presence by an id of its own, in a stream of its own."""

    def subscribed(self) -> None:
        self.stream_from("signed")
        if user := self.connection.identifiers["user"]:
            self.presence_join(f"guest-{user}", {"alias": self.connection.query_params["name"]}, stream="guests")


class Gate(Channel):
    """Presence by actions of the client."""

    def subscribed(self) -> None:
        self.stream_from("gate")

    @action
    def enter(self, name: str) -> None:
        self.presence_join(info={"name": name}, stream="gate")

    @action
    def leave(self) -> None:
        self.presence_leave()


CHANNELS = (Plain, Closed, Secret, Greeting, Room, Counter, Visited, Signed, Gate)


def make_cable() -> Cable:
    """Return the app; its broadcaster is set when the server runs."""
    return Cable(Visitor, channels=CHANNELS)
