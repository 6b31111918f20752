"""The measured apps: the same callbacks as `def` and as `async def`, a chat of each, and an app that only computes."""

from __future__ import annotations

from anycable_rpc import Cable, Channel, Connection, action


class User(Connection):
    identified_by = ("user_id",)

    def connect(self) -> None:
        self.user_id = self.cookies.get("user_id") or self.reject()


class Chat(Channel):
    def subscribed(self) -> None:
        self.stream_from(f"chat/{self.params['room']}")

    @action
    def speak(self, text: str) -> None:
        self.transmit({"text": text})


class AsyncUser(Connection):
    identified_by = ("user_id",)

    async def connect(self) -> None:
        self.user_id = self.cookies.get("user_id") or self.reject()


class AsyncChat(Channel):
    name = "Chat"

    async def subscribed(self) -> None:
        self.stream_from(f"chat/{self.params['room']}")

    @action
    async def speak(self, text: str) -> None:
        self.transmit({"text": text})


class Room(Channel):
    name = "Chat"

    def subscribed(self) -> None:
        self.stream_from(f"chat/{self.params['room']}")

    @action
    def speak(self, text: str) -> None:
        self.cable.broadcast(f"chat/{self.params['room']}", {"text": text})


class AsyncRoom(Channel):
    name = "Chat"

    async def subscribed(self) -> None:
        self.stream_from(f"chat/{self.params['room']}")

    @action
    async def speak(self, text: str) -> None:
        await self.cable.abroadcast(f"chat/{self.params['room']}", {"text": text})


class Busy(Channel):
    name = "Chat"

    def subscribed(self) -> None:
        self.stream_from(f"chat/{self.params['room']}")

    @action
    def speak(self, text: str) -> None:
        """Compute for about two milliseconds."""
        total = 0
        for number in range(30_000):
            total += number
        self.transmit({"text": text, "total": total})


plain = Cable(User, [Chat])
asynchronous = Cable(AsyncUser, [AsyncChat])
chat = Cable(User, [Room])
asynchronous_chat = Cable(AsyncUser, [AsyncRoom])
busy = Cable(User, [Busy])
