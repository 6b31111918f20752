"""The channels of a cable as JSON Schemas: params, payloads of actions, messages."""

from __future__ import annotations

import types
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema

from ..actions import actions_of
from ..channel import Channel
from ..errors import ConfigurationError
from ..typed import messages_of, params_of

if TYPE_CHECKING:
    from ..cable import Cable

__all__ = ["REF", "ActionDescription", "ChannelDescription", "Description", "Schema", "describe"]

REF = "#/components/schemas/"
"""Begins the reference to a schema that has a name."""

Schema = dict[str, Any]
"""A JSON Schema as pydantic makes it (draft 2020-12); it refers to others by `REF`."""

_Key = tuple[str, ...]
_Mode = Literal["validation", "serialization"]
_PAYLOAD = "data"
_INVALID_PAYLOAD: Schema = {
    "type": "object",
    "title": "InvalidPayload",
    "description": "An action has refused its payload and has not run.",
    "properties": {
        "type": {"const": "invalid_payload", "type": "string"},
        "action": {"type": "string"},
        "errors": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["type", "action", "errors"],
}


@dataclass(frozen=True)
class ActionDescription:
    """An action: its parameters by name, and those that a payload must have.

    Attributes:
        whole: the schema of the parameter `data`, which is the whole payload.
    """

    name: str
    doc: str = ""
    parameters: Mapping[str, Schema] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    whole: Schema | None = None

    @property
    def takes_payload(self) -> bool:
        """Return whether a client may send a payload."""
        return bool(self.parameters) or self.whole is not None

    @property
    def payload(self) -> Schema:
        """Return the schema of the payload."""
        named: Schema = {"type": "object", "properties": dict(self.parameters), "required": list(self.required)}
        if self.whole is None:
            return named
        return {"allOf": [self.whole, named]} if self.parameters else self.whole


@dataclass(frozen=True)
class ChannelDescription:
    """A channel: its params, its actions, and its messages by name. None says that they are not declared."""

    name: str
    doc: str
    params: Schema | None
    actions: tuple[ActionDescription, ...]
    messages: Mapping[str, Schema] | None


@dataclass(frozen=True)
class Description:
    """All channels of a cable, and the schemas that they refer to by name."""

    channels: tuple[ChannelDescription, ...]
    schemas: Mapping[str, Schema]


class _Generator(GenerateJsonSchema):
    """Says that the fields of a model are always there in what the app writes, also those with a default."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        if self.mode == "serialization" and field["type"] != "typed-dict-field":
            return not field.get("serialization_exclude")
        return super().field_is_required(field, total)


def describe(cable: Cable) -> Description:
    """Return what the channels of a cable take and say, as their classes declare it.

    Raises:
        ConfigurationError: a type has no JSON Schema.
    """
    inputs: list[tuple[_Key, _Mode, TypeAdapter[Any]]] = []
    for name, channel in cable.channels.items():
        for key, mode, adapter in _adapters(channel):
            inputs.append(((name, *key), mode, adapter))
    try:
        found, definitions = TypeAdapter.json_schemas(
            inputs, ref_template=f"{REF}{{model}}", schema_generator=_Generator
        )
    except PydanticInvalidForJsonSchema as error:
        raise ConfigurationError(f"{_without_schema(inputs)} has no JSON Schema: {error}") from error
    named: dict[str, Schema] = definitions.get("$defs", {})
    schemas = {key: schema for (key, _), schema in found.items()}
    refusal = _unused("InvalidPayload", named) if cable.settings.report_invalid_payloads else ""
    channels = tuple(_channel(name, channel, schemas, refusal) for name, channel in cable.channels.items())
    if any(refusal in (channel.messages or ()) for channel in channels):
        named[refusal] = _INVALID_PAYLOAD
    return Description(channels, named)


def _without_schema(inputs: list[tuple[_Key, _Mode, TypeAdapter[Any]]]) -> str:
    """Return the names of the channel and of the first of its types that has no schema."""
    channel, *place = next(key for key, mode, adapter in inputs if not _has_schema(adapter, mode))
    return f"{channel}, {' '.join(place)}"


def _has_schema(adapter: TypeAdapter[Any], mode: _Mode) -> bool:
    try:
        adapter.json_schema(schema_generator=_Generator, mode=mode)
    except PydanticInvalidForJsonSchema:
        return False
    return True


def _unused(name: str, names: Container[str]) -> str:
    return _unused(f"{name}_", names) if name in names else name


def _adapters(channel: type[Channel]) -> Iterator[tuple[_Key, _Mode, TypeAdapter[Any]]]:
    """Yield what has a schema: clients send params and payloads, and receive messages."""
    if params := params_of(channel):
        yield ("params",), "validation", params
    for action in actions_of(channel).values():
        for name, (adapter, _) in action.parameters.items():
            if adapter is not None:
                yield ("action", action.name, name), "validation", adapter
    for name, message in _messages(channel).items():
        yield ("message", name), "serialization", TypeAdapter(message)


def _messages(channel: type[Channel]) -> Mapping[str, Any]:
    """Return the declared messages: the members of the union, each by a name of its own."""
    found: dict[str, Any] = {}
    if messages_of(channel) is not None:
        for place, member in enumerate(_members(channel.messages), 1):
            found[_unused(getattr(member, "__name__", f"message{place}"), found)] = member
    return found


def _members(declared: Any) -> Iterator[Any]:
    if get_origin(declared) is Annotated and get_origin(get_args(declared)[0]) in (Union, types.UnionType):
        declared = get_args(declared)[0]
    if get_origin(declared) in (Union, types.UnionType):
        for member in get_args(declared):
            yield from _members(member)
    else:
        yield declared


def _channel(name: str, channel: type[Channel], schemas: Mapping[_Key, Schema], refusal: str) -> ChannelDescription:
    actions = tuple(_action(name, key, channel, schemas) for key in sorted(actions_of(channel)))
    messages = None
    if messages_of(channel) is not None:
        messages = {key: schemas[name, "message", key] for key in _messages(channel)}
        if refusal and any(action.takes_payload for action in actions):
            messages[refusal] = {"$ref": f"{REF}{refusal}"}
    return ChannelDescription(name, _doc(channel, Channel), schemas.get((name, "params")), actions, messages)


def _action(channel_name: str, name: str, channel: type[Channel], schemas: Mapping[_Key, Schema]) -> ActionDescription:
    action = actions_of(channel)[name]
    found = {key: schemas.get((channel_name, "action", action.name, key), {}) for key in action.parameters}
    required = tuple(key for key, (_, optional) in action.parameters.items() if not optional and key != _PAYLOAD)
    whole = found.pop(_PAYLOAD, None)
    return ActionDescription(name, _doc(getattr(channel, name)), found, required, whole)


def _doc(value: Any, base: Any = None) -> str:
    """Return the docstring of a class or a method, if it has one of its own."""
    doc = value.__doc__
    return cleandoc(doc) if doc and doc != getattr(base, "__doc__", None) else ""
