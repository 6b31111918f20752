"""A channel that declares its params, its state and its messages."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from anycable_rpc import Cable, Channel, ConfigurationError, Connection, MemoryBroadcaster, action
from anycable_rpc.errors import InvalidData, InvalidMessage
from anycable_rpc.protocol.messages import CommandMessage, CommandResponse, DisconnectRequest, Env, EnvResponse, Status
from anycable_rpc.serving.declared_messages import DeclaredMessages, check_messages
from anycable_rpc.typed import messages_of

from ..support.both_ways import App

MakeApp = Callable[..., App]
ROOM = '{"channel":"Chat","room":"7"}'
QUOTED = '"{\\"channel\\":\\"Chat\\",\\"room\\":\\"7\\"}"'
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


class RoomParams(BaseModel):
    room: int
    tags: list[str] = Field(default=[], max_length=2)


class RoomDict(TypedDict):
    room: int


@dataclass
class RoomData:
    room: int


class ChatState(TypedDict, total=False):
    visits: int


class Said(BaseModel):
    type: Literal["said"] = "said"
    text: str
    at: datetime = Field(default=NOON, serialization_alias="sentAt")


class Left(TypedDict):
    type: Literal["left"]
    user: str


class User(Connection):
    identified_by = ("user",)


class Chat(Channel):
    params: RoomParams
    state: ChatState

    def subscribed(self) -> None:
        self.state["visits"] = self.params.room
        self.transmit({"at": NOON, "price": Decimal("1.5"), "params": self.params})

    def unsubscribed(self) -> None:
        self.transmit(self.params.room)

    @action
    def room(self) -> None:
        self.transmit(self.params.room)


def command(kind: str, identifier: str = ROOM, data: str = "") -> CommandMessage:
    return CommandMessage(kind, identifier, '{"user":"ann"}', data, Env())


def says(text: str) -> str:
    return f'{{"identifier":{QUOTED},"message":{text}}}'


class TestParams:
    def test_they_are_validated_and_converted_in_each_command(self, app: MakeApp) -> None:
        chat = app(User, [Chat])

        said = '{"at":"2026-01-02T12:00:00Z","price":"1.5","params":{"room":7,"tags":[]}}'
        confirmed = f'{{"identifier":{QUOTED},"type":"confirm_subscription"}}'
        assert chat(command("subscribe")) == CommandResponse(
            Status.SUCCESS, transmissions=(says(said), confirmed), env=EnvResponse(istate={"visits": "7"})
        )
        assert chat(command("message", data='{"action":"room"}')) == CommandResponse(
            Status.SUCCESS, transmissions=(says("7"),), env=EnvResponse()
        )
        assert chat(command("unsubscribe")) == CommandResponse(
            Status.SUCCESS, stop_streams=True, transmissions=(says("7"),), env=EnvResponse()
        )
        assert chat(DisconnectRequest('{"user":"ann"}', (ROOM,), Env())).status is Status.SUCCESS

    @pytest.mark.parametrize(
        ("params", "problem"),
        [
            ("", "['room'] Field required"),
            (',"room":"s3cret"', "['room'] Input should be a valid integer, unable to parse string as an integer"),
            (',"room":1,"tags":["a","b","c"]', "['tags'] List should have at most 2 items after validation, not 3"),
        ],
    )
    def test_others_reject_the_subscription(
        self, app: MakeApp, caplog: pytest.LogCaptureFixture, params: str, problem: str
    ) -> None:
        response = app(User, [Chat])(command("subscribe", f'{{"channel":"Chat"{params}}}'))

        assert isinstance(response, CommandResponse)
        assert response.status is Status.FAILURE
        assert response.error_msg == f"Chat.params: {problem}"
        assert [transmission[-29:] for transmission in response.transmissions] == ['"type":"reject_subscription"}']
        assert [record.levelno for record in caplog.records] == [logging.WARNING]

    def test_a_subscription_with_others_can_still_end(self, app: MakeApp) -> None:
        """Its params were of the type when it began, before a deploy."""
        chat, old = app(User, [Chat]), '{"channel":"Chat"}'

        unsubscribed, performed = chat(command("unsubscribe", old)), chat(command("message", old, '{"action":"room"}'))
        disconnected = chat(DisconnectRequest('{"user":"ann"}', (old, ROOM), Env()))

        assert unsubscribed.status is Status.SUCCESS
        assert performed == CommandResponse(Status.ERROR, error_msg="Chat.params: ['room'] Field required")
        assert disconnected.error_msg == "Chat.params: ['room'] Field required"

    @pytest.mark.parametrize(
        ("declared", "params"), [(RoomDict, {"room": 7}), (RoomData, RoomData(7)), (dict[str, str], {"room": "7"})]
    )
    def test_they_may_be_of_any_type_that_pydantic_knows(self, app: MakeApp, declared: Any, params: Any) -> None:
        seen: list[Any] = []

        class Base(Channel):
            def subscribed(self) -> None:
                seen.append(self.params)

        own = type("Own", (Base,), {"name": "Chat", "__annotations__": {"params": declared}})

        assert app(User, [own])(command("subscribe")).status is Status.SUCCESS
        assert seen == [params]

    def test_each_call_has_its_own(self) -> None:
        build = Cable(User, [Chat]).builders["Chat"]
        connection = User(Cable(User), Env(), "", {})

        one, other = build(connection, ROOM, {"room": 1}), build(connection, ROOM, {"room": 1})

        assert one.params == other.params
        assert one.params is not other.params

    def test_a_channel_that_declares_none_has_them_as_they_are(self) -> None:
        class Plain(Channel):
            pass

        assert Cable(User, [Plain]).builders == {"Plain": Plain}

    def test_a_type_that_cannot_be_validated_is_an_error_of_the_app(self) -> None:
        class Wrong(Channel):
            params: Cable

        with pytest.raises(ConfigurationError, match=r"^Wrong\.params: values cannot be validated"):
            Cable(User, [Wrong])


class TestState:
    @pytest.mark.parametrize("declared", [RoomParams, RoomData])
    @pytest.mark.parametrize("base", [Connection, Channel])
    def test_a_class_with_attributes_is_refused(self, base: type[Any], declared: type) -> None:
        wrong: Any = type("Wrong", (base,), {"__annotations__": {"state": declared}})

        with pytest.raises(ConfigurationError) as caught:
            Cable(wrong) if base is Connection else Cable(Connection, [wrong])

        assert str(caught.value) == (
            f"Wrong.state is a mapping: annotate it with a TypedDict, not with {declared.__name__}"
        )

    def test_a_type_for_type_checkers_only_is_not_looked_for(self) -> None:
        class Own(Channel):
            state: Missing  # type: ignore[name-defined] # noqa: F821 # pyright: ignore

        assert Cable(User, [Own]).channels == {"Own": Own}


def make_talk() -> type[Channel]:
    """Return a new class: the checks of development change it."""

    class Talk(Channel):
        messages = Said | Left

        def subscribed(self) -> None:
            self.stream_from("talk")

        @action
        def say(self, data: dict[str, Any]) -> None:
            self.transmit(data["text"])

    return Talk


def in_development(app: MakeApp, *channels: type[Channel]) -> App:
    served = app(User, channels, broadcaster=MemoryBroadcaster())
    check_messages(served.cable)
    check_messages(served.cable)  # `dev` with `debug` does so
    for channel in served.cable.channels:
        assert served(command("subscribe", f'{{"channel":"{channel}"}}')).status is Status.SUCCESS
    return served


GOOD: list[Any] = [
    Said(text="hi"),
    {"type": "said", "text": "hi", "at": "2026-01-02T12:00:00Z"},
    {"type": "said", "text": "hi", "at": NOON},
    {"type": "left", "user": "ann"},
]
BAD: list[Any] = [
    {"type": "said", "text": 5},
    {"type": "left"},
    {"type": "other", "text": "s3cret"},
    RoomParams(room=1),
    "hi",
    None,
]


class TestMessages:
    @pytest.mark.parametrize("data", GOOD, ids=str)
    def test_those_declared_are_sent(self, app: MakeApp, data: Any) -> None:
        served = in_development(app, make_talk())

        response = served(command("message", '{"channel":"Talk"}', f'{{"action":"say","text":{_json(data)}}}'))
        served.cable.broadcast("talk", data)
        served.cable.broadcast_to("talk", data)

        assert response.status is Status.SUCCESS
        assert isinstance(served.cable.broadcaster, MemoryBroadcaster)
        assert len(served.cable.broadcaster.payloads) == 2

    @pytest.mark.parametrize("data", BAD, ids=str)
    def test_others_are_an_error_in_development(
        self, app: MakeApp, caplog: pytest.LogCaptureFixture, data: Any
    ) -> None:
        served = in_development(app, make_talk())

        response = served(command("message", '{"channel":"Talk"}', f'{{"action":"say","text":{_json(data)}}}'))

        assert response.status is Status.ERROR
        assert "what is transmitted is none of Talk.messages: " in caplog.text
        for publish in (served.cable.broadcast, served.cable.broadcast_to):
            with pytest.raises(InvalidMessage, match=r"^what to 'talk' is broadcast is none of Talk\.messages: "):
                publish("talk", data)
        assert isinstance(served.cable.broadcaster, MemoryBroadcaster)
        assert served.cable.broadcaster.payloads == []

    @pytest.mark.parametrize("data", BAD, ids=str)
    def test_without_the_check_they_are_sent(self, app: MakeApp, data: Any) -> None:
        served = app(User, [make_talk()])

        response = served(command("message", '{"channel":"Talk"}', f'{{"action":"say","text":{_json(data)}}}'))

        assert response.status is Status.SUCCESS

    def test_the_error_holds_no_value(self) -> None:
        talk = make_talk()
        check = DeclaredMessages({talk: _adapter(talk)})

        with pytest.raises(InvalidMessage) as caught:
            check.check(talk, {"type": "said", "text": ["s3cret"]}, "is transmitted")

        assert "s3cret" not in str(caught.value)

    def test_a_stream_that_no_such_channel_has_started_takes_anything(self, app: MakeApp) -> None:
        class Other(Channel):
            def subscribed(self) -> None:
                self.stream_from("other")
                self.transmit(5)

        served = in_development(app, make_talk(), Other)

        served.cable.broadcast("other", 5)
        served.cable.broadcast("elsewhere", 5)

    def test_a_derived_channel_declares_its_own(self, app: MakeApp) -> None:
        class Talk(Channel):
            messages = Left

            def subscribed(self) -> None:
                self.stream_from(f"stream of {self.name}")

        class More(Talk):
            messages = Left | Said

        served = in_development(app, Talk, More)

        served.cable.broadcast("stream of More", Said(text="hi"))
        with pytest.raises(InvalidMessage, match=r"none of Talk\.messages"):
            served.cable.broadcast("stream of Talk", Said(text="hi"))

    def test_an_override_may_take_other_arguments(self, app: MakeApp) -> None:
        class Talk(Channel):
            messages = Left

            def stream_from(self, stream: str, whisper: bool = False, prefix: str = "") -> None:
                super().stream_from(prefix + stream, whisper)

            def transmit(self, data: Any, kind: str = "left") -> None:
                super().transmit({"type": kind, "user": data})

            def subscribed(self) -> None:
                self.stream_from("talk", prefix="the ")
                self.transmit("ann", kind="left")

        served = in_development(app, Talk)

        served.cable.broadcast("talk", 5)
        with pytest.raises(InvalidMessage, match=r"^what to 'the talk' is broadcast is none of Talk\.messages: "):
            served.cable.broadcast("the talk", 5)

    def test_a_stream_that_is_no_name_has_the_same_error_as_without_the_check(self, app: MakeApp) -> None:
        class Talk(Channel):
            messages = Left

        served = in_development(app, Talk)
        talk: Any = Talk(User(served.cable, Env()), "", {})

        with pytest.raises(InvalidData):
            talk.stream_from(["talk"])

    def test_data_that_is_no_json_is_an_error_of_its_own(self) -> None:
        talk = make_talk()

        DeclaredMessages({talk: _adapter(talk)}).check(talk, {"text": object()}, "is transmitted")

    def test_only_so_many_streams_are_remembered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("anycable_rpc.serving.declared_messages._MOST_STREAMS", 2)
        talk = make_talk()
        check = DeclaredMessages({talk: _adapter(talk)})
        for stream in ("a", "b", "b", "c"):
            check.note(talk, stream)

        check("a", 5)
        for stream in ("b", "c"):
            with pytest.raises(InvalidMessage):
                check(stream, 5)

    def test_a_cable_without_declared_messages_is_not_changed(self) -> None:
        class Plain(Channel):
            pass

        cable = Cable(User, [Plain])
        check_messages(cable)

        assert cable.check_message is None

    def test_a_channel_of_another_cable_is_not_checked(self, app: MakeApp) -> None:
        talk = make_talk()
        in_development(app, talk)

        response = App("def", User, [talk])(command("message", '{"channel":"Talk"}', '{"action":"say","text":5}'))

        assert response.status is Status.SUCCESS

    @pytest.mark.parametrize(
        "own",
        [lambda self: 5, property(lambda self: 5), staticmethod(len), classmethod(repr)],
        ids=lambda own: str(type(own)),
    )
    def test_a_method_or_a_property_of_that_name_declares_nothing(self, own: Any) -> None:
        assert messages_of(type("Own", (Channel,), {"messages": own})) is None

    def test_what_is_no_type_is_an_error(self) -> None:
        with pytest.raises(ConfigurationError, match=r"^Own\.messages: values cannot be validated"):
            messages_of(type("Own", (Channel,), {"messages": 5}))

    def test_the_error_says_what_messages_are(self) -> None:
        with pytest.raises(ConfigurationError, match=r"give an attribute for something else another name$"):
            messages_of(type("Own", (Channel,), {"messages": []}))


def _json(data: Any) -> str:
    from anycable_rpc.protocol.json_text import dumps

    return dumps(data)


def _adapter(channel: type[Channel]) -> Any:
    return messages_of(channel)
