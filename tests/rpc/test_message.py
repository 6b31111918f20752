"""The commands message and unsubscribe: the whole response for each case."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from hypothesis import given
from pydantic import BaseModel, Field

from anycable_rpc import Channel, Connection, action
from anycable_rpc.errors import shorten
from anycable_rpc.protocol.json_text import dumps
from anycable_rpc.protocol.messages import CommandMessage, CommandResponse, Env, EnvResponse, Status

from ..support.both_ways import App, settings
from ..support.strategies import json_values

MakeApp = Callable[..., App]
IDENTIFIER = '{"channel":"Chat"}'
QUOTED = '"{\\"channel\\":\\"Chat\\"}"'


class User(Connection):
    identified_by = ("user",)


class Point(BaseModel):
    x: int
    y: int = 0


class Chat(Channel):
    def subscribed(self) -> None:
        self.stream_from("hooked")

    @action
    def echo(self, data: Any) -> None:
        self.transmit({"got": data})

    @action
    def receive(self, data: Any) -> None:
        self.transmit({"received": data})

    @action
    def nothing(self) -> None:
        self.transmit("nothing")

    @action
    def typed(self, text: Annotated[str, Field(max_length=5)], times: int = 1, point: Point | None = None) -> None:
        self.transmit([text, times, point.x if point else None])

    @action
    def boom(self) -> None:
        self.transmit("lost")
        self.stream_from("lost")
        raise RuntimeError("an internal detail")

    @action
    def start_and_stop(self) -> None:
        self.stream_from("a", whisper=True)
        self.stop_stream_from("a")

    @action
    def stop_and_start(self) -> None:
        self.stop_stream_from("a")
        self.stream_from("a")

    @action
    def stop(self, stream: str) -> None:
        self.stop_stream_from(stream)

    @action
    def stop_all(self) -> None:
        self.stream_from("forgotten")
        self.stop_all_streams()

    @action
    def replace_all(self) -> None:
        self.stop_all_streams()
        self.stream_from("new")

    @action
    def refuse(self) -> None:
        self.transmit("before")
        self.stream_from("kept")
        self.reject()

    @action
    def kick(self) -> None:
        self.stream_from("lost")
        self.connection.close(reason="kicked")

    @action
    def edit(self) -> None:
        self.state["list"].append(2)
        self.state["same"] = 1
        del self.state["gone"]
        self.connection.state["count"] = self.connection.state["count"] + 1

    @action
    def peek(self) -> None:
        self.transmit({**self.state})

    @action
    def join_stored(self) -> None:
        self.presence_join("1")

    @action
    def forget(self) -> None:
        self.state.clear()
        self.connection.state.clear()

    def helper(self) -> None:
        raise AssertionError("not an action")


def message(data: str, env: Env | None = None) -> CommandMessage:
    return CommandMessage("message", IDENTIFIER, '{"user":"john"}', data, env or Env())


def act(name: str, **env: Any) -> CommandMessage:
    return message(f'{{"action":"{name}"}}', Env(**env))


def done(*transmissions: str, **fields: Any) -> CommandResponse:
    return CommandResponse(**{"status": Status.SUCCESS, "transmissions": transmissions, "env": EnvResponse(), **fields})


def says(text: str) -> str:
    return f'{{"identifier":{QUOTED},"message":{text}}}'


def failed(error_msg: str) -> CommandResponse:
    return CommandResponse(Status.ERROR, error_msg=error_msg)


@pytest.fixture
def chat(app: MakeApp) -> App:
    return app(User, [Chat])


def test_a_state_of_which_nothing_is_left_is_a_change(chat: App) -> None:
    response = chat(act("forget", cstate={"count": "1"}, istate={"list": "[]"}))

    assert response == done(env=EnvResponse({"count": ""}, {"list": ""}))


class TestDispatch:
    def test_data_is_the_whole_payload(self, chat: App) -> None:
        response = chat(message('{"action":"echo","a":1}'))

        assert response == done(says('{"got":{"action":"echo","a":1}}'))

    def test_an_action_without_parameters_gets_none(self, chat: App) -> None:
        assert chat(message('{"action":"nothing","a":1}')) == done(says('"nothing"'))

    @pytest.mark.parametrize("data", ['{"a":1}', '{"action":"","a":1}', '{"action":null,"a":1}'])
    def test_receive_answers_when_no_action_is_named(self, chat: App, data: str) -> None:
        assert chat(message(data)) == done(says('{"received":' + data + "}"))

    @pytest.mark.parametrize(
        "name",
        ["zz", "helper", "subscribed", "unsubscribed", "stop_all_streams", "transmit", "state", "__init__", "name"],
    )
    def test_only_actions_can_be_called(self, chat: App, caplog: pytest.LogCaptureFixture, name: str) -> None:
        assert chat(act(name)) == failed(f"Chat has no action {name!r}")
        (record,) = caplog.records
        assert (record.levelno, record.exc_info) == (logging.WARNING, None)

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("helper", "; Chat.helper has no @action above it"),
            ("ecko", "; did you mean echo?"),
            ("zz", ""),
            ("subscribed", ""),
            ("__init__", ""),
            ("echo" * 25, ""),
        ],
    )
    def test_the_log_alone_says_what_was_meant_or_forgotten(
        self, chat: App, caplog: pytest.LogCaptureFixture, name: str, hint: str
    ) -> None:
        error_msg = f"Chat has no action {shorten(name)}"

        assert chat(act(name)) == failed(error_msg)
        assert caplog.records[0].getMessage().startswith(f"{error_msg}{hint} (")

    @pytest.mark.parametrize(
        ("data", "error_msg"),
        [
            ("", "the data of a message is not JSON: Expecting value"),
            ("{", "the data of a message is not JSON: Expecting property name enclosed in double quotes"),
            ("[]", "the data of a message is not a JSON object"),
            ('"text"', "the data of a message is not a JSON object"),
            ("5", "the data of a message is not a JSON object"),
            ("null", "the data of a message is not a JSON object"),
            ('{"action":5}', "the name of an action must be a string, got 5"),
            ('{"action":["echo"]}', "the name of an action must be a string, got ['echo']"),
            ('{"action":"echo","a":NaN}', "the data of a message is not JSON: NaN is not a JSON value"),
            ('{"action":"echo","a":1e999}', "the data of a message is not JSON: 1e999 is beyond the range of a number"),
        ],
    )
    def test_malformed_data_is_an_error_with_one_warning(
        self, chat: App, caplog: pytest.LogCaptureFixture, data: str, error_msg: str
    ) -> None:
        assert chat(message(data)) == failed(error_msg)
        (record,) = caplog.records
        assert (record.levelno, record.exc_info) == (logging.WARNING, None)

    def test_a_channel_that_is_unknown_is_an_error(self, app: MakeApp) -> None:
        assert app(User)(act("echo")) == failed("Unknown channel: 'Chat'")

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("chat", "; did you mean Chat?"),
            ("Room", "; the cable's channels: Chat"),
        ],
    )
    def test_the_log_alone_says_which_channel_was_meant(
        self, chat: App, caplog: pytest.LogCaptureFixture, name: str, hint: str
    ) -> None:
        request = CommandMessage("message", f'{{"channel":"{name}"}}', '{"user":1}', '{"action":"echo"}')

        assert chat(request) == failed(f"Unknown channel: '{name}'")
        assert f"Unknown channel: '{name}'{hint} (" in caplog.text

    @pytest.mark.parametrize(("number", "hint"), [(0, "channels: none ("), (100, "Channel22, Channel23, C… (")])
    def test_of_many_channels_some_are_named(
        self, app: MakeApp, caplog: pytest.LogCaptureFixture, number: int, hint: str
    ) -> None:
        channels = [type(f"Channel{n}", (Channel,), {}) for n in range(number)]

        app(User, channels)(CommandMessage("message", '{"channel":"xyz"}', '{"user":1}', '{"action":"echo"}'))

        assert hint in caplog.text

    @pytest.mark.parametrize("name", ["$pubsub", "Turbo::StreamsChannel", "CableReady::Stream"])
    def test_messages_to_the_gateways_own_channels_are_accepted(self, chat: App, name: str) -> None:
        request = CommandMessage("message", f'{{"channel":"{name}"}}', '{"sid":"s"}', "{}")

        assert chat(request) == done()

    def test_an_exception_is_an_error_and_nothing_is_applied(self, chat: App, caplog: pytest.LogCaptureFixture) -> None:
        assert chat(act("boom"), sid="s1") == failed("Chat.boom failed")
        (record,) = caplog.records
        assert record.exc_info is not None
        assert record.__dict__["action"] == "boom"

    @pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration, SystemExit, GeneratorExit, BaseException])
    def test_no_exception_leaves_the_call_unanswered(self, app: MakeApp, error: type[BaseException]) -> None:
        class Odd(Channel):
            name = "Chat"

            @action
            def go(self) -> None:
                raise error

        assert app(User, [Odd])(act("go")) == failed("Odd.go failed")

    @pytest.mark.parametrize("text", ['"\\ud800"', "1" * 5000, "[" * 100_000 + "]" * 100_000])
    def test_a_payload_that_cannot_be_sent_back_is_an_error(self, chat: App, text: str) -> None:
        response = chat(message(f'{{"action":"echo","a":{text}}}'))

        assert isinstance(response, CommandResponse)
        assert response.status is Status.ERROR
        assert len(response.error_msg) < 200
        assert response == failed(response.error_msg)


class TestParameters:
    def test_they_are_taken_by_name_and_unknown_keys_are_ignored(self, chat: App) -> None:
        response = chat(message('{"action":"typed","text":"hi","times":2,"point":{"x":7},"more":[]}'))

        assert response == done(says('["hi",2,7]'))

    def test_those_with_defaults_may_be_missing(self, chat: App) -> None:
        assert chat(message('{"action":"typed","text":"hi"}')) == done(says('["hi",1,null]'))

    @pytest.mark.parametrize(
        ("payload", "error_msg", "errors"),
        [
            ("", "Chat.typed: text is missing", {"text": "is missing"}),
            (
                ',"text":5',
                "Chat.typed: text: Input should be a valid string",
                {"text": "Input should be a valid string"},
            ),
            (
                ',"text":"secret"',
                "Chat.typed: text: String should have at most 5 characters",
                {"text": "String should have at most 5 characters"},
            ),
            (
                ',"times":"x","point":{"y":1}',
                "Chat.typed: text is missing; times: Input should be a valid integer, unable to parse string as an "
                "integer; point: ['x'] Field required",
                {
                    "text": "is missing",
                    "times": "Input should be a valid integer, unable to parse string as an integer",
                    "point": "['x'] Field required",
                },
            ),
        ],
    )
    def test_what_is_missing_or_invalid_is_named_to_the_client(
        self, chat: App, payload: str, error_msg: str, errors: dict[str, str]
    ) -> None:
        response = chat(message(f'{{"action":"typed"{payload}}}'))

        told = dumps({"type": "invalid_payload", "action": "typed", "errors": errors})
        assert response == done(says(told), status=Status.FAILURE, error_msg=error_msg)

    def test_a_setting_keeps_it_from_the_client(self, app: MakeApp) -> None:
        quiet = app(User, [Chat], settings=settings(report_invalid_payloads=False))

        assert quiet(act("typed")) == failed("Chat.typed: text is missing")

    @given(value=json_values)
    def test_no_value_of_the_client_is_in_what_it_is_told(self, value: Any) -> None:
        secret = {"s3cret": value, "deep": ["s3cret"]}
        payload = dumps({"action": "typed", "text": secret, "times": "s3cret", "point": {"x": "s3cret"}})

        response = App("def", User, [Chat])(message(payload))

        assert isinstance(response, CommandResponse)
        assert response.status is Status.FAILURE
        assert "s3cret" not in "".join(response.transmissions)


class TestStreams:
    def test_started_and_stopped_in_one_call_ends_stopped(self, chat: App) -> None:
        assert chat(act("start_and_stop")) == done(stopped_streams=("a",))

    def test_stopped_and_started_in_one_call_ends_started(self, chat: App) -> None:
        assert chat(act("stop_and_start")) == done(streams=("a",))

    def test_stopping_the_whisper_stream_clears_its_mark(self, chat: App) -> None:
        request = message('{"action":"stop","stream":"chat"}', Env(istate={"$w": "chat"}))

        assert chat(request) == done(stopped_streams=("chat",), env=EnvResponse(istate={"$w": ""}))

    def test_stopping_another_stream_keeps_the_whisper_stream(self, chat: App) -> None:
        request = message('{"action":"stop","stream":"b"}', Env(istate={"$w": "chat"}))

        assert chat(request) == done(stopped_streams=("b",))

    def test_stopping_all_forgets_those_started_before(self, chat: App) -> None:
        assert chat(act("stop_all", istate={"$w": "chat"})) == done(
            stop_streams=True, env=EnvResponse(istate={"$w": ""})
        )

    def test_stopping_all_keeps_those_started_afterwards(self, chat: App) -> None:
        assert chat(act("replace_all")) == done(stop_streams=True, streams=("new",))


class TestEnds:
    def test_reject_ends_the_action_with_what_was_said_before(self, chat: App) -> None:
        assert chat(act("refuse")) == done(says('"before"'), streams=("kept",))

    def test_close_closes(self, chat: App) -> None:
        assert chat(act("kick")) == done(
            '{"type":"disconnect","reason":"kicked","reconnect":true}', disconnect=True, stop_streams=True
        )


class TestState:
    def test_changes_in_place_are_sent_and_equal_values_are_not(self, chat: App) -> None:
        env = {
            "istate": {"list": "[1]", "same": "1", "gone": "true", "untouched": "5"},
            "cstate": {"count": "1"},
        }

        assert chat(act("edit", **env)) == done(env=EnvResponse({"count": "2"}, {"list": "[1,2]", "gone": ""}))

    def test_reading_sends_nothing_and_marks_are_hidden(self, chat: App) -> None:
        istate = {"a": "1", "$w": "chat", "$p": "pres"}

        assert chat(act("peek", istate=istate)) == done(says('{"a":1}'))

    def test_presence_joins_the_stream_joined_before(self, chat: App) -> None:
        response = chat(act("join_stored", istate={"$p": "pres"}))

        assert isinstance(response, CommandResponse)
        assert (response.streams, response.env) == (("pres",), EnvResponse())

    @pytest.mark.parametrize(("key", "value"), [("a", object()), ("a", float("inf")), ("$w", "x"), (5, 1)])
    def test_state_that_cannot_be_kept_is_an_error(self, app: MakeApp, key: Any, value: Any) -> None:
        class Odd(Channel):
            name = "Chat"

            @action
            def go(self) -> None:
                self.state[key] = value

        assert app(User, [Odd])(act("go")) == failed("Odd.go failed")


class TestUnsubscribe:
    def unsubscribe(self, identifier: str = IDENTIFIER, **env: Any) -> CommandMessage:
        return CommandMessage("unsubscribe", identifier, '{"user":"john"}', env=Env(**env))

    def stopped(self, *transmissions: str, **fields: Any) -> CommandResponse:
        return done(*transmissions, stop_streams=True, **fields)

    def test_streams_stop_and_no_frame_is_sent(self, chat: App) -> None:
        assert chat(self.unsubscribe()) == self.stopped()

    def test_state_can_be_read_and_that_of_the_subscription_is_not_sent_back(self, app: MakeApp) -> None:
        class Leaving(Channel):
            name = "Chat"

            def unsubscribed(self) -> None:
                self.connection.state["last"] = self.state.pop("room")
                self.stream_from("leak", whisper=True)
                self.transmit("bye")

        assert app(User, [Leaving])(self.unsubscribe(istate={"room": "1", "$w": "chat"})) == self.stopped(
            says('"bye"'), env=EnvResponse({"last": "1"})
        )

    def test_an_exception_stops_the_streams_all_the_same(self, app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
        class Broken(Channel):
            name = "Chat"

            def unsubscribed(self) -> None:
                self.transmit("lost")
                raise RuntimeError

        assert app(User, [Broken])(self.unsubscribe()) == self.stopped()
        assert caplog.records[0].exc_info is not None

    def test_a_close_holds_although_an_exception_follows(self, app: MakeApp) -> None:
        class Closing(Channel):
            name = "Chat"

            def unsubscribed(self) -> None:
                self.transmit("lost")
                self.connection.close(reason="banned")
                raise RuntimeError

        frame = '{"type":"disconnect","reason":"banned","reconnect":true}'
        assert app(User, [Closing])(self.unsubscribe()) == self.stopped(frame, disconnect=True)

    def test_reject_only_ends_the_callback(self, app: MakeApp) -> None:
        class Odd(Channel):
            name = "Chat"

            def unsubscribed(self) -> None:
                self.transmit("bye")
                self.reject()

        assert app(User, [Odd])(self.unsubscribe()) == self.stopped(says('"bye"'))

    def test_close_closes(self, app: MakeApp) -> None:
        class Closing(Channel):
            name = "Chat"

            def unsubscribed(self) -> None:
                self.connection.close()

        response = app(User, [Closing])(self.unsubscribe())

        assert isinstance(response, CommandResponse)
        assert (response.disconnect, len(response.transmissions)) == (True, 1)

    @pytest.mark.parametrize("identifier", ['{"channel":"Nope"}', '{"channel":"$pubsub"}', "garbage"])
    def test_what_was_never_a_channel_is_unsubscribed_too(self, chat: App, identifier: str) -> None:
        assert chat(self.unsubscribe(identifier)) == self.stopped()


class TestIdentifiers:
    def test_they_are_read_only_after_connect(self, app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
        class Odd(Channel):
            name = "Chat"

            @action
            def go(self) -> None:
                self.connection.user = "eve"  # type: ignore[attr-defined]

        assert app(User, [Odd])(act("go")) == failed("Odd.go failed")
        assert "it is set when the client connects" in caplog.text

    def test_those_of_a_foreign_token_may_be_others(self, app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
        class Foreign(Channel):
            name = "Chat"

            @action
            def receive(self) -> None:
                self.transmit(dict(self.connection.identifiers))

            @action
            def go(self) -> None:
                self.transmit(self.connection.user)  # type: ignore[attr-defined]

        foreign = app(User, [Foreign])
        known = foreign(CommandMessage("message", IDENTIFIER, '{"id": 7}', "{}"))
        missed = foreign(CommandMessage("message", IDENTIFIER, '{"id": 7}', '{"action":"go"}'))

        assert known == done(says('{"id":7}'))
        assert missed == failed("Foreign.go failed")
        assert "the connection's identifiers have no 'user' (they have: id)" in caplog.text
