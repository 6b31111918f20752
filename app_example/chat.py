"""The chat behind the WebSockets: its visitors, and the actions that they may perform. Start reading here."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import unquote

from pydantic import StringConstraints

from anycable_rpc import Cable, Channel, Connection, action

ROOM = re.compile(r"[\w-]{1,30}")
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


def is_name(name: str) -> bool:
    """Return whether a visitor may have this name."""
    return 1 <= len(name) <= 30 and name.isprintable() and name == name.strip()


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

    @property
    def room(self) -> str:
        room = str(self.params.get("room", ""))
        return room if ROOM.fullmatch(room) else self.reject()


class ChatChannel(RoomChannel):
    """The messages of a room. Each passes through `speak`, so the name on it is right."""

    def subscribed(self) -> None:
        self.stream_from(f"chat/{self.room}")
        self.transmit({"type": "you", **self.author})
        self.presence_join()

    @action
    def arrive(self) -> None:
        """Join the presence again after a resumed session, for which `subscribed` does not run."""
        self.presence_join()

    @action
    def speak(self, text: Text) -> None:
        message = {"type": "message", **self.author, "text": text, "at": datetime.now(UTC).isoformat()}
        self.cable.broadcast(f"chat/{self.room}", message)

    @property
    def presence_info(self) -> dict[str, str]:
        return {"via": self.author["via"]}

    @property
    def author(self) -> dict[str, str]:
        return {"user": self.connection.user, "via": self.connection.state.get("via", "JWT")}


class TypingChannel(RoomChannel):
    """Typing notices, whispered between clients. The server checks no whisper, so they have their own stream."""

    def subscribed(self) -> None:
        self.stream_from(f"typing/{self.room}", whisper=True)


cable = Cable(ChatConnection, channels=[ChatChannel, TypingChannel])
