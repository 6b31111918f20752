"""Action Cable's messages to a client, as JSON text."""

from __future__ import annotations

from collections.abc import Mapping

from .json_text import dumps

__all__ = ["confirm_subscription", "disconnect", "invalid_payload", "message", "reject_subscription", "welcome"]


def welcome(sid: str = "") -> str:
    """Return the message that the connection is accepted. `sid` is the id of the session, if it is known."""
    return f'{{"type":"welcome","sid":{dumps(sid)}}}' if sid else '{"type":"welcome"}'


def disconnect(reason: str | None, reconnect: bool) -> str:
    """Return the message that the connection is refused or closed."""
    return dumps({"type": "disconnect", "reason": reason, "reconnect": reconnect})


def confirm_subscription(identifier: str) -> str:
    """Return the message that the subscription is accepted."""
    return f'{{"identifier":{dumps(identifier)},"type":"confirm_subscription"}}'


def reject_subscription(identifier: str) -> str:
    """Return the message that the subscription is rejected."""
    return f'{{"identifier":{dumps(identifier)},"type":"reject_subscription"}}'


def message(identifier: str, data: object) -> str:
    """Return the message with data for the subscription. The data is any JSON value.

    Raises:
        InvalidData: `data` is not a JSON value.
    """
    return f'{{"identifier":{dumps(identifier)},"message":{dumps(data)}}}'


def invalid_payload(identifier: str, action: str, errors: Mapping[str, str]) -> str:
    """Return the message that an action has refused its payload: a reason by the name of each parameter."""
    return message(identifier, {"type": "invalid_payload", "action": action, "errors": dict(errors)})
