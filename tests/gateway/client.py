"""A WebSocket client that shows everything: frames as strings, close codes, and that nothing came."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self

from websockets import Subprotocol
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from .scripted import LAST, PATIENCE

ACTION_CABLE = ("actioncable-v1-json",)


def _newer(**options: Any) -> dict[str, Any]:
    """Return the options that this version of websockets has."""
    known = {"max_queue": 14, "ping_interval": 15, "proxy": 15}
    installed = int(version("websockets").partition(".")[0])
    return {name: value for name, value in options.items() if installed >= known[name]}


class Client:
    """A connection. Pings of the server are kept in `pings`, and not returned."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        subprotocols: Sequence[str] | None = ACTION_CABLE,
        max_queue: int | None = 16,
        server_version: tuple[int, ...] = (1, 6),
    ) -> None:
        self._has_ping = server_version >= (1, 6)
        self.pings: list[dict[str, Any]] = []
        self._stack = ExitStack()
        opening = connect(
            url,
            additional_headers=headers or None,
            subprotocols=[Subprotocol(name) for name in subprotocols] if subprotocols else None,
            compression=None,
            open_timeout=PATIENCE,
            close_timeout=1,
            max_size=None,
            **_newer(proxy=None, ping_interval=None, max_queue=max_queue),
        )
        self._socket = self._stack.enter_context(opening)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def subprotocol(self) -> str | None:
        subprotocol: str | None = self._socket.subprotocol
        return subprotocol

    def close(self, code: int = 1000) -> None:
        self._socket.close(code)

    def hang_up(self) -> None:
        """End the TCP connection without a word."""
        self._socket.socket.shutdown(socket.SHUT_WR)

    def send_raw(self, frame: str | bytes) -> None:
        self._socket.send(frame)

    def send(self, command: str, identifier: str | None = None, **rest: Any) -> None:
        named = {} if identifier is None else {"identifier": identifier}
        self.send_raw(json.dumps({"command": command, **named, **rest}))

    def raw(self) -> str:
        """Return the next frame."""
        while True:
            text = self._socket.recv(PATIENCE)
            assert isinstance(text, str)
            if not text.startswith('{"type":"ping"'):
                return text
            self.pings.append(json.loads(text))

    def next(self) -> Any:
        """Return the next frame, decoded."""
        return json.loads(self.raw())

    def pending(self) -> list[Any]:
        """Return the answers to all commands sent so far: commands are done in order, so the answer to a ping is last.

        anycable-go 1.5 knows no ping of clients: there a subscription that is rejected is last.
        """
        if self._has_ping:
            self.send("ping")
            last = {"type": "pong"}
        else:
            self.send("subscribe", LAST)
            last = {"type": "reject_subscription", "identifier": LAST}
        frames: list[Any] = []
        while (frame := self.next()) != last:
            frames.append(frame)
        return frames

    def wait_for_ping(self) -> dict[str, Any]:
        """Return the next ping; no other frame may come before."""
        text = self._socket.recv(PATIENCE)
        ping: dict[str, Any] = json.loads(text)
        assert ping["type"] == "ping"
        return ping

    def subscribe(self, channel: str = "A", **answer: Any) -> str:
        """Subscribe to a channel of the scripted app, with this response; return the identifier."""
        identifier = json.dumps({"channel": channel, "answer": answer} if answer else {"channel": channel})
        self.send("subscribe", identifier)
        return identifier

    def perform(self, identifier: str, **answer: Any) -> None:
        """Perform an action to which the scripted app responds this."""
        self.send("message", identifier, data=json.dumps({"answer": answer}))

    def last_words(self) -> tuple[list[Any], int | None, str]:
        """Return the frames before the end, and the close frame's code (None without a close frame) and reason."""
        frames: list[Any] = []
        try:
            while True:
                frames.append(self.next())
        except ConnectionClosed as end:
            if end.rcvd is None:
                return frames, None, ""
            return frames, end.rcvd.code, end.rcvd.reason
