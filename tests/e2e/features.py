"""An app with what channels can do besides answering: `tests/e2e/js/features.mjs` is its client."""

from __future__ import annotations

from anycable_rpc import Cable, Channel, Connection, action


class User(Connection):
    identified_by = ("user",)
    user: str

    def connect(self) -> None:
        self.user = self.query_params.get("user") or self.reject()


class RoomChannel(Channel):
    connection: User

    @property
    def room(self) -> str:
        return str(self.params["room"])

    @property
    def presence_info(self) -> dict[str, str]:
        return {"name": self.connection.user.title()}

    def subscribed(self) -> None:
        self.stream_from(self.room, whisper=True)
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


cable = Cable(User, channels=[RoomChannel])
