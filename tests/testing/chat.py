"""The app of these tests: a chat with all that a channel can do."""

from __future__ import annotations

from anycable_rpc import Channel, Connection, action


class User(Connection):
    identified_by = ("user_id",)
    user_id: str

    def connect(self) -> None:
        self.user_id = self.cookies.get("user_id") or self.headers.get("x-user") or self.reject()
        self.state["via"] = self.query_params.get("via", "nothing")
        if self.user_id == "broken":
            raise ValueError("the database is gone")
        if self.user_id == "banned":
            self.reject("banned", reconnect=True)
        if self.user_id == "greeted":
            self.transmit({"hello": self.user_id})


class ChatChannel(Channel):
    connection: User

    @property
    def stream(self) -> str:
        return f"chat/{self.params['room']}"

    @property
    def presence_info(self) -> dict[str, str]:
        return {"name": self.connection.user_id.title()}

    def subscribed(self) -> None:
        if self.params["room"] == "broken":
            raise ValueError("no such room")
        if self.params["room"] == "secret":
            self.reject()
        self.stream_from(self.stream, whisper=True)
        self.state["visits"] = 1

    def unsubscribed(self) -> None:
        self.cable.broadcast("log", f"{self.connection.user_id} has left {self.params['room']}")

    @action
    def speak(self, text: str) -> None:
        self.cable.broadcast(self.stream, {"user": self.connection.user_id, "text": text})

    @action
    def speak_to_others(self, text: str) -> None:
        with self.cable.to_others():
            self.cable.broadcast(self.stream, text)

    @action
    def echo(self, text: str) -> None:
        self.transmit(text)
        self.state["visits"] += 1

    @action
    def speak_twice(self, text: str) -> None:
        with self.cable.batch():
            self.cable.broadcast(self.stream, f"{text} 1")
            self.cable.broadcast("other", f"{text} 2")
            self.transmit("in the batch")

    @action
    def follow(self, stream: str) -> None:
        self.stream_from(stream)

    @action
    def stop(self) -> None:
        self.stop_all_streams()

    @action
    def join(self) -> None:
        self.presence_join(stream=self.stream)

    @action
    def leave(self) -> None:
        self.presence_leave()

    @action
    def kick(self, user_id: str) -> None:
        self.cable.disconnect(user_id=user_id, reconnect=False)
        self.cable.broadcast("log", f"{user_id} is kicked")

    @action
    def close(self) -> None:
        self.connection.close("enough", reconnect=False)

    @action
    def fail(self) -> None:
        self.transmit("before")
        raise LookupError("no such message")
