"""The life of one session: the client is identified, and then its commands are done."""

from __future__ import annotations

import logging

from ..errors import InvalidData
from ..protocol import go_json, transmissions
from ..protocol.log_lines import refused
from ..protocol.messages import Status
from .commands import COMMANDS
from .core import server_frames
from .core.authentication import AskApp, Denied, Failed, Identified
from .core.client_frames import decode
from .core.session import Session, merge
from .endings import AUTH_ERROR, AUTH_FAILED, UNREADABLE, Ending
from .events import ClientRefused, Connected, Disconnected
from .handshake import Handshake
from .node import Node

__all__ = ["Conversation"]

logger = logging.getLogger("anycable_rpc")


class Conversation:
    """Identifies one client and does its commands. It has no socket of its own: it sends through the node."""

    def __init__(self, node: Node, handshake: Handshake) -> None:
        self.session = Session(handshake.sid, handshake.url, handshake.headers)
        self.has_ended = False
        self._node = node
        self._handshake = handshake

    async def start(self) -> None:
        """Find out who the client is, and start the session or refuse the client."""
        session = self.session
        match self._node.authenticator.identify(session.sid, session.url, session.headers):
            case Identified(identifiers, is_anonymous):
                session.is_anonymous = is_anonymous
                self._node.set_concerns_app(session, False)
                by = "--noauth or --public" if is_anonymous else "token"
                await self._start_session(identifiers, (transmissions.welcome(session.sid),), by)
            case Denied(reason, detail):
                self._refuse(f"refused ({reason}): {detail}", AUTH_FAILED, transmissions.disconnect(reason, False))
            case Failed(detail):
                self._refuse(f"refused: {detail}", AUTH_ERROR)
            case AskApp():
                await self._connect()

    async def receive(self, frame: str | bytes) -> None:
        """Do the command in a frame. Ignore an unknown command; close when the frame cannot be read."""
        try:
            message = decode(frame)
            if message is not None and message.command in COMMANDS:
                await COMMANDS[message.command](self._node, self.session, message)
        except InvalidData as error:
            logger.warning("closing: a frame of the client cannot be read: %s [sid=%s]", error, self.session.sid)
            self._close(UNREADABLE)

    def end(self, reason: str, *, may_return: bool) -> None:
        """Unregister the session (idempotent).

        Args:
            reason: for the log.
            may_return: whether the client may resume the session.
        """
        if self.has_ended:
            return
        self.has_ended = True
        if self.session in self._node.hub:
            self._node.journal.tell(Disconnected(self.session.sid, self.session.identifiers, reason))
            self._node.session_ended(self.session, may_return=may_return)

    async def _connect(self) -> None:
        response = await self._node.calls.connect(self.session)
        if self.has_ended:
            return
        if response.status is Status.ERROR:
            self._refuse("refused: the app's answer to Connect is an error", AUTH_ERROR)
            return
        merge(self.session.cstate, response.env.cstate if response.env else {})
        if response.status is Status.SUCCESS:
            self._node.set_concerns_app(self.session, True)
            await self._start_session(response.identifiers, response.transmissions, "RPC")
        else:
            self._node.journal.tell(ClientRefused(self.session.sid, refused(response)))
            await self._transmit_all(response.transmissions)
            self._close(AUTH_FAILED)

    async def _start_session(self, identifiers: str, greeting: tuple[str, ...], by: str) -> None:
        """Register the session, resuming an earlier one if it is the same client's.

        anycable-go identifies nobody who resumes a session. Here a resumed connection differs from a new one only in
        its welcome.
        """
        self.session.identifiers = identifiers
        earlier = self._node.broker.find_earlier(self.session, self._handshake.earlier_sid)
        if earlier:
            self.session.resume(earlier)
            restored = server_frames.restored(self.session.sid, self.session.subscriptions)
            greeting = (restored, *filter(_is_no_welcome, greeting))
        self._node.journal.tell(Connected(self.session.sid, self.session.identifiers, by, is_resumed=bool(earlier)))
        self._node.session_started(self.session, is_resumable=self._handshake.is_extended)
        await self._transmit_all(greeting)

    def _refuse(self, description: str, ending: Ending, last_frame: str = "") -> None:
        self._node.journal.tell(ClientRefused(self.session.sid, description))
        self._close(ending, last_frame)

    async def _transmit_all(self, frames: tuple[str, ...]) -> None:
        await self._node.receivers[self.session].transmit_all(frames)

    def _close(self, ending: Ending, last_frame: str = "") -> None:
        self._node.receivers[self.session].close(ending, last_frame)


def _is_no_welcome(frame: str) -> bool:
    try:
        return go_json.fields(go_json.loads(frame), {"type": object}).get("type") != "welcome"
    except InvalidData:
        return True
