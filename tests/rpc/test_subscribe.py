"""The command subscribe: the whole response for each case."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from anycable_rpc import Channel, Connection
from anycable_rpc.protocol.messages import CommandMessage, CommandResponse, Env, EnvResponse, PresenceResponse, Status

from ..support.both_ways import App

MakeApp = Callable[..., App]
IDENTIFIER = '{"channel":"Chat","room":"1"}'
QUOTED = '"{\\"channel\\":\\"Chat\\",\\"room\\":\\"1\\"}"'
CONFIRM = f'{{"identifier":{QUOTED},"type":"confirm_subscription"}}'
REJECT = f'{{"identifier":{QUOTED},"type":"reject_subscription"}}'


class User(Connection):
    identified_by = ("user",)
    user: str


def subscribe(
    identifier: str = IDENTIFIER, identifiers: str = '{"user":"john"}', env: Env | None = None
) -> CommandMessage:
    return CommandMessage("subscribe", identifier, identifiers, env=env or Env())


def confirmed(**fields: object) -> CommandResponse:
    return CommandResponse(
        **{"status": Status.SUCCESS, "transmissions": (CONFIRM,), "env": EnvResponse(), **fields}  # type: ignore[arg-type]
    )


def rejected(*transmissions: str, error_msg: str = "") -> CommandResponse:
    return CommandResponse(
        Status.FAILURE,
        stop_streams=True,
        transmissions=transmissions or (REJECT,),
        error_msg=error_msg,
        env=EnvResponse(),
    )


def test_a_subscription_is_confirmed(app: MakeApp) -> None:
    class Chat(Channel):
        pass

    assert app(User, [Chat])(subscribe()) == confirmed()


def test_streams_are_started_once_and_in_order(app: MakeApp) -> None:
    class Chat(Channel):
        def subscribed(self) -> None:
            for stream in ("a", "b", "a"):
                self.stream_from(stream)

    assert app(User, [Chat])(subscribe()) == confirmed(streams=("a", "b"))


def test_params_and_identifiers_are_there(app: MakeApp) -> None:
    class Chat(Channel):
        def subscribed(self) -> None:
            assert isinstance(self.connection, User)
            self.stream_from(f"{self.connection.user}/{self.params['room']}")
            assert dict(self.params) == {"room": "1"}
            assert self.identifier == IDENTIFIER

    assert app(User, [Chat])(subscribe()) == confirmed(streams=("john/1",))


def test_transmissions_come_before_the_confirmation(app: MakeApp) -> None:
    class Chat(Channel):
        def subscribed(self) -> None:
            self.transmit({"hello": "<b>€"})

    message = f'{{"identifier":{QUOTED},"message":{{"hello":"<b>€"}}}}'
    assert app(User, [Chat])(subscribe()) == confirmed(transmissions=(message, CONFIRM))


def test_a_whisper_stream_is_marked(app: MakeApp) -> None:
    class Chat(Channel):
        def subscribed(self) -> None:
            self.stream_from("chat", whisper=True)

    assert app(User, [Chat])(subscribe()) == confirmed(streams=("chat",), env=EnvResponse(istate={"$w": "chat"}))


def test_state_of_channel_and_connection_is_sent(app: MakeApp) -> None:
    class Chat(Channel):
        def subscribed(self) -> None:
            self.state["room"] = {"id": 1}
            self.state["counter"] = 1
            self.connection.state["last"] = None

    assert app(User, [Chat])(subscribe()) == confirmed(
        env=EnvResponse({"last": "null"}, {"room": '{"id":1}', "counter": "1"})
    )


class TestPresence:
    def test_joining_marks_and_starts_the_stream(self, app: MakeApp) -> None:
        class Chat(Channel):
            def subscribed(self) -> None:
                self.presence_join("42", {"name": "N"}, stream="pres")

        assert app(User, [Chat])(subscribe()) == confirmed(
            streams=("pres",),
            env=EnvResponse(istate={"$p": "pres"}),
            presence=PresenceResponse("join", "42", '{"name":"N"}'),
        )

    def test_joining_takes_the_first_stream_and_the_identifiers_by_default(self, app: MakeApp) -> None:
        class Chat(Channel):
            def subscribed(self) -> None:
                self.stream_from("first")
                self.stream_from("second")
                self.presence_join()

        assert app(User, [Chat])(subscribe()) == confirmed(
            streams=("first", "second"),
            env=EnvResponse(istate={"$p": "first"}),
            presence=PresenceResponse("join", "john"),
        )

    def test_a_text_as_info_stays_a_text(self, app: MakeApp) -> None:
        class Chat(Channel):
            @property
            def presence_id(self) -> str:
                return "me"

            @property
            def presence_info(self) -> str:
                return "42"

            def subscribed(self) -> None:
                self.presence_join(stream="pres")

        response = app(User, [Chat])(subscribe())

        assert isinstance(response, CommandResponse)
        assert response.presence == PresenceResponse("join", "me", '"42"')

    def test_the_last_of_several_wins(self, app: MakeApp) -> None:
        class Chat(Channel):
            def subscribed(self) -> None:
                self.presence_join(1, stream="pres")
                self.presence_leave(2)

        assert app(User, [Chat])(subscribe()) == confirmed(
            streams=("pres",), env=EnvResponse(istate={"$p": "pres"}), presence=PresenceResponse("leave", "2")
        )

    @pytest.mark.parametrize("who", ["", "\ud800"])
    def test_an_odd_id_is_refused(self, app: MakeApp, who: str) -> None:
        class Chat(Channel):
            def subscribed(self) -> None:
                self.presence_join(who, stream="pres")

        assert app(User, [Chat])(subscribe()) == rejected(error_msg="Chat.subscribed failed")

    def test_joining_without_a_stream_is_an_error(self, app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
        class Chat(Channel):
            def subscribed(self) -> None:
                self.presence_join()

        assert app(User, [Chat])(subscribe()) == rejected(error_msg="Chat.subscribed failed")
        assert "presence_join() needs a stream" in caplog.text


def test_a_rejected_subscription_is_told_so_and_unsubscribed_does_not_run(app: MakeApp) -> None:
    ran = []

    class Chat(Channel):
        def subscribed(self) -> None:
            self.reject()

        def unsubscribed(self) -> None:
            ran.append("unsubscribed")

    assert app(User, [Chat])(subscribe()) == rejected()
    assert ran == []


def test_a_rejection_keeps_transmissions_and_drops_everything_else(app: MakeApp) -> None:
    class Chat(Channel):
        def subscribed(self) -> None:
            self.stream_from("leak", whisper=True)
            self.presence_join(stream="leak")
            self.state["a"] = self.connection.state["b"] = 1
            self.transmit("no")
            self.reject()

    message = f'{{"identifier":{QUOTED},"message":"no"}}'
    assert app(User, [Chat])(subscribe()) == rejected(message, REJECT)


def test_a_rejection_that_is_caught_stays_one(app: MakeApp) -> None:
    class Chat(Channel):
        def subscribed(self) -> None:
            self.stream_from("leak")
            try:
                self.reject()
            except Exception:
                self.stream_from("leak too")

    assert app(User, [Chat])(subscribe()) == rejected()


def test_rejecting_the_connection_rejects_the_subscription(app: MakeApp) -> None:
    class Chat(Channel):
        def subscribed(self) -> None:
            self.connection.reject()

    assert app(User, [Chat])(subscribe()) == rejected()


@pytest.mark.parametrize("end", ["reject", "raise"])
def test_a_close_before_a_rejection_closes(app: MakeApp, end: str) -> None:
    class Chat(Channel):
        def subscribed(self) -> None:
            self.connection.close(reason="banned", reconnect=False)
            if end == "reject":
                self.reject()
            raise RuntimeError

    response = app(User, [Chat])(subscribe())

    assert response == CommandResponse(
        Status.FAILURE,
        disconnect=True,
        stop_streams=True,
        transmissions=('{"type":"disconnect","reason":"banned","reconnect":false}', REJECT),
        error_msg="" if end == "reject" else "Chat.subscribed failed",
        env=EnvResponse(),
    )


class Broken(Channel):
    name = "Chat"

    def subscribed(self) -> None:
        self.stream_from("a")
        self.transmit("lost")
        raise RuntimeError("an internal detail")


def test_an_exception_rejects_the_subscription(app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    response = app(User, [Broken])(subscribe(), sid="s1")

    assert response == rejected(error_msg="Broken.subscribed failed")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.__dict__["sid"] == "s1"
    assert record.__dict__["identifiers"] == '{"user":"john"}'
    assert record.__dict__["channel"] == "Chat (room: '1')"
    assert record.__dict__["action"] == "subscribed"


@pytest.mark.parametrize(
    ("identifier", "error_msg"),
    [
        ('{"channel":"Nope"}', "Unknown channel: 'Nope'"),
        ('{"channel":"String"}', "Unknown channel: 'String'"),
        ('{"channel":"$pubsub","stream_name":"a"}', "Unknown channel: '$pubsub'"),
        ("{}", "a subscription's identifier names no channel"),
        ('{"channel":null}', "a subscription's identifier names no channel"),
        ('{"channel":["Chat"]}', "a subscription's identifier names no channel"),
        ("[]", "a subscription's identifier is not a JSON object"),
        ("null", "a subscription's identifier is not a JSON object"),
        ("", "a subscription's identifier is not JSON: Expecting value"),
        ("Chat", "a subscription's identifier is not JSON: Expecting value"),
        ("[" * 100_000, "a subscription's identifier is not JSON: nested too deeply"),
    ],
)
def test_what_names_no_channel_is_rejected_with_one_warning(
    app: MakeApp, caplog: pytest.LogCaptureFixture, identifier: str, error_msg: str
) -> None:
    response = app(User, [Broken])(subscribe(identifier))

    assert isinstance(response, CommandResponse)
    assert response.status is Status.FAILURE
    assert response.error_msg == error_msg
    assert len(response.transmissions) == 1
    assert response.transmissions[0].endswith(',"type":"reject_subscription"}')
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert len(record.message) < 500


@pytest.mark.parametrize("identifiers", ["", "hello", "[]", "{"])
def test_identifiers_that_cannot_be_read_reject_the_subscription(app: MakeApp, identifiers: str) -> None:
    response = app(User, [Broken])(subscribe(identifiers=identifiers))

    assert isinstance(response, CommandResponse)
    assert response.status is Status.FAILURE
    assert response.error_msg.startswith("connection identifiers are not")


def test_no_confirmation_follows_a_close(app: MakeApp) -> None:
    class Chat(Channel):
        def subscribed(self) -> None:
            self.stream_from("a")
            self.presence_join(stream="b")
            self.connection.close(reason="kicked", reconnect=False)

    response = app(User, [Chat])(subscribe())

    assert response == confirmed(
        disconnect=True,
        stop_streams=True,
        transmissions=('{"type":"disconnect","reason":"kicked","reconnect":false}',),
        env=EnvResponse(istate={"$p": "b"}),
    )


def test_an_unknown_command_is_an_error(app: MakeApp) -> None:
    class Chat(Channel):
        pass

    assert app(User, [Chat])(CommandMessage("resubscribe", IDENTIFIER, "{}")) == CommandResponse(
        Status.ERROR, error_msg="Unknown command: 'resubscribe'"
    )


def test_an_app_may_serve_a_channel_of_the_gateway_itself(app: MakeApp) -> None:
    class PubSub(Channel):
        name = "$pubsub"

        def subscribed(self) -> None:
            self.stream_from("own")

    response = app(User, [PubSub])(subscribe('{"channel":"$pubsub"}'))

    assert isinstance(response, CommandResponse)
    assert (response.status, response.streams) == (Status.SUCCESS, ("own",))


@pytest.mark.parametrize("stream", [None, "", 5, b"a", "\ud800"])
def test_a_stream_name_is_a_text(app: MakeApp, stream: str) -> None:
    class Chat(Channel):
        def subscribed(self) -> None:
            self.stream_from(stream)

    assert app(User, [Chat])(subscribe()) == rejected(error_msg="Chat.subscribed failed")


def test_a_signed_stream_name_is_in_no_log(app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    identifier = '{"channel":"Chat","signed_stream_name":"c2VjcmV0--f00d"}'
    app(User, [Broken])(CommandMessage("subscribe", identifier, '{"user":"john"}'))

    (record,) = caplog.records
    assert "c2VjcmV0" not in caplog.text + str(vars(record))
