"""Authentication: decisions on plain data, and the same table on the wire."""

from __future__ import annotations

import json
from time import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from anycable_rpc.gateway import GatewayOptions
from anycable_rpc.gateway.core.authentication import AskApp, Authenticator, Decision, Denied, Failed, Identified
from anycable_rpc.gateway.handshake import Handshake, is_allowed
from anycable_rpc.settings.model import Settings

from .client import Client
from .scripted import ScriptedApp
from .servers import Serve, Server
from .verdicts import ERROR, MODES, OTHER, RPC, SECRET, SID, TOKEN_EXPIRED, UNAUTHORIZED, Case, Mode, cases, token

NOW = 1_800_000_000


def scope_of(case: Case, **more: Any) -> dict[str, Any]:
    headers = {"Host": "cable.test:8080", **case.headers}
    if case.subprotocols:
        headers["Sec-WebSocket-Protocol"] = ", ".join(case.subprotocols)
    return {
        "type": "websocket",
        "scheme": "ws",
        "path": "/cable",
        "raw_path": b"/cable",
        "query_string": case.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "subprotocols": list(case.subprotocols),
        "client": ("10.1.2.3", 5),
        **more,
    }


def identify(case: Case, options: GatewayOptions) -> tuple[str, Decision]:
    handshake = Handshake(scope_of(case), options)
    authenticator = Authenticator(options, lambda: NOW)
    return handshake.sid, authenticator.identify(handshake.sid, handshake.url, handshake.headers)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_the_verdicts(mode: Mode) -> None:
    options = GatewayOptions(**mode.options)

    seen = {case.name: verdict_text(*identify(case, options)) for case in cases(NOW)}

    assert seen == {case.name: mode.expected(case) for case in cases(NOW)}


KEYS = [
    ({"secret": SECRET}, "default"),
    ({"jwt_secret": SECRET}, "default"),
    ({"secret": OTHER, "jwt_secret": SECRET}, "default"),
    ({"secret": SECRET, "jwt_secret": "none"}, "no secret"),
    ({"secret": "none"}, "no secret"),
    ({"jwt_secrets_old": [SECRET]}, "no secret"),
    ({"secret": SECRET, "enforce_jwt": True}, "enforce_jwt"),
    ({"jwt_secret": "none", "enforce_jwt": True}, "no secret, enforce_jwt"),
    ({"secret": SECRET, "public": True}, "public"),
]
"""Settings, and the mode that they mean."""


@pytest.mark.parametrize(("values", "name"), KEYS)
def test_the_verdicts_of_settings(values: dict[str, Any], name: str) -> None:
    options = GatewayOptions.of(Settings(**values))
    mode = next(mode for mode in MODES if mode.name == name)

    seen = {case.name: verdict_text(*identify(case, options)) for case in cases(NOW)}

    assert seen == {case.name: mode.expected(case) for case in cases(NOW)}


def test_a_token_of_the_common_secret_is_refused_where_tokens_have_their_own() -> None:
    options = GatewayOptions.of(Settings(secret=OTHER, jwt_secret=SECRET))
    case = Case("common secret", UNAUTHORIZED, f"jid={token(OTHER)}")

    assert verdict_text(*identify(case, options)) == UNAUTHORIZED


def verdict_text(sid: str, decision: Decision) -> str:
    """Return a decision as the table writes it."""
    match decision:
        case Identified(identifiers):
            return SID if identifiers == f'{{"sid":"{sid}"}}' else identifiers
        case Denied(reason):
            return reason
        case Failed():
            return ERROR
        case AskApp():
            return RPC


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_the_verdicts_on_the_wire(serve: Serve, mode: Mode) -> None:
    app = ScriptedApp()
    server = serve(app, **mode.options)
    rows = [case for case in cases(int(time())) if case.name != "just expired"]

    seen = {case.name: seen_verdict(server, case, mode) for case in rows}

    assert seen == {case.name: mode.expected(case, server.version) for case in rows}


def seen_verdict(server: Server, case: Case, mode: Mode) -> str:
    """Return what the client and the app see, as the table writes it."""
    server.app.forget()
    with server.client(case.query, headers=case.headers, subprotocols=case.subprotocols) as client:
        try:
            first = client.next()
        except ConnectionClosed:
            assert client.last_words() == ([], 1011, "Auth Error")
            return ERROR
        if first["type"] == "disconnect":
            assert first == {"type": "disconnect", "reason": first["reason"], "reconnect": False}
            assert client.last_words() == ([], 1000, "Auth Failed")
            return str(first["reason"])
        return _identity(server, client, first, mode.expected(case, server.version))


def _identity(server: Server, client: Client, welcome: dict[str, Any], expected: str) -> str:
    if server.app.requests("Connect"):
        assert welcome == {"type": "welcome"}
        return RPC
    assert welcome == {"type": "welcome", "sid": welcome["sid"]}
    client.subscribe("A")
    if client.pending()[0]["type"] == "reject_subscription":
        return "nobody" if expected in (RPC, UNAUTHORIZED, TOKEN_EXPIRED, ERROR) else expected  # no app shows it
    identifiers: str = server.app.requests("Command")[0].connection_identifiers
    return SID if identifiers == json.dumps({"sid": welcome["sid"]}, separators=(",", ":")) else identifiers


