"""Frames that anycable-go writes itself, in its own order of keys (`common/common.go`)."""

from __future__ import annotations

from ..go_json import dumps

__all__ = ["PONG", "confirm_subscription", "history", "ping", "presence_error", "reject_subscription"]

PONG = '{"type":"pong"}'


def ping(moment: int) -> str:
    """Something to hear for those who wait; the moment is epoch time."""
    return f'{{"type":"ping","message":{moment}}}'


def confirm_subscription(identifier: str) -> str:
    """The subscription is accepted."""
    return _reply("confirm_subscription", identifier)


def reject_subscription(identifier: str) -> str:
    """The subscription is refused."""
    return _reply("reject_subscription", identifier)


def history(identifier: str, is_complete: bool) -> str:
    """What was missed has been sent, or cannot be."""
    return _reply("confirm_history" if is_complete else "reject_history", identifier)


def presence_error(identifier: str) -> str:
    """It cannot be said who is there."""
    return _reply("presence", identifier, ',"message":{"type":"error","total":0}')


def _reply(type_: str, identifier: str, rest: str = "") -> str:
    addressed = f',"identifier":{dumps(identifier)}' if identifier else ""
    return f'{{"type":"{type_}"{addressed}{rest}}}'
