"""The schema of an app: channels as they are declared, in AsyncAPI and in TypeScript."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from anycable_rpc import Channel, ConfigurationError, action
from anycable_rpc.schema import asyncapi, describe, typescript

from .app import ChatChannel, Plain, cable, cable_of

DESCRIBED = describe(cable)
DOCUMENT = asyncapi(DESCRIBED, "chat", "1.2")
TYPES = typescript(DESCRIBED)
REFUSED = {"$ref": "#/components/schemas/InvalidPayload"}


def messages(channel: str) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["channels"][channel]["messages"]
    return found


def declaration(name: str) -> str:
    """Return a line of the types, from its `export` on."""
    return next(line for line in TYPES.splitlines() if line.startswith(f"export type {name} "))


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


class Strict(BaseModel, extra="forbid"):
    room: int


class TestDescription:
    def test_a_channel_has_params_actions_and_messages(self) -> None:
        chat = DESCRIBED.channels[0]

        assert (chat.name, chat.doc) == ("ChatChannel", "The messages of a room.")
        assert [each.name for each in chat.actions] == ["anything", "arrive", "both", "paint", "speak", "whole"]
        assert [each.required for each in chat.actions] == [("value",), (), ("times",), (), ("text",), ()]
        assert list(chat.messages or ()) == ["Said", "Left", "InvalidPayload"]

    def test_what_is_not_declared_is_none(self) -> None:
        plain = DESCRIBED.channels[2]

        assert (plain.params, plain.messages, plain.actions, plain.doc) == (None, None, (), "")

    def test_a_channel_whose_actions_refuse_nothing_does_not_say_so(self) -> None:
        assert list(DESCRIBED.channels[1].messages or ()) == ["Record", "int"]

    def test_the_setting_takes_the_refusal_away(self) -> None:
        described = describe(cable_of(ChatChannel, report_invalid_payloads=False))

        assert list(described.channels[0].messages or ()) == ["Said", "Left"]
        assert "InvalidPayload" not in described.schemas

    def test_a_message_of_the_app_keeps_its_name(self) -> None:
        class InvalidPayload(BaseModel):
            own: int

        class Own(Channel):
            messages = InvalidPayload

            @action
            def go(self, text: str) -> None: ...

        described = describe(cable_of(Own))

        assert list(described.channels[0].messages or ()) == ["InvalidPayload", "InvalidPayload_"]
        assert list(described.schemas["InvalidPayload"]["properties"]) == ["own"]
        assert list(described.schemas["InvalidPayload_"]["properties"]) == ["type", "action", "errors"]

    def test_a_type_without_a_schema_is_an_error(self) -> None:
        class Opaque:
            pass

        class Holder(BaseModel, arbitrary_types_allowed=True):
            thing: Opaque

        class Odd(Channel):
            messages = int | Holder

            @action
            def go(self, call: Callable[[], int]) -> None: ...

        class Odder(Channel):
            messages = int | Holder

        for channel, place in (
            (Odd, "Odd, action Odd.go call"),
            (Odder, "Odder, message Holder"),
        ):
            with pytest.raises(ConfigurationError, match=f"^{place} has no JSON Schema: "):
                describe(cable_of(Plain, channel))


class TestAsyncAPI:
    def test_the_frame(self) -> None:
        assert {name: DOCUMENT[name] for name in ("asyncapi", "info", "defaultContentType")} == {
            "asyncapi": "3.0.0",
            "info": {"title": "chat", "version": "1.2"},
            "defaultContentType": "application/json",
        }
        assert {name: channel["address"] for name, channel in DOCUMENT["channels"].items()} == {
            "ChatChannel": "ChatChannel",
            "Admin__Search": "Admin::Search",
            "Plain": "Plain",
        }
        assert DOCUMENT["channels"]["ChatChannel"]["description"] == "The messages of a room."

    def test_a_client_subscribes_with_params(self) -> None:
        assert messages("ChatChannel")["subscribe"]["payload"] == {
            "allOf": [
                {
                    "type": "object",
                    "properties": {"channel": {"const": "ChatChannel", "type": "string"}},
                    "required": ["channel"],
                },
                {"$ref": "#/components/schemas/RoomParams"},
            ]
        }
        assert messages("Plain")["subscribe"]["payload"]["required"] == ["channel"]

    @pytest.mark.parametrize("declared", [Strict, dict[str, int]], ids=str)
    def test_params_that_refuse_other_members_allow_the_name_of_the_channel(self, declared: Any) -> None:
        own = type("Own", (Channel,), {"__annotations__": {"params": declared}})

        payload = asyncapi(describe(cable_of(own)), "own", "1")["channels"]["Own"]["messages"]["subscribe"]["payload"]

        assert payload["properties"]["channel"] == {"const": "Own", "type": "string"}
        assert payload["required"] == ["channel", *(["room"] if declared is Strict else [])]
        assert payload["additionalProperties"] == (False if declared is Strict else {"type": "integer"})

    def test_a_client_performs_actions(self) -> None:
        named, payload = messages("ChatChannel")["perform.speak"]["payload"]["allOf"]

        assert named["properties"] == {"action": {"const": "speak", "type": "string"}}
        assert payload["required"] == ["text"]
        assert payload["properties"]["text"] == {"type": "string", "maxLength": 5}
        assert "allOf" not in messages("ChatChannel")["perform.arrive"]["payload"]
        assert list(messages("Admin__Search")) == ["subscribe", "perform.subscribe", "Record", "int"]

    def test_the_app_says_its_messages(self) -> None:
        assert DOCUMENT["operations"]["ChatChannel.say"] == {
            "action": "send",
            "channel": {"$ref": "#/channels/ChatChannel"},
            "messages": [
                {"$ref": "#/channels/ChatChannel/messages/Said"},
                {"$ref": "#/channels/ChatChannel/messages/Left"},
                {"$ref": "#/channels/ChatChannel/messages/InvalidPayload"},
            ],
        }
        assert DOCUMENT["operations"]["ChatChannel.perform.speak"]["action"] == "receive"
        assert DOCUMENT["operations"]["ChatChannel.perform.speak"]["description"] == "Say something."
        assert "Plain.say" not in DOCUMENT["operations"]

    def test_a_message_has_all_fields_and_params_need_those_without_a_default(self) -> None:
        schemas = DOCUMENT["components"]["schemas"]

        assert schemas["Said"]["required"] == ["type", "text", "at", "point", "colours"]
        assert schemas["SearchParams"].get("required", []) == []

    def test_it_uses_the_words_of_draft_07(self) -> None:
        text = json.dumps(DOCUMENT)

        assert "prefixItems" not in text
        assert '"discriminator"' not in text
        assert DOCUMENT["components"]["schemas"]["Left"]["properties"]["pair"]["items"] == [
            {"type": "integer"},
            {"type": "string"},
        ]

    def test_a_field_called_discriminator_is_kept(self) -> None:
        class Odd(BaseModel):
            discriminator: int

        class Own(Channel):
            messages = Odd

        document = asyncapi(describe(cable_of(Own)), "own", "1")

        assert document["components"]["schemas"]["Odd"]["properties"]["discriminator"]["type"] == "integer"

    def test_channels_whose_names_are_alike_have_keys_of_their_own(self) -> None:
        one, other = type("One", (Channel,), {"name": "A::B"}), type("Other", (Channel,), {"name": "A__B"})

        document = asyncapi(describe(cable_of(one, other)), "own", "1")

        assert {key: channel["address"] for key, channel in document["channels"].items()} == {
            "A__B": "A::B",
            "A__B_": "A__B",
        }
        assert list(document["operations"]) == ["A__B.subscribe", "A__B_.subscribe"]

    def test_messages_and_actions_whose_names_are_alike_have_keys_of_their_own(self) -> None:
        def act(self: Channel, text: str) -> None: ...

        subscribe, other = type("subscribe", (BaseModel,), {}), type("subscribe", (BaseModel,), {})
        own = {"messages": subscribe | other | list[int] | list[str], "ä": action(act), "ö": action(act)}

        document = asyncapi(describe(cable_of(type("Own", (Channel,), own))), "own", "1")

        assert list(document["channels"]["Own"]["messages"]) == [
            *("subscribe", "perform._", "perform.__"),
            *("subscribe_", "subscribe__", "list", "list_", "InvalidPayload"),
        ]
        assert [each["$ref"].rpartition("/")[2] for each in document["operations"]["Own.say"]["messages"]] == [
            *("subscribe_", "subscribe__", "list", "list_", "InvalidPayload")
        ]
        assert [name for name in document["operations"] if "perform" in name] == ["Own.perform._", "Own.perform.__"]

    def test_each_reference_leads_somewhere(self) -> None:
        for reference in set(references(DOCUMENT)):
            found: Any = DOCUMENT
            for part in reference.removeprefix("#/").split("/"):
                found = found[part]


class TestTypeScript:
    @pytest.mark.parametrize(
        ("name", "line"),
        [
            ("RoomParams", "export type RoomParams = { room: number }"),
            ("SearchParams", 'export type SearchParams = { words?: string[]; "the page"?: number }'),
            ("Colour", 'export type Colour = ("red" | "blue")'),
            (
                "Said",
                'export type Said = { type: "said"; text: string; at: string; point: (Point_Output | null); '
                "colours: Colour[] }",
            ),
            (
                "Left",
                'export type Left = { type: "left"; user: string; pair: [number, string]; '
                "more: { [name: string]: number } }",
            ),
            ("Record_", "export type Record_ = { price: string; shape: (Circle | Square) }"),
        ],
    )
    def test_a_schema_is_a_type(self, name: str, line: str) -> None:
        assert declaration(name) == line

    def test_actions_are_an_interface(self) -> None:
        assert (
            """\