@pytest.mark.parametrize("param", ["token", "Token"])
def test_the_name_of_the_parameter(serve: Serve, param: str) -> None:
    server = serve(jwt_secrets=(SECRET,), jwt_param=param, enforce_jwt=True)
    good = token()
    ways: list[tuple[tuple[int, ...], dict[str, Any]]] = [
        ((1, 0), {"query": f"{param}={good}"}),
        ((1, 6), {"headers": {f"X-{param}": good}}),
        ((1, 6), {"subprotocols": ("actioncable-v1-json", f"anycable-token.{good}")}),
    ]
    for since, way in ways:
        if server.version < since:
            with server.client(**way) as client:
                assert client.last_words()[1:] == (1000, "Auth Failed")
            continue
        with server.welcomed(**way) as client:
            client.subscribe("A")
            client.pending()
        request = server.app.requests("Command")[-1]
        assert request.connection_identifiers == '{"user_id":42}'
        assert request.env.headers.get("x-token") == (None if "query" in way else good)
    with server.client(f"jid={good}") as client:
        assert client.last_words()[1:] == (1000, "Auth Failed")


def test_keys_can_be_rotated(serve_gateway: Serve) -> None:
    server = serve_gateway(jwt_secrets=(OTHER, SECRET), enforce_jwt=True)
    for secret in (OTHER, SECRET):
        with server.welcomed(f"jid={token(secret)}"):
            pass


def test_without_a_key_a_token_in_a_header_is_not_shown_to_the_app(serve: Serve) -> None:
    server = serve()
    with server.welcomed(f"jid={token()}", headers={"X-JID": token()}):
        request = server.app.wait_for("Connect")[0]

    assert request.env.headers == {"REMOTE_ADDR": "127.0.0.1"}
    assert request.env.url.endswith(f"/cable?jid={token()}")


# The request


CASE = Case("", "")


def test_a_sid_is_new_for_each() -> None:
    sids = {Handshake(scope_of(CASE), GatewayOptions()).sid for _ in range(50)}

    assert len(sids) == 50
    assert {len(sid) for sid in sids} == {21}


@pytest.mark.parametrize(
    ("given", "is_taken"),
    [
        ("abc-1", True),
        ('x","user_id":1,"z":"y', True),
        ("with spaces", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("é", False),
        ("a\tb", False),
        ("a\x7fb", False),
        ("", False),
    ],
)
def test_a_client_may_name_its_sid(given: str, is_taken: bool) -> None:
    case = Case("", "", headers={"X-Request-ID": given})

    sid, decision = identify(case, GatewayOptions(noauth=True))

    assert (sid == given) is is_taken
    assert isinstance(decision, Identified)
    assert json.loads(decision.identifiers) == {"sid": sid}


def test_a_sid_cannot_smuggle_identifiers(serve_gateway: Serve) -> None:
    server = serve_gateway(noauth=True)
    sid = 'x","user_id":1,"z":"y'
    with server.client(headers={"X-Request-ID": sid}) as client:
        assert client.next() == {"type": "welcome", "sid": sid}
        client.subscribe("A")
        client.pending()

    assert json.loads(server.app.requests("Command")[0].connection_identifiers) == {"sid": sid}
    assert server.app.calls[0].metadata["sid"] == sid


def test_the_url_is_as_it_came() -> None:
    scope = scope_of(Case("", "", "a=%20b&c=é"), raw_path=b"/%63able", scheme="wss")

    assert Handshake(scope, GatewayOptions()).url == "https://cable.test:8080/%63able?a=%20b&c=Ã©"


def test_a_server_need_not_give_the_raw_path() -> None:
    scope = scope_of(CASE, client=None)
    del scope["raw_path"]
    handshake = Handshake(scope, GatewayOptions())

    assert handshake.url == "http://cable.test:8080/cable"
    assert handshake.headers == {"REMOTE_ADDR": ""}


def test_only_some_headers_are_shown() -> None:
    case = Case("", "", headers={"Cookie": "a=1", "Origin": "http://x", "X-Empty": "", "Accept": "y"})
    options = GatewayOptions(headers=("Cookie", "origin", "x-empty", "host", "x-missing"))

    assert Handshake(scope_of(case), options).headers == {
        "cookie": "a=1",
        "origin": "http://x",
        "REMOTE_ADDR": "10.1.2.3",
    }


@pytest.mark.parametrize(
    ("query", "interval"),
    [("", 3), ("pi=10", 10), ("pi=0", 0), ("pi=-1", -1), ("pi=x", 3), ("pi=1.5", 3), ("pi=", 3), ("pi=1&pi=2", 2)],
)
def test_a_client_may_set_its_pings(query: str, interval: float) -> None:
    assert Handshake(scope_of(Case("", "", query)), GatewayOptions()).ping_interval == interval


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["actioncable-v1-json"], "actioncable-v1-json"),
        (["actioncable-v1-ext-json", "actioncable-v1-json"], "actioncable-v1-json"),
        (["foo", "actioncable-v1-ext-json"], "actioncable-v1-ext-json"),
        (["foo", "anycable-token.x"], None),
        ([], None),
    ],
)
def test_the_server_chooses_the_subprotocol(server: Server, offered: list[str], chosen: str | None) -> None:
    with server.welcomed(subprotocols=offered) as client:
        assert client.subprotocol == chosen


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://example.com", True),
        ("https://EXAMPLE.com", True),
        ("https://my.io", False),
        ("https://a.b.my.io", True),
        ("http://example.com:8080", False),
        ("http://localhost:3000", True),
        ("http://evil.com", False),
        ("http://[::1", False),
        ("null", False),
        ("", False),
    ],
)
def test_origins(origin: str, allowed: bool) -> None:
    assert is_allowed(origin, ("example.com", "*.my.io", "Localhost:3000")) is allowed
