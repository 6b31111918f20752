"""AsyncAPI 3: what the channels of an app take and say, as one document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from .described import ChannelDescription, Description, Schema

__all__ = ["asyncapi"]

_VERSION = "3.0.0"


def asyncapi(description: Description, title: str, version: str) -> dict[str, Any]:
    """Return the AsyncAPI document of an app, ready to be written as JSON.

    An operation with the action `receive` is something that the app receives from a client.

    Args:
        description: the channels.
        title: the name of the app.
        version: the version of the app.
    """
    names = _keys(channel.name for channel in description.channels)
    operations = {
        f"{names[channel.name]}.{name}": operation
        for channel in description.channels
        for name, operation in _operations(channel, names[channel.name])
    }
    return {
        "asyncapi": _VERSION,
        "info": {"title": title, "version": version},
        "defaultContentType": "application/json",
        "channels": {names[channel.name]: _channel(channel) for channel in description.channels},
        "operations": operations,
        "components": {"schemas": {name: _draft_07(schema) for name, schema in description.schemas.items()}},
    }


def _keys(names: Iterable[str]) -> dict[str, str]:
    """Return a key for each name. Two names that would have the same key get different ones."""
    keys: dict[str, str] = {}
    for name in names:
        key = _identifier(name)
        while key in keys.values():
            key += "_"
        keys[name] = key
    return keys


def _channel(channel: ChannelDescription) -> dict[str, Any]:
    messages = {
        "subscribe": _message("subscribe", _subscription(channel)),
        **{_performed(name): _message(name, schema) for name, schema in _actions(channel)},
        **{_identifier(name): _message(name, schema) for name, schema in (channel.messages or {}).items()},
    }
    return {"address": channel.name, **_described(channel.doc), "messages": messages}


def _subscription(channel: ChannelDescription) -> Schema:
    """Return the schema of a subscription's identifier: the name of the channel, and the params."""
    named: Schema = {
        "type": "object",
        "properties": {"channel": {"const": channel.name, "type": "string"}},
        "required": ["channel"],
    }
    return {"allOf": [named, channel.params]} if channel.params else named


def _actions(channel: ChannelDescription) -> Iterator[tuple[str, Schema]]:
    for action in channel.actions:
        named: Schema = {
            "type": "object",
            "properties": {"action": {"const": action.name, "type": "string"}},
            "required": ["action"],
        }
        yield action.name, {"allOf": [named, action.payload]} if action.takes_payload else named


def _operations(channel: ChannelDescription, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "subscribe", _operation("receive", name, ["subscribe"])
    for action in channel.actions:
        key = _performed(action.name)
        yield key, {**_operation("receive", name, [key]), **_described(action.doc)}
    if channel.messages:
        yield "say", _operation("send", name, list(channel.messages))


def _operation(action: str, channel: str, messages: list[str]) -> dict[str, Any]:
    place = f"#/channels/{channel}"
    references = [{"$ref": f"{place}/messages/{_identifier(name)}"} for name in messages]
    return {"action": action, "channel": {"$ref": place}, "messages": references}


def _message(name: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "payload": _draft_07(schema)}


def _described(doc: str) -> dict[str, str]:
    return {"description": doc} if doc else {}


def _performed(action: str) -> str:
    """Return the key of an action, which never is that of a message."""
    return f"perform.{_identifier(action)}"


def _identifier(name: str) -> str:
    """Return a name that AsyncAPI allows as a key, and in a reference."""
    return re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)


def _draft_07(schema: Any) -> Any:
    """Return a schema in the words of AsyncAPI, whose `discriminator` is another and which has no `prefixItems`."""
    if isinstance(schema, list):
        return [_draft_07(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    members = dict(cast("Mapping[str, Any]", schema))
    if isinstance(members.get("discriminator"), Mapping) and "propertyName" in members["discriminator"]:
        del members["discriminator"]
    if isinstance(members.get("prefixItems"), list):
        members["items"] = members.pop("prefixItems")
    return {name: _draft_07(value) for name, value in members.items()}
