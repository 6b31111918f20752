"""The life of one WebSocket, from its first frame to its last (anycable-go `node/session.go`)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from time import time

from ..protocol import transmissions
from .asgi import Receive, Send
from .conversation import Conversation
from .core import server_frames
from .core.options import GatewayOptions
from .endings import NO_PONG, TOO_BIG, TOO_SLOW, Ending, NoClose, allows_return, reason_of
from .handshake import Handshake
from .outbox import Outbox, size_of

__all__ = ["Client"]

_PER_SECOND: Mapping[str, int] = {"ms": 10**3, "ns": 10**9}


class Client:
    """Reads and writes one WebSocket, pings it, and gives what it reads to a conversation, a frame at a time.

    Meanwhile others may transmit to it or close it.
    """

    _reader: asyncio.Task[None]

    def __init__(self, conversation: Conversation, handshake: Handshake, options: GatewayOptions) -> None:
        self._conversation = conversation
        self._handshake = handshake
        self._options = options
        self._outbox = Outbox(options.max_pending_size, options.write_timeout)
        self._is_listening = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._last_frame_at = 0.0

    async def run(self, receive: Receive, send: Send) -> Ending:
        """Serve the connection until its end; return the ending."""
        self._schedule_ping(random.uniform(0.5, 1.5))  # noqa: S311 - spreads the pings of clients over time
        self._expect_pong()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._reader = tasks.create_task(self._read(receive))
                writer = tasks.create_task(self._write(send))
            return writer.result()
        finally:
            self._end_session("the client has gone")

    # The receiver that others use

    def transmit(self, frame: str) -> None:
        """Queue a frame; close the connection when too much waits already."""
        if not self._outbox.put(frame):
            self.close(TOO_SLOW, transmissions.disconnect("too_slow", True))

    async def transmit_all(self, frames: Iterable[str]) -> None:
        """Queue frames as fast as the client takes them; for frames that only this client waits for."""
        for frame in frames:
            await self._outbox.wait_for_room()
            self.transmit(frame)

    def close(self, ending: Ending, last_frame: str = "") -> None:
        """End the session now, and the connection after the frames that wait and `last_frame`."""
        self._outbox.end(ending, last_frame)
        self._end_session(reason_of(ending), may_return=allows_return(ending))

    def abandon(self) -> None:
        """End at once, and cancel a command that runs."""
        self._outbox.abandon()
        self._end_session("the client has gone")
        self._reader.cancel()

    # The two tasks

    async def _read(self, receive: Receive) -> None:
        await self._conversation.start()
        while not self._conversation.has_ended:
            self._is_listening = True
            event = await receive()
            self._is_listening = False
            if event["type"] == "websocket.disconnect":
                self._outbox.abandon()
                self._end_session("the client has gone")
            elif not self._conversation.has_ended:
                await self._take(event.get("text") or event.get("bytes") or "")

    async def _write(self, send: Send) -> Ending:
        """Write until the end. As in anycable-go, the end does not stop a command that runs."""
        ending = await self._outbox.drain(send)
        self._end_session("too slow to take a frame" if ending is NoClose.DROP else "the client has gone")
        if self._is_listening:
            self._reader.cancel()
        return ending

    async def _take(self, frame: str | bytes) -> None:
        self._last_frame_at = max(self._last_frame_at, asyncio.get_running_loop().time())
        size = len(frame) if isinstance(frame, bytes) else size_of(frame)
        if size > self._options.max_message_size:
            self.close(TOO_BIG)
        else:
            await self._conversation.receive(frame)

    def _end_session(self, reason: str, *, may_return: bool = True) -> None:
        """Stop the timers and end the session (idempotent)."""
        for timer in self._timers.values():
            timer.cancel()
        self._conversation.end(reason, may_return=may_return)

    # Pings and pongs

    def _schedule(self, name: str, delay: float, action: Callable[[], None]) -> None:
        self._timers[name] = asyncio.get_running_loop().call_later(delay, action)

    def _schedule_ping(self, intervals: float = 1) -> None:
        interval = self._handshake.ping_interval
        if interval > 0:
            self._schedule("ping", intervals * interval, self._ping)

    def _ping(self) -> None:
        per_second = _PER_SECOND.get(self._handshake.ping_precision, 1)
        self._schedule_ping()
        self.transmit(server_frames.ping(int(time() * per_second)))

    def _expect_pong(self) -> None:
        """Set the deadline for a pong. Any frame of the client counts as a pong, as in anycable-go 1.6."""
        timeout = self._options.pong_timeout
        if timeout > 0 and self._handshake.is_extended:
            # the deadline counts from the first ping, which goes out after one interval
            self._last_frame_at = asyncio.get_running_loop().time() + self._handshake.ping_interval
            self._schedule("pong", timeout + self._handshake.ping_interval, self._check_pong)

    def _check_pong(self) -> None:
        remaining = self._last_frame_at + self._options.pong_timeout - asyncio.get_running_loop().time()
        if remaining > 0:
            self._schedule("pong", remaining, self._check_pong)
        else:
            self.close(NO_PONG, transmissions.disconnect("no_pong", True))
