"""Frames that anycable-go writes itself, with their keys in its order (`common/common.go`)."""

from __future__ import annotations

from collections.abc import Iterable

from ...protocol.go_json import dumps

__all__ = ["PONG", "confirm_subscription", "history", "ping", "presence", "reject_subscription", "restored"]

PONG = '{"type":"pong"}'
PRESENCE_ERROR = '{"type":"error","total":0}'


def ping(moment: int) -> str:
    """Return a ping; `moment` is epoch time, in the unit that the client has chosen."""
    return f'{{"type":"ping","message":{moment}}}'


def confirm_subscription(identifier: str) -> str:
    """Return the confirmation of a subscription."""
    return _reply("confirm_subscription", identifier)


def reject_subscription(identifier: str) -> str:
    """Return the rejection of a subscription."""
    return _reply("reject_subscription", identifier)


def history(identifier: str, is_complete: bool) -> str:
    """Return the end of a history: all missed messages were sent, or they are not known."""
    return _reply("confirm_history" if is_complete else "reject_history", identifier)


def presence(identifier: str, info: str | None) -> str:
    """Return who is present; `info` is JSON, or None when presence is not kept."""
    return _reply("presence", identifier, f',"message":{info or PRESENCE_ERROR}')


def restored(sid: str, identifiers: Iterable[str]) -> str:
    """Return the welcome of a resumed session, with the identifiers of its subscriptions."""
    listed = ",".join(map(dumps, identifiers))
    again = f',"restored_ids":[{listed}]' if listed else ""
    return f'{{"type":"welcome","sid":{dumps(sid)},"restored":true{again}}}'


def _reply(type_: str, identifier: str, rest: str = "") -> str:
    addressed = f',"identifier":{dumps(identifier)}' if identifier else ""
    return f'{{"type":"{type_}"{addressed}{rest}}}'