export interface ChatChannelActions {
  anything: (payload: { value: unknown }) => void
  arrive: () => void
  both: (payload: (Point_Input & { times: number })) => void
  paint: (payload?: { colour?: Colour }) => void
  /** Say something. */
  speak: (payload: { text: string; point?: (Point_Input | null) }) => void
  whole: (payload: { [name: string]: number }) => void
}
"""
            in TYPES
        )
        assert "export interface PlainActions {}\n" in TYPES

    def test_channels_are_found_by_their_names(self) -> None:
        assert (
            """\
export interface Channels {
  /** The messages of a room. */
  ChatChannel: {
    params: RoomParams
    message: Said | Left | InvalidPayload
    actions: ChatChannelActions
  }
  "Admin::Search": {
    params: SearchParams
    message: Record_ | number
    actions: Admin__SearchActions
  }
  Plain: {
    params: ParamsMap
    message: core.Message
    actions: PlainActions
  }
}
"""
            in TYPES
        )

    def test_a_comment_cannot_end_early(self) -> None:
        assert "/**\n * A message *\\/ of\n * somebody.\n */\nexport type Said" in TYPES

    @pytest.mark.parametrize(
        ("schema", "written"),
        [
            (True, "unknown"),
            ({}, "unknown"),
            ({"type": "array"}, "unknown[]"),
            ({"type": "object"}, "{ [name: string]: unknown }"),
            ({"type": "object", "additionalProperties": False}, "Record<string, never>"),
            ({"const": 'a"b'}, '"a\\"b"'),
            ({"enum": ["a", 1, None]}, '("a" | 1 | null)'),
            ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "number"),
            ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "(string | null)[]"),
            ({"type": "of the future"}, "unknown"),
        ],
    )
    def test_each_kind_of_schema(self, schema: Any, written: str) -> None:
        described = describe(cable_of(Plain))

        types = typescript(type(described)(described.channels, {"X": {"anyOf": [schema]}}))

        assert f"export type X = {written}\n" in types

    def test_a_schema_of_objects_may_hold_itself(self) -> None:
        described = describe(cable_of(Plain))
        itself = {"$ref": "#/components/schemas/X"}

        types = typescript(
            type(described)(described.channels, {"X": {"type": "object", "additionalProperties": itself}})
        )

        assert "export type X = { [name: string]: X }\n" in types

    @pytest.mark.parametrize("name", ["string", "object", "delete", "new", "Record", "core"])
    def test_words_of_the_language_are_no_names(self, name: str) -> None:
        described = describe(cable_of(Plain))

        types = typescript(type(described)(described.channels, {name: {}}))

        assert f"export type {name}_ = unknown\n" in types

    def test_names_that_are_no_names_are_made_ones(self) -> None:
        described = describe(cable_of(Plain))

        types = typescript(type(described)(described.channels, {"1 [a]": {}, "PlainActions": {}}))

        assert "export type _1__a_ = unknown\n" in types
        assert "export interface PlainActions_ {}\n" in types
