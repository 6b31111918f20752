"""Connect: the whole response for each case."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from anycable_rpc import Connection
from anycable_rpc.identity.tokens import TokenSigner
from anycable_rpc.protocol.messages import ConnectionRequest, ConnectionResponse, Env, EnvResponse, Status

from ..support.both_ways import App, settings

MakeApp = Callable[..., App]
SECRET = "a secret of thirty-two bytes....."
WELCOME = '{"type":"welcome"}'
UNAUTHORIZED = '{"type":"disconnect","reason":"unauthorized","reconnect":false}'
EXPIRED = '{"type":"disconnect","reason":"token_expired","reconnect":false}'


class User(Connection):
    identified_by = ("user", "tenant")

    def connect(self) -> None:
        self.user = self.query_params.get("user") or self.reject()
        self.tenant = self.cookies.get("tenant")


def request(query: str = "", **headers: str) -> ConnectionRequest:
    return ConnectionRequest(Env(f"http://localhost/cable{query}", headers))


def refused(*transmissions: str) -> ConnectionResponse:
    return ConnectionResponse(Status.FAILURE, transmissions=transmissions)


def test_an_accepted_client_is_welcomed(app: MakeApp) -> None:
    response = app(User)(request("?user=john", cookie="tenant=acme"))

    assert response == ConnectionResponse(
        Status.SUCCESS, '{"user":"john","tenant":"acme"}', (WELCOME,), env=EnvResponse()
    )


def test_the_welcome_tells_the_sid_when_it_is_known(app: MakeApp) -> None:
    response = app(User)(request("?user=john"), sid="s42")

    assert response == ConnectionResponse(
        Status.SUCCESS,
        '{"user":"john","tenant":null}',
        ('{"type":"welcome","sid":"s42"}',),
        env=EnvResponse(),
    )


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["userr", "tenant"], "missing: user); declared: user, tenant; self.userr was set; did you mean user?"),
        (["zzz"], "(missing: user, tenant); declared: user, tenant\n"),
    ],
)
def test_an_identifier_that_is_misspelt_is_named_without_the_guard_too(
    app: MakeApp, caplog: pytest.LogCaptureFixture, names: list[str], said: str
) -> None:
    class Misspelt(Connection):
        identified_by = ("user", "tenant")

        def connect(self) -> None:
            for name in names:
                setattr(self, name, "x")

    assert app(Misspelt)(request()).status is Status.ERROR
    assert said in caplog.text + "\n"


def test_state_set_in_connect_is_sent(app: MakeApp) -> None:
    class Stateful(Connection):
        def connect(self) -> None:
            self.state["token"] = "t1"
            self.state["tags"] = ["T", "john"]

    assert app(Stateful)(request()) == ConnectionResponse(
        Status.SUCCESS, "{}", (WELCOME,), env=EnvResponse({"token": '"t1"', "tags": '["T","john"]'})
    )


def test_false_and_none_are_identifiers_like_others(app: MakeApp) -> None:
    class Falsy(Connection):
        identified_by = ("flag", "nobody")

        def connect(self) -> None:
            self.flag = False
            self.nobody = None

    assert app(Falsy)(request()) == ConnectionResponse(
        Status.SUCCESS, '{"flag":false,"nobody":null}', (WELCOME,), env=EnvResponse()
    )


def test_a_rejected_client_is_told_so(app: MakeApp) -> None:
    assert app(User)(request()) == refused(UNAUTHORIZED)


def test_a_rejection_keeps_transmissions_and_drops_state(app: MakeApp) -> None:
    class Talkative(Connection):
        def connect(self) -> None:
            self.state["seen"] = True
            self.transmit({"type": "notice", "text": "no"})
            self.reject()

    assert app(Talkative)(request()) == refused('{"type":"notice","text":"no"}', UNAUTHORIZED)


def test_a_rejection_has_its_own_reason(app: MakeApp) -> None:
    class Picky(Connection):
        def connect(self) -> None:
            self.reject(reason="token_expired", reconnect=True)

    assert app(Picky)(request()) == refused('{"type":"disconnect","reason":"token_expired","reconnect":true}')


def test_no_welcome_follows_a_close(app: MakeApp) -> None:
    class Closing(Connection):
        def connect(self) -> None:
            self.close(reason="custom", reconnect=False)
            self.close()

    assert app(Closing)(request()) == refused('{"type":"disconnect","reason":"custom","reconnect":false}')


def test_a_rejection_that_is_caught_stays_one(app: MakeApp) -> None:
    class Careless(Connection):
        def connect(self) -> None:
            try:
                self.reject(reason="banned")
            except Exception:
                self.transmit("looked up")

    assert app(Careless)(request()) == refused(
        '"looked up"', '{"type":"disconnect","reason":"banned","reconnect":false}'
    )


def test_a_client_is_told_once_that_it_is_disconnected(app: MakeApp) -> None:
    class Thorough(Connection):
        def connect(self) -> None:
            self.close(reason="banned", reconnect=False)
            self.reject()

    assert app(Thorough)(request()) == refused('{"type":"disconnect","reason":"banned","reconnect":false}')


def test_a_close_without_arguments_has_no_reason_and_lets_reconnect(app: MakeApp) -> None:
    class Closing(Connection):
        def connect(self) -> None:
            self.close()

    assert app(Closing)(request()) == refused('{"type":"disconnect","reason":null,"reconnect":true}')


def test_transmissions_come_before_the_welcome(app: MakeApp) -> None:
    class Talkative(Connection):
        def connect(self) -> None:
            self.transmit({"hello": "you"})

    assert app(Talkative)(request()) == ConnectionResponse(
        Status.SUCCESS, "{}", ('{"hello":"you"}', WELCOME), env=EnvResponse()
    )


class Broken(Connection):
    identified_by = ("user",)

    def connect(self) -> None:
        self.user = "john"
        self.transmit({"lost": True})
        raise KeyError("an internal detail")


def test_an_exception_becomes_an_error_without_internals(app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    response = app(Broken)(request("?jid=a-token"), sid="s1")

    assert response == ConnectionResponse(Status.ERROR, error_msg="Broken.connect failed")
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert "sid='s1'" in record.message
    assert "a-token" not in caplog.text


def test_debugging_tells_what_went_wrong(app: MakeApp) -> None:
    response = app(Broken, settings=settings(debug=True))(request())

    assert response == ConnectionResponse(
        Status.ERROR, error_msg="Broken.connect failed: KeyError: 'an internal detail'"
    )


def test_a_forgotten_identifier_is_an_error(app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    class Forgetful(Connection):
        identified_by = ("user", "tenant")

        def connect(self) -> None:
            self.user = "john"

    assert app(Forgetful)(request()) == ConnectionResponse(Status.ERROR, error_msg="Forgetful.connect failed")
    assert "missing: tenant" in caplog.text


@pytest.mark.parametrize("value", [float("nan"), "\ud800", object(), (1, 2), {1: 2}, [{"a": (1,)}]])
def test_an_identifier_that_is_not_json_is_an_error(app: MakeApp, value: Any) -> None:
    class Odd(Connection):
        identified_by = ("user",)

        def connect(self) -> None:
            self.user = value

    assert app(Odd)(request()) == ConnectionResponse(Status.ERROR, error_msg="Odd.connect failed")


def test_without_a_connect_of_its_own_a_class_with_identifiers_lets_nobody_in(app: MakeApp) -> None:
    class TokensOnly(Connection):
        identified_by = ("user",)

    assert app(TokensOnly)(request()) == refused(UNAUTHORIZED)


def test_without_identifiers_everybody_is_welcome(app: MakeApp) -> None:
    assert app()(ConnectionRequest()) == ConnectionResponse(Status.SUCCESS, "{}", (WELCOME,), env=EnvResponse())


class TestTokens:
    """Connect with a token: the answer is the one that anycable-go itself would give."""

    signer = TokenSigner(SECRET)
    ext = '{"user": 42, "extra":null}'

    def ask(self, app: MakeApp, request: ConnectionRequest, **values: Any) -> Any:
        return app(User, settings=settings(**{"jwt_secret": SECRET, **values}))(request, sid="s1")

    def accepted(self) -> ConnectionResponse:
        return ConnectionResponse(Status.SUCCESS, self.ext, ('{"type":"welcome","sid":"s1"}',), env=EnvResponse())

    def test_a_token_identifies_with_its_ext_verbatim(self, app: MakeApp) -> None:
        token = self.signer.sign(self.ext, 4102444800)

        assert self.ask(app, request(f"?user=other&jid={token}")) == self.accepted()

    def test_a_token_may_come_in_the_header(self, app: MakeApp) -> None:
        headers = {"x-jid": self.signer.sign(self.ext)}

        assert self.ask(app, request("?jid=garbage", **headers)) == self.accepted()

    def test_an_expired_token_says_so(self, app: MakeApp) -> None:
        assert self.ask(app, request(f"?jid={self.signer.sign(self.ext, 1)}")) == refused(EXPIRED)

    @pytest.mark.parametrize("token", ["garbage", "a.b.c", TokenSigner("another secret, long enough....").sign("{}")])
    def test_a_bad_token_is_unauthorized(self, app: MakeApp, token: str) -> None:
        assert self.ask(app, request(f"?user=john&jid={token}")) == refused(UNAUTHORIZED)

    def test_a_token_without_identifiers_is_an_error(self, app: MakeApp) -> None:
        token = jwt.encode({"ext": {"user": 42}}, SECRET, "HS256")
        response = self.ask(app, request(f"?jid={token}"))

        assert response == ConnectionResponse(
            Status.ERROR,
            error_msg="the token has no identifiers: its claim 'ext' is missing or not a string",
        )

    def test_a_query_that_go_cannot_read_is_an_error(self, app: MakeApp) -> None:
        assert self.ask(app, request("?user=john;x")) == ConnectionResponse(
            Status.ERROR, error_msg="the URL's query cannot be read: it has a ';' or a broken %-escape"
        )

    def test_an_empty_token_is_none(self, app: MakeApp) -> None:
        response = self.ask(app, request("?user=john&jid="))

        assert response.identifiers == '{"user":"john","tenant":null}'

    def test_without_a_secret_tokens_are_not_read(self, app: MakeApp) -> None:
        response = self.ask(app, request("?user=john&jid=garbage"), jwt_secret="none")

        assert response.identifiers == '{"user":"john","tenant":null}'

    def test_reading_tokens_can_be_switched_off(self, app: MakeApp) -> None:
        response = self.ask(app, request("?user=john&jid=garbage"), connect_tokens=False)

        assert response.identifiers == '{"user":"john","tenant":null}'
