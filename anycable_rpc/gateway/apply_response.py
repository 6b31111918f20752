"""The changes that the app's response to a command makes to a session (anycable-go `node/node.go`)."""

from __future__ import annotations

from ..errors import InvalidData
from ..protocol import go_json
from ..protocol.messages import CommandResponse, PresenceResponse, Status
from ..state import PRESENCE_KEY
from .core.client_frames import PresenceJoin
from .core.session import Session
from .endings import COMMAND_FAILED
from .node import Node

__all__ = ["apply"]


async def apply(node: Node, session: Session, command: str, identifier: str, response: CommandResponse) -> None:
    """Do what a response says: streams and state, transmissions, presence, and the end of the connection.

    An ERROR changes nothing. A session that ends on the way hears no more.
    """
    if session not in node.hub or response.status is Status.ERROR:
        return
    node.hub.apply(session, command, identifier, response)
    await node.receivers[session].transmit_all(response.transmissions)
    if session not in node.hub:
        return
    _apply_presence(node, session, identifier, response.presence)
    if response.disconnect:
        node.receivers[session].close(COMMAND_FAILED)


def _apply_presence(node: Node, session: Session, identifier: str, presence: PresenceResponse | None) -> None:
    if presence is None:
        return
    if presence.type == "join":
        node.join_presence(session, identifier, PresenceJoin(presence.id, _as_json(presence.info)))
    elif presence.type == "leave":
        stream = session.istates.get(identifier, {}).get(PRESENCE_KEY, "")
        node.leave_presence(session, stream)


def _as_json(info: str) -> str:
    """Return the info of a presence as JSON; info that is no JSON is a string (anycable-go `rpc/rpc.go`)."""
    try:
        value = go_json.loads(info)
    except InvalidData:
        return go_json.dumps(info) if info else ""
    return "" if value is None else go_json.dumps(value)
