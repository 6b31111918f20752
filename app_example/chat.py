"""The chat behind the WebSockets: its visitors, and the actions that they may perform. Start reading here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import BaseModel, StringConstraints

from anycable_rpc import Cable, Channel, Connection, action

Room = Annotated[str, StringConstraints(pattern=r"^[\w-]{1,30}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


def is_name(name: str) -> bool:
    """Return whether a visitor may have this name."""
    return 1 <= len(name) <= 30 and name.isprintable() and name == name.strip()


class Author(BaseModel):
    """A visitor, and how they were identified: by a call to `connect`, or by a token."""

    user: str
    via: Literal["RPC", "JWT"]


class You(Author):
    """The name of the client that has subscribed, sent to this client alone."""

    type: Literal["you"] = "you"


class Message(Author):
    """A message that a client has sent to the room."""

    type: Literal["message"] = "message"
    text: str
    at: datetime


class Typing(BaseModel):
    """A whisper between clients: its user is typing."""

    user: str


class RoomParams(BaseModel):
    """The room to subscribe to. A client that names none, or one that cannot be, is rejected."""

    room: Room


class ChatConnection(Connection):
    """A visitor, identified by a name from a cookie, or from a signed token; then `connect` does not run."""

    identified_by = ("user",)
    user: str

    def connect(self) -> None:
        name = unquote(self.cookies.get("chat_name", ""))  # a real application looks up its session here
        self.user = name if is_name(name) else self.reject()
        self.state["via"] = "RPC"


class RoomChannel(Channel):
    """A channel for one room, which `params` name."""

    connection: ChatConnection
    params: RoomParams


class ChatChannel(RoomChannel):
    """The messages of a room. Each passes through `speak`, so the name on it is right."""

    messages = You | Message

    def subscribed(self) -> None:
        self.stream_from(f"chat/{self.params.room}")
        self.transmit(You(**self.author))
        self.presence_join()

    @action
    def arrive(self) -> None:
        """Join the presence again after a resumed session, for which `subscribed` does not run."""
        self.presence_join()

    @action
    def speak(self, text: Text) -> None:
        """Say something to the room."""
        message = Message(**self.author, text=text, at=datetime.now(UTC))
        self.cable.broadcast(f"chat/{self.params.room}", message)

    @property
    def presence_info(self) -> dict[str, str]:
        return {"via": self.author["via"]}

    @property
    def author(self) -> dict[str, Any]:
        return {"user": self.connection.user, "via": self.connection.state.get("via", "JWT")}


class TypingChannel(RoomChannel):
    """Typing notices, whispered between clients. The server checks no whisper, so they have their own stream."""

    messages = Typing

    def subscribed(self) -> None:
        self.stream_from(f"typing/{self.params.room}", whisper=True)


cable = Cable(ChatConnection, channels=[ChatChannel, TypingChannel])
