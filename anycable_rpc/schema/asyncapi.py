"""AsyncAPI 3: what the channels of an app take and say, as one document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from .described import REF, ChannelDescription, Description, Schema

__all__ = ["asyncapi"]

_VERSION = "3.0.0"
_SUBSCRIBE = "subscribe"


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
        "channels": {names[each.name]: _channel(each, description.schemas) for each in description.channels},
        "operations": operations,
        "components": {"schemas": {name: _draft_07(schema) for name, schema in description.schemas.items()}},
    }


def _keys(names: Iterable[str], taken: str = "") -> dict[str, str]:
    """Return a key for each name, and none that is taken. Two names that would have the same key get different ones."""
    keys: dict[str, str] = {}
    for name in names:
        key = _identifier(name)
        while key in keys.values() or key == taken:
            key += "_"
        keys[name] = key
    return keys


def _channel(channel: ChannelDescription, schemas: Mapping[str, Schema]) -> dict[str, Any]:
    performed, said = _performed(channel), _said(channel)
    messages = {
        _SUBSCRIBE: _message(_SUBSCRIBE, _subscription(channel, schemas)),
        **{performed[name]: _message(name, schema) for name, schema in _actions(channel)},
        **{said[name]: _message(name, schema) for name, schema in (channel.messages or {}).items()},
    }
    return {"address": channel.name, **_described(channel.doc), "messages": messages}


def _subscription(channel: ChannelDescription, schemas: Mapping[str, Schema]) -> Schema:
    """Return the schema of a subscription's identifier: the name of the channel, and the params.

    Params that refuse other members would refuse `channel`, so they are written out with it.
    """
    named: Schema = {
        "type": "object",
        "properties": {"channel": {"const": channel.name, "type": "string"}},
        "required": ["channel"],
    }
    if not channel.params:
        return named
    params = schemas.get(channel.params.get("$ref", "").removeprefix(REF), channel.params)
    if params.get("additionalProperties", True) is True:
        return {"allOf": [named, channel.params]}
    return {
        **params,
        "properties": {**named["properties"], **params.get("properties", {})},
        "required": [*named["required"], *params.get("required", ())],
    }


def _actions(channel: ChannelDescription) -> Iterator[tuple[str, Schema]]:
    for action in channel.actions:
        named: Schema = {
            "type": "object",
            "properties": {"action": {"const": action.name, "type": "string"}},
            "required": ["action"],
        }
        yield action.name, {"allOf": [named, action.payload]} if action.takes_payload else named


def _operations(channel: ChannelDescription, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield _SUBSCRIBE, _operation("receive", name, [_SUBSCRIBE])
    performed = _performed(channel)
    for action in channel.actions:
        key = performed[action.name]
        yield key, {**_operation("receive", name, [key]), **_described(action.doc)}
    if channel.messages:
        yield "say", _operation("send", name, _said(channel).values())


def _operation(action: str, channel: str, messages: Iterable[str]) -> dict[str, Any]:
    place = f"#/channels/{channel}"
    references = [{"$ref": f"{place}/messages/{key}"} for key in messages]
    return {"action": action, "channel": {"$ref": place}, "messages": references}


def _message(name: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "payload": _draft_07(schema)}


def _described(doc: str) -> dict[str, str]:
    return {"description": doc} if doc else {}


def _performed(channel: ChannelDescription) -> dict[str, str]:
    """Return the keys of the actions, which never are those of messages: no class has a point in its name."""
    return {name: f"perform.{key}" for name, key in _keys(action.name for action in channel.actions).items()}


def _said(channel: ChannelDescription) -> dict[str, str]:
    """Return the keys of the messages."""
    return _keys(channel.messages or (), taken=_SUBSCRIBE)


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
