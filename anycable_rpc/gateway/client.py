"""One WebSocket, from its first frame to its last (anycable-go `node/session.go`)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from time import time
from typing import TYPE_CHECKING, Any

from ..errors import InvalidData, shorten
from ..protocol import go_json, transmissions
from ..protocol.log_lines import named, refused
from ..protocol.messages import CommandResponse, PresenceResponse, Status
from ..state import PRESENCE_KEY
from .commands import COMMANDS
from .core import server_frames as frames
from .core.authentication import AskApp, Failed, Identified, Refused
from .core.client_frames import Present, decode
from .core.session import Session, merge
from .outbox import Close, Ending, NoClose, Outbox, Send, size_of

if TYPE_CHECKING:
    from .handshake import Handshake
    from .node import Node

__all__ = ["CLOSED_REMOTELY", "SERVER_RESTART", "Client", "Receive"]

logger = logging.getLogger("anycable_rpc")

Receive = Callable[[], Awaitable[Any]]

AUTH_FAILED = Close(1000, "Auth Failed")
AUTH_ERROR = Close(1011, "Auth Error")
TOO_SLOW = Close(1000)
NO_PONG = Close(1000, "No Pong")
TOO_BIG = Close(1009)
UNREADABLE = Close(1003, "Unreadable message")
CLOSED_REMOTELY = Close(1000, "Closed remotely")
SERVER_RESTART = Close(1001, "Server restart")
COMMAND_FAILED = NoClose.DROP
"""anycable-go writes 1006 here, which no endpoint may write (RFC 6455, section 7.4.1)."""

_LOST = (TOO_SLOW, NO_PONG)
"""Endings after which a session may be resumed; others were meant."""

_WHY: Mapping[Ending, str] = {
    TOO_SLOW: "too slow for what is sent to it",
    NO_PONG: "no pong in time",
    TOO_BIG: "a frame was too big",
    UNREADABLE: "a frame could not be read",
    COMMAND_FAILED: "the app has ended it",
    CLOSED_REMOTELY: "closed remotely",
    SERVER_RESTART: "the server stops",
}

_PER_SECOND: Mapping[str, int] = {"ms": 10**3, "ns": 10**9}


class Client:
    """Does one command after another; meanwhile others may write to it or close it."""

    _reader: asyncio.Task[None]

    def __init__(self, node: Node, handshake: Handshake) -> None:
        self.node = node
        self.session = Session(handshake.sid, handshake.url, handshake.headers)
        self.is_closed = False
        self._handshake = handshake
        self._outbox = Outbox(node.options.max_pending_size, node.options.write_timeout)
        self._is_listening = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._heard_at = 0.0

    async def run(self, receive: Receive, send: Send) -> Ending:
        """Serve it until its end, and say how that is."""
        self._schedule_ping(random.uniform(0.5, 1.5))  # noqa: S311 - so that clients do not come all at once
        self._expect_pong()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._reader = tasks.create_task(self._read(receive))
                writer = tasks.create_task(self._write(send))
            return writer.result()
        finally:
            self._leave()

    # What others do with it

    def transmit(self, text: str) -> None:
        """Write a frame, some time."""
        if not self._outbox.put(text):
            self.close(TOO_SLOW, transmissions.disconnect("too_slow", True))

    async def say(self, texts: Iterable[str]) -> None:
        """Write frames that only this client waits for: as fast as it takes them."""
        for text in texts:
            await self._outbox.room()
            self.transmit(text)

    async def apply(self, command: str, identifier: str, response: CommandResponse) -> None:
        """Do what the answer to a command says. An ERROR says nothing, and nobody hears after the end."""
        if self.is_closed or response.status is Status.ERROR:
            return
        self.node.hub.apply(self.session, command, identifier, response)
        await self.say(response.transmissions)
        if self.is_closed:
            return
        self._be_present(identifier, response.presence)
        if response.disconnect:
            self.close(COMMAND_FAILED)

    def mark(self, concerns_app: bool) -> None:
        """Note whether the app wants to hear of the end; once it does it always does."""
        modes = {"auto": concerns_app, "always": True, "never": False}
        self.session.concerns_app = self.session.concerns_app or modes[self.node.options.disconnect_mode]

    def close(self, ending: Ending, last: str = "") -> None:
        """End it: what waits is still written, and `last`; nothing that it says counts any more."""
        self._outbox.end(ending, last)
        self._leave(_WHY.get(ending, "closed"), may_return=ending in _LOST)

    def abandon(self) -> None:
        """End it at once, whatever it is doing."""
        self._outbox.abandon()
        self._leave()
        self._reader.cancel()

    # Its two tasks

    async def _read(self, receive: Receive) -> None:
        await self._authenticate()
        while not self.is_closed:
            self._is_listening = True
            event = await receive()
            self._is_listening = False
            if event["type"] == "websocket.disconnect":
                self._outbox.abandon()
                self._leave()
            elif not self.is_closed:
                await self._perform(event.get("text") or event.get("bytes") or "")

    async def _write(self, send: Send) -> Ending:
        """A command that runs is not stopped by the end of the connection, as in anycable-go."""
        ending = await self._outbox.drain(send)
        self._leave("too slow to take a frame" if ending is NoClose.DROP else "the client has gone")
        if self._is_listening:
            self._reader.cancel()
        return ending

    async def _authenticate(self) -> None:
        session = self.session
        match self.node.authenticator.identify(session.sid, session.url, session.headers):
            case Identified(identifiers, is_anonymous):
                session.is_anonymous = is_anonymous
                self.mark(False)
                by = "nobody: all are let in" if is_anonymous else "token"
                await self._come_in(identifiers, (transmissions.welcome(session.sid),), by)
            case Refused(reason, why):
                self._log(f"refused ({reason}): {why}")
                self.close(AUTH_FAILED, transmissions.disconnect(reason, False))
            case Failed(why):
                self._log(f"refused: {why}")
                self.close(AUTH_ERROR)
            case AskApp():
                await self._connect()

    async def _connect(self) -> None:
        response = await self.node.calls.connect(self.session)
        if self.is_closed:
            return
        if response.status is Status.ERROR:
            self._log("refused: the app failed to say who this is")
            self.close(AUTH_ERROR)
            return
        merge(self.session.cstate, response.env.cstate if response.env else {})
        if response.status is Status.SUCCESS:
            self.mark(True)
            await self._come_in(response.identifiers, response.transmissions, "RPC")
        else:
            self._log(refused(response))
            await self.say(response.transmissions)
            self.close(AUTH_FAILED)

    async def _come_in(self, identifiers: str, texts: tuple[str, ...], by: str) -> None:
        """Be there for the others: anew, or where an earlier session was, which is known to be the same client's.

        anycable-go asks nobody who resumes a session; here everything is as at every connection, but for the welcome.
        """
        self.session.identifiers = identifiers
        earlier = self.node.broker.earlier(self.session, self._handshake.earlier_sid)
        if earlier:
            self.session.resume(earlier)
            texts = (frames.restored(self.session.sid, self.session.subscriptions), *filter(_is_no_welcome, texts))
        resumed = ", resuming an earlier session" if earlier else ""
        self._log(f"connected {shorten(self.session.identifiers, 200)} by {by}{resumed}")
        self.node.hub.add(self.session)
        self.node.broker.arrive(self.session, is_resumable=self._handshake.is_extended)
        await self.say(texts)

    async def _perform(self, frame: str | bytes) -> None:
        self._heard_at = max(self._heard_at, asyncio.get_running_loop().time())
        size = len(frame) if isinstance(frame, bytes) else size_of(frame)
        if size > self.node.options.max_message_size:
            self.close(TOO_BIG)
            return
        try:
            message = decode(frame)
            if message is not None and message.command in COMMANDS:
                await COMMANDS[message.command](self, message)
        except InvalidData as error:
            logger.warning("closing: a frame of the client cannot be read: %s [sid=%s]", error, self.session.sid)
            self.close(UNREADABLE)

    def _be_present(self, identifier: str, said: PresenceResponse | None) -> None:
        if said is None:
            return
        if said.type == "join":
            self.node.join_presence(self.session, identifier, Present(said.id, _json(said.info)))
        elif said.type == "leave":
            stream = self.session.istates.get(identifier, {}).get(PRESENCE_KEY, "")
            self.node.leave_presence(self.session, stream)

    def _schedule(self, name: str, after: float, action: Callable[[], None]) -> None:
        self._timers[name] = asyncio.get_running_loop().call_later(after, action)

    def _schedule_ping(self, after: float = 1) -> None:
        interval = self._handshake.ping_interval
        if interval > 0:
            self._schedule("ping", after * interval, self._ping)

    def _ping(self) -> None:
        per_second = _PER_SECOND.get(self._handshake.ping_precision, 1)
        self._schedule_ping()
        self.transmit(frames.ping(int(time() * per_second)))

    def _expect_pong(self) -> None:
        """Whatever the client says counts as a pong, as in anycable-go 1.6."""
        timeout = self.node.options.pong_timeout
        if timeout > 0 and self._handshake.is_extended:
            loop = asyncio.get_running_loop()
            self._heard_at = loop.time() + self._handshake.ping_interval  # the first ping takes its time
            self._schedule("pong", timeout + self._handshake.ping_interval, self._check_pong)

    def _check_pong(self) -> None:
        left = self._heard_at + self.node.options.pong_timeout - asyncio.get_running_loop().time()
        if left > 0:
            self._schedule("pong", left, self._check_pong)
        else:
            self.close(NO_PONG, transmissions.disconnect("no_pong", True))

    def _log(self, said: str) -> None:
        logger.info("%s", named(said, self.session.sid))

    def _leave(self, why: str = "the client has gone", *, may_return: bool = True) -> None:
        """Be gone for the others, once."""
        if self.is_closed:
            return
        self.is_closed = True
        if self.session in self.node.hub:
            self._log(f"disconnected {shorten(self.session.identifiers, 200)}: {why}")
        for timer in self._timers.values():
            timer.cancel()
        self.node.depart(self.session, may_return=may_return)


def _json(info: str) -> str:
    """What the app says of somebody is JSON, or else a text (anycable-go `rpc/rpc.go`)."""
    try:
        value = go_json.loads(info)
    except InvalidData:
        return go_json.dumps(info) if info else ""
    return "" if value is None else go_json.dumps(value)


def _is_no_welcome(text: str) -> bool:
    try:
        return go_json.fields(go_json.loads(text), {"type": object}).get("type") != "welcome"
    except InvalidData:
        return True
