"""A plain WebSocket client of the Action Cable protocol. It keeps what it receives, and every wait has a deadline."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from time import monotonic
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import pytest
from websockets import Subprotocol
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PATIENCE = 10.0
Frame = dict[str, Any]


class NotReceived(AssertionError):
    """The awaited frame did not arrive in time; the message lists the frames that did."""


class Client:
    """A connection, identified by `cookie` (a name), by `token`, or by neither."""

    def __init__(self, socket: str, *, cookie: str | None = None, token: str | None = None) -> None:
        self.received: list[Frame] = []
        self.pings = 0
        self._stack = ExitStack()
        headers = {"Cookie": f"chat_name={quote(cookie)}"} if cookie is not None else {}
        address = f"{socket}?jid={token}" if token else socket
        protocol = Subprotocol("actioncable-v1-json")
        self._connect = partial(
            connect,
            address,
            subprotocols=[protocol],
            additional_headers=headers,
            proxy=None,
            open_timeout=PATIENCE,
            ping_interval=None,
            max_queue=None,  # so that a test that reads late is not a slow client
        )

    def __enter__(self) -> Self:
        self._socket = self._stack.enter_context(self._connect())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def send(self, command: str, identifier: str, **rest: Any) -> None:
        self._socket.send(json.dumps({"command": command, "identifier": identifier, **rest}))

    def subscribe(self, **params: Any) -> str:
        """Subscribe, wait for the confirmation, and return the identifier of the subscription."""
        identifier = json.dumps(params)
        self.send("subscribe", identifier)
        self.wait_for(lambda frame: frame.get("type") == "confirm_subscription" and frame["identifier"] == identifier)
        return identifier

    def enter(self, room: str) -> str:
        """Subscribe to the messages of a room and return the identifier of the subscription."""
        return self.subscribe(channel="ChatChannel", room=room)

    def perform(self, identifier: str, action: str, **payload: Any) -> None:
        self.send("message", identifier, data=json.dumps({"action": action, **payload}))

    def speak(self, identifier: str, text: str) -> None:
        """Perform `speak`, the action of the chat."""
        self.perform(identifier, "speak", text=text)

    def hears(self, text: str, seconds: float = PATIENCE) -> Frame:
        """Return the message with this text, from the frames received so far or from those to come."""
        for frame in self.received:
            if message_of(frame).get("text") == text:
                return message_of(frame)
        return message_of(self.wait_for(lambda frame: message_of(frame).get("text") == text, seconds))

    def wait_for_type(self, kind: str) -> Frame:
        """Wait for the next frame of this type and return it."""
        return self.wait_for(lambda frame: frame.get("type") == kind)

    def wait_for(self, fits: Callable[[Frame], bool], seconds: float = PATIENCE) -> Frame:
        """Wait for the next frame that fits and return it."""
        deadline = monotonic() + seconds
        while True:
            try:
                frame = self._next(deadline)
            except ConnectionClosed as error:
                raise AssertionError(f"{error!r}; received: {self.received}") from None
            if fits(frame):
                return frame

    def only_pings(self, seconds: float) -> None:
        """Assert that only pings arrive within this time, at least one."""
        before = self.pings
        with pytest.raises(NotReceived):
            self.wait_for(lambda frame: True, seconds)
        assert self.pings > before

    def closed(self) -> tuple[int, str]:
        """Wait for the server's close frame and return its code and reason."""
        deadline = monotonic() + PATIENCE
        with pytest.raises(ConnectionClosed) as ended:
            self._drain(deadline)
        close_frame = ended.value.rcvd
        assert close_frame, f"the connection ended without a close frame; received: {self.received}"
        return close_frame.code, close_frame.reason

    def _drain(self, deadline: float) -> None:
        """Take frames until the connection ends."""
        while True:
            self._next(deadline)

    def _next(self, deadline: float) -> Frame:
        """Return the next frame that is not a ping; count the pings before it."""
        while True:
            try:
                frame: Frame = json.loads(self._socket.recv(timeout=max(0, deadline - monotonic())))
            except TimeoutError:
                raise NotReceived(f"not in time; received: {self.received}") from None
            if frame.get("type") != "ping":
                self.received.append(frame)
                return frame
            self.pings += 1


def message_of(frame: Frame) -> Frame:
    """Return the message in a frame; {} when the frame has none."""
    message: Frame = frame["message"] if isinstance(frame.get("message"), dict) else {}
    return message
