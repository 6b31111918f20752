"""Frames that anycable-go writes itself, in its own order of keys (`common/common.go`)."""

from __future__ import annotations

from collections.abc import Iterable

from ...protocol.go_json import dumps

__all__ = ["PONG", "confirm_subscription", "history", "ping", "presence", "reject_subscription", "restored"]

PONG = '{"type":"pong"}'
NOBODY_KNOWS = '{"type":"error","total":0}'


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


def presence(identifier: str, info: str | None) -> str:
    """Who is there, as a JSON text; None when it cannot be said."""
    return _reply("presence", identifier, f',"message":{info or NOBODY_KNOWS}')


def restored(sid: str, identifiers: Iterable[str]) -> str:
    """Welcome back: these subscriptions are there again."""
    listed = ",".join(map(dumps, identifiers))
    again = f',"restored_ids":[{listed}]' if listed else ""
    return f'{{"type":"welcome","sid":{dumps(sid)},"restored":true{again}}}'


def _reply(type_: str, identifier: str, rest: str = "") -> str:
    addressed = f',"identifier":{dumps(identifier)}' if identifier else ""
    return f'{{"type":"{type_}"{addressed}{rest}}}'
