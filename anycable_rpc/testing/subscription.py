"""A subscription of a test client: what it streams, and what the client has received for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import IgnoredCommand
from ..protocol import json_text
from ..protocol.messages import CommandResponse, Response
from ..state import PRESENCE_KEY, State
from .inbox import Frame
from .presence import present_in
from .recorded import Recorded
from .wire import Wire

__all__ = ["Subscription"]


class Subscription:
    """A subscription, as `TestClient.subscribe` returns it: confirmed or rejected.

    All lists are as they are now: ask again after the next verb.
    """

    def __init__(self, wire: Wire, channel: str, params: Mapping[str, Any]) -> None:
        self.channel = channel
        self.params = dict(params)
        self.identifier = json_text.dumps({"channel": channel, **params})
        self._wire = wire
        self._begin = self._forgotten = len(wire.inbox.frames)
        self._end: int | None = None
        self._answer: CommandResponse | None = None

    # Verbs

    def perform(self, action: str, /, **payload: Any) -> CommandResponse | None:
        """Perform an action, and return the response of the app.

        Raises:
            IgnoredCommand: the client is not subscribed.
            EventLoopRunning: see `aperform`.
            Exception: what the action has raised, or the client's mistake that it would not hear of.
        """
        return self._wire.run(self._message({**payload, "action": action}), "chat.aperform")

    async def aperform(self, action: str, /, **payload: Any) -> CommandResponse | None:
        """`perform` for async tests."""
        return await self._wire.arun(self._message({**payload, "action": action}))

    def whisper(self, data: Any) -> None:
        """Whisper to the other subscribers of the stream that the channel has started with `whisper=True`.

        As in anycable-go, nobody hears it where there is no such stream, and the app is not called.
        """
        self._wire.run(self._whisper(data), "chat.awhisper")

    async def awhisper(self, data: Any) -> None:
        """`whisper` for async tests."""
        await self._wire.arun(self._whisper(data))

    def unsubscribe(self) -> None:
        """Unsubscribe: the callback `unsubscribed` runs."""
        self._wire.run(self._unsubscribe(), "chat.aunsubscribe")

    async def aunsubscribe(self) -> None:
        """`unsubscribe` for async tests."""
        await self._wire.arun(self._unsubscribe())

    def clear(self) -> None:
        """Forget what was received and transmitted so far."""
        self._forgotten = len(self._wire.inbox.frames)

    async def start(self) -> None:
        """Subscribe; for `TestClient.subscribe`.

        Raises:
            IgnoredCommand: the client has this subscription already.
        """
        if self.is_active:
            raise IgnoredCommand(f"anycable-go ignores the command subscribe, since {self._title} is confirmed already")
        self._note(await self._wire.send("subscribe", self.identifier))

    # What became of it

    @property
    def confirmed(self) -> bool:
        """True when the subscription was confirmed."""
        return self._has("confirm_subscription")

    @property
    def rejected(self) -> bool:
        """True when the subscription was rejected."""
        return self._has("reject_subscription")

    @property
    def is_active(self) -> bool:
        """True while the client is subscribed."""
        return not self._is_over and self.identifier in self._wire.session.subscriptions

    @property
    def answer(self) -> CommandResponse | None:
        """The last response of the app; None for a channel that anycable-go serves itself."""
        return self._answer

    @property
    def streams(self) -> list[str]:
        """The names of the streams, in the order in which they were started."""
        return Recorded(self._streams(), self._lines)

    @property
    def state(self) -> dict[str, Any]:
        """The state that anycable-go keeps for this subscription."""
        return dict(State(self._istate))

    @property
    def presence(self) -> dict[str, Any]:
        """The ids that are present in the stream that the channel has joined, each with its info (None without any)."""
        stream = "" if self._is_over else self._istate.get(PRESENCE_KEY, "")
        return present_in(self._wire.server.node.broker, stream) if stream else {}

    @property
    def received(self) -> list[Any]:
        """The messages that streams have delivered: broadcasts and whispers, in order. Presence is not among them."""
        return Recorded(self._messages(is_streamed=True), self._lines)

    @property
    def transmissions(self) -> list[Any]:
        """The messages that the channel has transmitted to this client, in order."""
        return Recorded(self._messages(is_streamed=False), self._lines)

    def __repr__(self) -> str:
        seen = f"received={list(self.received)!r}, transmissions={list(self.transmissions)!r}"
        return f"<Subscription {self._title} {self._status}, streams={self._streams()!r}, {seen}>"

    # How

    @property
    def _title(self) -> str:
        return " ".join([self.channel, *(f"{name}={value!r}" for name, value in self.params.items())])

    @property
    def _status(self) -> str:
        if self.rejected:
            return f"rejected ({self._answer.error_msg})" if self._answer and self._answer.error_msg else "rejected"
        if not self.confirmed:
            return "neither confirmed nor rejected"
        return "confirmed" if self.is_active else "ended"

    @property
    def _is_over(self) -> bool:
        return self._wire.conversation.has_ended or self._end is not None

    @property
    def _istate(self) -> Mapping[str, str]:
        return self._wire.session.istates.get(self.identifier, {})

    def _streams(self) -> list[str]:
        return [] if self._is_over else list(self._wire.session.streams.get(self.identifier, ()))

    def _lines(self) -> list[str]:
        return [
            f"{self._title}: {self._status}",
            f"  streamed: {self._streams()!r}",
            f"  received: {list(self._messages(is_streamed=True))!r}",
            f"  transmitted: {list(self._messages(is_streamed=False))!r}",
        ]

    def _frames(self, begin: int) -> Iterator[Frame]:
        frames = self._wire.inbox.frames[begin : self._end]
        return (frame for frame in frames if frame.members.get("identifier") == self.identifier)

    def _has(self, type_: str) -> bool:
        return any(frame.members.get("type") == type_ for frame in self._frames(self._begin))

    def _messages(self, *, is_streamed: bool) -> Iterator[Any]:
        for frame in self._frames(self._forgotten):
            members = frame.members
            if frame.is_streamed is is_streamed and "message" in members and members.get("type") != "presence":
                yield members["message"]

    async def _message(self, payload: Mapping[str, Any]) -> CommandResponse | None:
        self._note(await self._command("message", data=json_text.dumps(payload)))
        return self._answer

    async def _whisper(self, data: Any) -> None:
        await self._command("whisper", data=data)

    async def _unsubscribe(self) -> None:
        self._note(await self._command("unsubscribe"))
        if self.identifier not in self._wire.session.subscriptions:
            self._end = len(self._wire.inbox.frames)

    async def _command(self, command: str, **rest: Any) -> Response | None:
        if not self.is_active:
            raise IgnoredCommand(f"anycable-go ignores the command {command}, since {self._title} is {self._status}")
        return await self._wire.send(command, self.identifier, **rest)

    def _note(self, answer: Response | None) -> None:
        self._answer = answer if isinstance(answer, CommandResponse) else None
