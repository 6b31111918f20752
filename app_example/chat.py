"""The chat behind the sockets: who is there, and what they may do. Start reading here."""

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
    """Whether somebody may be called that."""
    return 1 <= len(name) <= 30 and name.isprintable() and name == name.strip()


class ChatConnection(Connection):
    """A visitor, known by name: from a cookie, or from a signed token, and then `connect` does not run."""

    identified_by = ("user",)
    user: str

    def connect(self) -> None:
        name = unquote(self.cookies.get("chat_name", ""))  # a real application looks up its session here
        self.user = name if is_name(name) else self.reject()
        self.state["via"] = "RPC"


class RoomChannel(Channel):
    """What goes on in one room."""

    connection: ChatConnection

    @property
    def room(self) -> str:
        room = str(self.params.get("room", ""))
        return room if ROOM.fullmatch(room) else self.reject()


class ChatChannel(RoomChannel):
    """Messages: every one passes through `speak`, so the name on it is right."""

    def subscribed(self) -> None:
        self.stream_from(f"chat/{self.room}")
        self.transmit({"type": "you", **self.author})
        self.presence_join()

    @action
    def arrive(self) -> None:
        """Be present again, after the client has resumed its session: then `subscribed` does not run."""
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
    """Who is typing: clients whisper it to each other. Nobody checks a whisper, so it has its own stream."""

    def subscribed(self) -> None:
        self.stream_from(f"typing/{self.room}", whisper=True)


cable = Cable(ChatConnection, channels=[ChatChannel, TypingChannel])
