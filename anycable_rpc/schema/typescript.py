"""TypeScript: what the channels of an app take and say, as types for @anycable/core."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .described import REF, ActionDescription, ChannelDescription, Description, Schema

__all__ = ["typescript"]

_HEAD = """\
// Made by `anycable-rpc schema --typescript`. Make it again after a change of the channels; do not edit it.

import type * as core from "@anycable/core"
"""

_FOOT = """\
type ParamsMap = { [name: string]: boolean | number | string }
type Scalars<P> = P extends ParamsMap ? P : ParamsMap
type Heard<M> = unknown extends M ? core.Message : Extract<M, core.Message>

/** The channel class of @anycable/core with the types of one channel. */
export type ChannelOf<Name extends keyof Channels> = core.Channel<
  Scalars<Channels[Name]["params"]>,
  Heard<Channels[Name]["message"]>,
  core.ChannelEvents<Heard<Channels[Name]["message"]>>,
  Channels[Name]["actions"]
>

/** A cable that knows the channels: `createCable(url) as TypedCable`. */
export interface TypedCable extends Pick<core.Cable, Exclude<keyof core.Cable, "subscribeTo">> {
  subscribeTo<Name extends keyof Channels>(
    channel: Name,
    ...params: {} extends Channels[Name]["params"]
      ? [params?: Channels[Name]["params"]]
      : [params: Channels[Name]["params"]]
  ): ChannelOf<Name>
}
"""

_OURS = "core ParamsMap Scalars Heard Extract ChannelOf Channels TypedCable Record Pick Exclude"
_BUILT_IN = "any bigint boolean never number object string symbol undefined unknown"
_WORDS = """
await break case catch class const continue debugger default delete do else enum export extends false finally for
function if implements import in instanceof interface let new null package private protected public return static super
switch this throw true try typeof var void while with yield
"""
_RESERVED = frozenset(f"{_OURS} {_BUILT_IN} {_WORDS}".split())
"""Names that a type cannot have: those that the declarations use themselves, and words of the language."""

_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_BASIC = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def typescript(description: Description) -> str:
    """Return the declarations of an app's channels, for a file `channels.d.ts`."""
    writer = _Writer(description.schemas)
    parts = [_HEAD]
    parts += [writer.declare(name, schema) for name, schema in description.schemas.items()]
    parts += [writer.actions(channel) for channel in description.channels]
    parts += [writer.channels(description.channels), _FOOT]
    return "\n".join(parts)


class _Writer:
    """Writes JSON Schemas as types.

    Args:
        schemas: the schemas that others refer to; each becomes an exported type.
    """

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._names: dict[str, str] = {}
        for name in schemas:
            self._names[name] = self._unused(re.sub(r"\W", "_", name, flags=re.ASCII))

    def _unused(self, name: str) -> str:
        name = name if _NAME.fullmatch(name) else f"_{name}"
        while name in _RESERVED or name in self._names.values():
            name += "_"
        return name

    def declare(self, name: str, schema: Schema) -> str:
        """Return the declaration of a schema that has a name."""
        return f"{_comment(schema.get('description', ''))}export type {self._names[name]} = {self.type(schema)}\n"

    def actions(self, channel: ChannelDescription) -> str:
        """Return the interface of a channel's actions. A type literal would let any payload through."""
        members = "".join(f"{_comment(each.doc, '  ')}  {self._action(each)}\n" for each in channel.actions)
        body = f"{{\n{members}}}" if members else "{}"
        return f"export interface {self._actions_name(channel)} {body}\n"

    def channels(self, channels: tuple[ChannelDescription, ...]) -> str:
        """Return the interface that has every channel by its name."""
        members = "".join(self._channel(channel) for channel in channels)
        return (
            f"/** The channels by the names that clients subscribe to. */\nexport interface Channels {{\n{members}}}\n"
        )

    def _channel(self, channel: ChannelDescription) -> str:
        params = self.type(channel.params) if channel.params else "ParamsMap"
        said = (
            " | ".join(dict.fromkeys(map(self.type, channel.messages.values()))) if channel.messages else "core.Message"
        )
        return (
            f"{_comment(channel.doc, '  ')}  {_key(channel.name)}: {{\n    params: {params}\n    message: {said}\n"
            f"    actions: {self._actions_name(channel)}\n  }}\n"
        )

    def _actions_name(self, channel: ChannelDescription) -> str:
        own = f"actions of {channel.name}"
        if own not in self._names:
            self._names[own] = self._unused(re.sub(r"\W", "_", f"{channel.name}Actions", flags=re.ASCII))
        return self._names[own]

    def _action(self, action: ActionDescription) -> str:
        if not action.takes_payload:
            return f"{_key(action.name)}: () => void"
        is_optional = not action.required and action.whole is None
        return f"{_key(action.name)}: (payload{'?' if is_optional else ''}: {self.type(action.payload)}) => void"

    def type(self, schema: Any) -> str:
        """Return the type of a JSON Schema."""
        if not isinstance(schema, dict) or not schema:
            return "unknown"
        return next((written for written in self._attempts(schema) if written), "unknown")

    def _attempts(self, schema: Schema) -> Iterator[str]:
        """Yield the type as each keyword says it; the first that is not empty counts."""
        if "$ref" in schema:
            yield self._names[schema["$ref"].removeprefix(REF)]
        if "const" in schema:
            yield json.dumps(schema["const"])
        if "enum" in schema:
            yield _union(map(json.dumps, schema["enum"]))
        for keyword, sign in (("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")):
            if keyword in schema:
                yield _union(map(self.type, schema[keyword]), sign)
        if schema.get("type") == "array":
            yield self._array(schema)
        if schema.get("type") == "object":
            yield self._object(schema)
        yield _BASIC.get(schema.get("type", ""), "")

    def _array(self, schema: Schema) -> str:
        if "prefixItems" in schema:
            return f"[{', '.join(map(self.type, schema['prefixItems']))}]"
        return f"{self.type(schema.get('items'))}[]" if "items" in schema else "unknown[]"

    def _object(self, schema: Schema) -> str:
        required = schema.get("required", ())
        members = [
            f"{_key(name)}{'' if name in required else '?'}: {self.type(member)}"
            for name, member in schema.get("properties", {}).items()
        ]
        if members:
            return f"{{ {'; '.join(members)} }}"
        others = schema.get("additionalProperties", True)
        # A type may be in its own index signature, but not in its own Record.
        return f"{{ [name: string]: {self.type(others)} }}" if others is not False else "Record<string, never>"


def _union(types: Iterable[str], sign: str = " | ") -> str:
    different = list(dict.fromkeys(types))
    return different[0] if len(different) == 1 else f"({sign.join(different)})"


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name)


def _comment(doc: str, indent: str = "") -> str:
    """Return a docstring as a comment above a declaration."""
    lines = doc.replace("*/", "*\\/").splitlines()
    if len(lines) <= 1:
        return f"{indent}/** {lines[0]} */\n" if lines else ""
    return f"{indent}/**\n" + "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines) + f"{indent} */\n"
