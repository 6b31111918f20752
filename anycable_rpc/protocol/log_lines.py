"""One line for each thing that happens: who connected, what was subscribed to, what was performed and how fast.

A line has no token, no secret and no payload: of a message it names the action, of a subscription the parameters
that are not named like a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InvalidData, shorten
from . import json_text
from .messages import (
    CommandMessage,
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    Request,
    Response,
    Status,
)

__all__ = ["happened", "named", "refused", "subscription"]

_PRIVATE = re.compile("secret|token|passw|sign|key|jwt|auth|cred", re.IGNORECASE)
_MOST = 200  # characters of what a client has chosen
_ENDS = {Status.SUCCESS: 0, Status.FAILURE: 1, Status.ERROR: 2}
_COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "subscribe": ("subscribed to", "rejected", "could not subscribe to"),
    "unsubscribe": ("unsubscribed from", "unsubscribed from", "could not unsubscribe from"),
}
_OTHER = "performed", "performed", "could not perform"


def happened(request: Request, response: Response, seconds: float, sid: str) -> str:
    """The line for a call that has been answered."""
    return named(f"{_WORDS[type(request)](request, response)} in {seconds * 1000:.1f} ms", sid)


def named(said: str, sid: str) -> str:
    """The line, and whose it is."""
    return f"{said} [sid={sid}]" if sid else said


def refused(response: ConnectionResponse) -> str:
    """Why the app refuses a client: the reason that it gives to the client itself."""
    said = next((found for found in map(_object, reversed(response.transmissions)) if "reason" in found), {})
    return f"refused by RPC: {shorten(said['reason'], _MOST)}" if said else "refused by RPC"


def subscription(identifier: str) -> str:
    """The channel and its parameters."""
    params = _object(identifier)
    channel = params.pop("channel", None)
    if not isinstance(channel, str):
        return shorten(identifier, _MOST) if not params else "a channel without a name"
    said = ", ".join(f"{shorten(name, 40)[1:-1]}: {_shown(name, value)}" for name, value in params.items())
    return f"{shorten(channel, 80)[1:-1]}{f' ({said})'[:_MOST] if said else ''}"


def _connect(request: ConnectionRequest, response: ConnectionResponse) -> str:
    if response.status is Status.SUCCESS:
        return f"connected {shorten(response.identifiers, _MOST)} by RPC"
    return refused(response) if response.status is Status.FAILURE else "could not connect a client"


def _command(request: CommandMessage, response: Any) -> str:
    words = _COMMANDS.get(request.command, _OTHER)[_ENDS[response.status]]
    action = "" if request.command in _COMMANDS else f"{_action(request.data)} on "
    streams = ", ".join(shorten(stream, 80)[1:-1] for stream in response.streams[:5])
    return f"{words} {action}{subscription(request.identifier)}{f', streaming {streams}' if streams else ''}"


def _disconnect(request: DisconnectRequest, response: Response) -> str:
    words = "disconnected" if response.status is Status.SUCCESS else "disconnected, with errors,"
    return f"{words} {shorten(request.identifiers, _MOST)} with {len(request.subscriptions)} subscriptions"


_WORDS: Mapping[type[Request], Callable[[Any, Any], str]] = {
    ConnectionRequest: _connect,
    CommandMessage: _command,
    DisconnectRequest: _disconnect,
}


def _action(data: str) -> str:
    action = _object(data).get("action")
    return shorten(action, 80)[1:-1] if action and isinstance(action, str) else "receive"


def _shown(name: str, value: object) -> str:
    is_public = isinstance(value, str | int | float | None) and not _PRIVATE.search(name)
    return shorten(value, 60) if is_public else "…"


def _object(text: str) -> dict[str, Any]:
    try:
        value = json_text.loads(text)
    except InvalidData:
        return {}
    return value if isinstance(value, dict) else {}
