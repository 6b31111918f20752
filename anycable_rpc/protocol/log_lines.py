"""The log line of a call: the client that connected, the subscription, the action, and the time it took.

A line holds no token, no secret and no payload. For a message it names the action. For a subscription it shows the
parameters, except those with a name like `secret` or `token`.
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

__all__ = ["call_line", "named", "refused", "subscription"]

_PRIVATE = re.compile("secret|token|passw|sign|key|jwt|auth|cred", re.IGNORECASE)
_LONGEST = 200  # characters that a client has chosen
_ENDS = {Status.SUCCESS: 0, Status.FAILURE: 1, Status.ERROR: 2}
_COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "subscribe": ("subscribed to", "rejected", "could not subscribe to"),
    "unsubscribe": ("unsubscribed from", "unsubscribed from", "could not unsubscribe from"),
}
_OTHER = "performed", "performed", "could not perform"


def call_line(request: Request, response: Response, seconds: float, sid: str) -> str:
    """Return the line for a call that has been answered."""
    return named(f"{_WORDS[type(request)](request, response)} in {seconds * 1000:.1f} ms", sid)


def named(line: str, sid: str) -> str:
    """Return the line with the session id, if there is one."""
    return f"{line} [sid={sid}]" if sid else line


def refused(response: ConnectionResponse) -> str:
    """Return the line for a refused client, with the reason that the app sends to the client."""
    frame = next((frame for frame in map(_object, reversed(response.transmissions)) if "reason" in frame), {})
    return f"refused by RPC: {shorten(frame['reason'], _LONGEST)}" if frame else "refused by RPC"


def subscription(identifier: str) -> str:
    """Return the channel and its parameters."""
    params = _object(identifier)
    channel = params.pop("channel", None)
    if not isinstance(channel, str):
        return shorten(identifier, _LONGEST) if not params else "a channel without a name"
    shown = ", ".join(f"{shorten(name, 40)[1:-1]}: {_shown(name, value)}" for name, value in params.items())
    return f"{shorten(channel, 80)[1:-1]}{f' ({shown})'[:_LONGEST] if shown else ''}"


def _connect(request: ConnectionRequest, response: ConnectionResponse) -> str:
    if response.status is Status.SUCCESS:
        return f"connected {shorten(response.identifiers, _LONGEST)} by RPC"
    return refused(response) if response.status is Status.FAILURE else "could not connect a client"


def _command(request: CommandMessage, response: Any) -> str:
    words = _COMMANDS.get(request.command, _OTHER)[_ENDS[response.status]]
    action = "" if request.command in _COMMANDS else f"{_action(request.data)} on "
    streams = ", ".join(shorten(stream, 80)[1:-1] for stream in response.streams[:5])
    return f"{words} {action}{subscription(request.identifier)}{f', streaming {streams}' if streams else ''}"


def _disconnect(request: DisconnectRequest, response: Response) -> str:
    words = "disconnected" if response.status is Status.SUCCESS else "disconnected, with errors,"
    return f"{words} {shorten(request.identifiers, _LONGEST)} with {len(request.subscriptions)} subscriptions"


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
