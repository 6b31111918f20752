"""What each command of a client does (anycable-go `node/node.go`). What makes no sense is passed over in silence."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING

from ..protocol.log_lines import happened
from ..protocol.messages import CommandResponse, Status
from ..state import PRESENCE_KEY
from .core import server_frames as frames
from .core.client_frames import Message
from .core.hub import frame

if TYPE_CHECKING:
    from .client import Client

__all__ = ["COMMANDS", "Command"]

logger = logging.getLogger("anycable_rpc")

Command = Callable[["Client", Message], Awaitable[None]]


async def _subscribe(client: Client, message: Message) -> None:
    identifier = message.identifier
    if identifier in client.session.subscriptions:
        return
    own = client.node.streams.subscribe(identifier)
    concerns_app = client.node.calls.is_real and (own is None or own.status is Status.FAILURE)
    response = await _ask(client, "subscribe", identifier, own=own)
    if client.is_closed or response.status is Status.ERROR:
        return
    if not response.disconnect:  # an app that ends the connection here does not hear of its end
        client.mark(concerns_app)
    await client.apply("subscribe", identifier, response)
    if response.status is Status.SUCCESS:
        await _history(client, message)
        await _join(client, message)


async def _unsubscribe(client: Client, message: Message) -> None:
    if message.identifier in client.session.subscriptions:
        own = client.node.streams.unsubscribe(message.identifier)
        response = await _ask(client, "unsubscribe", message.identifier, own=own)
        stream = _presence_stream(client, message)
        await client.apply("unsubscribe", message.identifier, response)
        if stream and response.status is not Status.ERROR:
            client.node.leave_presence(client.session, stream)


async def _perform(client: Client, message: Message) -> None:
    if message.identifier in client.session.subscriptions and isinstance(message.data, str):
        response = await _ask(client, "message", message.identifier, message.data)
        await client.apply("message", message.identifier, response)


async def _whisper(client: Client, message: Message) -> None:
    client.node.deliver(client.node.hub.whisper(client.session, message.identifier, message.data))


async def _ping(client: Client, message: Message) -> None:
    client.transmit(frames.PONG)


async def _presence(client: Client, message: Message) -> None:
    stream = _presence_stream(client, message)
    if stream:
        client.transmit(frames.presence(message.identifier, client.node.broker.present(stream)))


async def _join(client: Client, message: Message) -> None:
    if message.identifier in client.session.subscriptions and message.presence:
        client.node.join_presence(client.session, message.identifier, message.presence)


async def _leave(client: Client, message: Message) -> None:
    stream = _presence_stream(client, message)
    if stream:
        client.node.leave_presence(client.session, stream)


async def _history(client: Client, message: Message) -> None:
    wanted, identifier = message.history, message.identifier
    if identifier in client.session.subscriptions and wanted:
        missed = client.node.broker.missed(client.session.streams.get(identifier, {}), wanted)
        await client.say(frame(broadcast, identifier) for broadcast in missed or ())
        await client.say([frames.history(identifier, missed is not None)])


def _presence_stream(client: Client, message: Message) -> str:
    """Where the subscription's presence is kept, if there is such a subscription."""
    if message.identifier not in client.session.subscriptions:
        return ""
    return client.session.istates.get(message.identifier, {}).get(PRESENCE_KEY, "")


async def _ask(
    client: Client, command: str, identifier: str, data: str = "", own: CommandResponse | None = None
) -> CommandResponse:
    """The answer of the app, unless the gateway has one of its own; and a line about it."""
    sid, began = client.session.sid, perf_counter()
    request = client.session.command(command, identifier, data)
    response = own or await client.node.calls.command(sid, request)
    logger.info("%s", happened(request, response, perf_counter() - began, sid))
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
"""Of those that are not here, `pong` needs no answer."""
