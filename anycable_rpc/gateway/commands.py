"""The commands of a client (anycable-go `node/node.go`). A command that makes no sense is ignored in silence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter

from ..protocol.messages import CommandResponse, Status
from ..state import PRESENCE_KEY
from .apply_response import apply
from .core import server_frames
from .core.client_frames import Message
from .core.hub import broadcast_frame
from .core.session import Session
from .events import CommandAnswered
from .node import Node

__all__ = ["COMMANDS", "Command"]

Command = Callable[[Node, Session, Message], Awaitable[None]]


async def _subscribe(node: Node, session: Session, message: Message) -> None:
    identifier = message.identifier
    if identifier in session.subscriptions:
        return
    own = node.signed_channels.subscribe(identifier)
    concerns_app = node.calls.has_app and (own is None or own.status is Status.FAILURE)
    response = await _respond(node, session, "subscribe", identifier, own=own)
    if session not in node.hub or response.status is Status.ERROR:
        return
    if not response.disconnect:  # an app that ends the connection here gets no Disconnect call
        node.set_concerns_app(session, concerns_app)
    await apply(node, session, "subscribe", identifier, response)
    if response.status is Status.SUCCESS:
        await _history(node, session, message)
        await _join(node, session, message)


async def _unsubscribe(node: Node, session: Session, message: Message) -> None:
    if message.identifier in session.subscriptions:
        own = node.signed_channels.unsubscribe(message.identifier)
        response = await _respond(node, session, "unsubscribe", message.identifier, own=own)
        stream = _presence_stream(session, message)
        await apply(node, session, "unsubscribe", message.identifier, response)
        if stream and response.status is not Status.ERROR:
            node.leave_presence(session, stream)


async def _perform(node: Node, session: Session, message: Message) -> None:
    if message.identifier in session.subscriptions and isinstance(message.data, str):
        response = await _respond(node, session, "message", message.identifier, message.data)
        await apply(node, session, "message", message.identifier, response)


async def _whisper(node: Node, session: Session, message: Message) -> None:
    node.deliver(node.hub.whisper(session, message.identifier, message.data))


async def _ping(node: Node, session: Session, message: Message) -> None:
    node.receivers[session].transmit(server_frames.PONG)


async def _presence(node: Node, session: Session, message: Message) -> None:
    stream = _presence_stream(session, message)
    if stream:
        frame = server_frames.presence(message.identifier, node.broker.presence_info(stream))
        node.receivers[session].transmit(frame)


async def _join(node: Node, session: Session, message: Message) -> None:
    if message.identifier in session.subscriptions and message.presence:
        node.join_presence(session, message.identifier, message.presence)


async def _leave(node: Node, session: Session, message: Message) -> None:
    stream = _presence_stream(session, message)
    if stream:
        node.leave_presence(session, stream)


async def _history(node: Node, session: Session, message: Message) -> None:
    wanted, identifier = message.history, message.identifier
    if identifier in session.subscriptions and wanted:
        receiver = node.receivers[session]
        missed = node.broker.missed(session.streams.get(identifier, {}), wanted)
        await receiver.transmit_all(broadcast_frame(broadcast, identifier) for broadcast in missed or ())
        await receiver.transmit_all([server_frames.history(identifier, missed is not None)])


def _presence_stream(session: Session, message: Message) -> str:
    """Return the stream that keeps the presence of a subscription; empty when there is none."""
    if message.identifier not in session.subscriptions:
        return ""
    return session.istates.get(message.identifier, {}).get(PRESENCE_KEY, "")


async def _respond(
    node: Node, session: Session, command: str, identifier: str, data: str = "", own: CommandResponse | None = None
) -> CommandResponse:
    """Return the gateway's own response if there is one, else the app's, and note it in the journal."""
    began = perf_counter()
    request = session.command(command, identifier, data)
    response = own or await node.calls.command(session.sid, request)
    node.journal.tell(CommandAnswered(session.sid, request, response, perf_counter() - began))
    return response


COMMANDS: Mapping[str, Command] = {
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "message": _perform,
    "whisper": _whisper,
    "ping": _ping,
    "presence": _presence,
    "join": _join,
    "leave": _leave,
    "history": _history,
}
"""The commands that do something. `pong` is not among them: it needs no answer."""
