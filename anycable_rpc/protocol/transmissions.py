"""Action Cable's messages to a client, as JSON text."""

from __future__ import annotations

from .json_text import dumps

__all__ = ["confirm_subscription", "disconnect", "message", "reject_subscription", "welcome"]


def welcome(sid: str = "") -> str:
    """The connection is accepted; `sid` is the session's id when it is known."""
    return f'{{"type":"welcome","sid":{dumps(sid)}}}' if sid else '{"type":"welcome"}'


def disconnect(reason: str | None, reconnect: bool) -> str:
    """The connection is refused or closed."""
    return dumps({"type": "disconnect", "reason": reason, "reconnect": reconnect})


def confirm_subscription(identifier: str) -> str:
    """The subscription is accepted."""
    return f'{{"identifier":{dumps(identifier)},"type":"confirm_subscription"}}'


def reject_subscription(identifier: str) -> str:
    """The subscription is refused."""
    return f'{{"identifier":{dumps(identifier)},"type":"reject_subscription"}}'


def message(identifier: str, data: object) -> str:
    """Data for the subscription; any JSON value.

    Raises:
        InvalidData: `data` is not a JSON value.
    """
    return f'{{"identifier":{dumps(identifier)},"message":{dumps(data)}}}'
