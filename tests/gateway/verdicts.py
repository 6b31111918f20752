"""Authentication as a table: the answers of anycable-go 1.6.16 to each token, in each mode.

1.5.1 has a column of its own, for the cases in which it differs.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .client import ACTION_CABLE

SECRET = "a secret of more than thirty-two bytes"
OTHER = "another secret of more than thirty-two bytes"

RPC = "rpc"
UNAUTHORIZED = "unauthorized"
TOKEN_EXPIRED = "token_expired"
ERROR = "1011"
SID = '{"sid":…}'
"""Verdicts; any other string is the identifiers of a client that may connect."""

ME = '{"user_id":42}'


@dataclass(frozen=True)
class Case:
    """A request, and its verdict in the default mode."""

    name: str
    verdict: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    subprotocols: Sequence[str] = ACTION_CABLE


@dataclass(frozen=True)
class Mode:
    """Options, and how verdicts differ from the default mode: for clients without a token, or for all."""

    name: str
    options: Mapping[str, Any]
    without_token: str = RPC
    with_token: str = ""

    def expected(self, case: Case, version: tuple[int, ...] = (1, 6)) -> str:
        """Return the verdict of this version of anycable-go; the gateway answers as 1.6."""
        verdict = case.verdict if version >= (1, 6) else self._on_1_5(case)
        return self.without_token if verdict == RPC else self.with_token or verdict

    def _on_1_5(self, case: Case) -> str:
        usual, proxied = ON_1_5.get(case.name, (case.verdict, case.verdict))
        return proxied if "x-jid" in self.options.get("headers", ()) else usual


def token(secret: str = SECRET, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
    """Return a token with these claims, valid or not; `...` removes a claim."""
    head = {"alg": "HS256", "typ": "JWT"} if header is None else header
    body = {name: value for name, value in {"ext": ME, **claims}.items() if value is not ...}
    signed = b".".join(map(_encode, (json.dumps(head).encode(), json.dumps(body).encode())))
    return (signed + b"." + _encode(_sign(str(head["alg"]), secret, signed))).decode()


def _encode(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _sign(algorithm: str, secret: str, signed: bytes) -> bytes:
    digest = {"HS384": "sha384", "HS512": "sha512"}.get(algorithm, "sha256")
    return b"" if algorithm == "none" else hmac.digest(secret.encode(), signed, digest)


def _raw(payload: bytes) -> str:
    signed = _encode(b'{"alg":"HS256"}') + b"." + _encode(payload)
    return (signed + b"." + _encode(_sign("HS256", SECRET, signed))).decode()


def cases(now: int) -> list[Case]:
    """Return the table, at this time (epoch seconds)."""
    good, two = token(exp=now + 3600), token(ext='{"user_id":2}', exp=now + 3600)
    return [*_sources(good, two), *_claims(now), *_shapes(good), *_texts()]


def _sources(good: str, two: str) -> list[Case]:
    sub = f"anycable-token.{good}"
    return [
        Case("no token", RPC),
        Case("query", ME, f"jid={good}"),
        Case("query after others", ME, f"a=1&b=%20&jid={good}"),
        Case("first of two in the query", ME, f"jid={good}&jid=garbage"),
        Case("name in the query in another case", RPC, f"JID={good}"),
        Case("header", ME, headers={"X-JID": good}),
        Case("header in lower case", ME, headers={"x-jid": good}),
        Case("header before query", ME, f"jid={two}", {"X-JID": good}),
        Case("bad header, good query", UNAUTHORIZED, f"jid={good}", {"X-JID": "garbage"}),
        Case("good header, bad query", ME, "jid=garbage", {"X-JID": good}),
        Case("empty header, query", ME, f"jid={good}", {"X-JID": ""}),
        Case("empty query", RPC, "jid="),
        Case("authorization", RPC, headers={"Authorization": f"Bearer {good}"}),
        Case("sub-protocol", ME, subprotocols=(*ACTION_CABLE, sub)),
        Case("sub-protocol first", ME, subprotocols=(sub, *ACTION_CABLE)),
        Case("sub-protocol only", ME, subprotocols=(sub,)),
        Case("sub-protocol before query", ME, f"jid={two}", subprotocols=(*ACTION_CABLE, sub)),
        Case("header before sub-protocol", ME, "", {"X-JID": good}, (*ACTION_CABLE, f"anycable-token.{two}")),
        Case("bad sub-protocol", UNAUTHORIZED, f"jid={good}", subprotocols=(*ACTION_CABLE, "anycable-token.garbage")),
        Case("first of two sub-protocols", ME, "", {}, (sub, "anycable-token.garbage")),
        Case("empty sub-protocol", RPC, subprotocols=(*ACTION_CABLE, "anycable-token.")),
        Case("sub-protocol in another case", RPC, subprotocols=(*ACTION_CABLE, f"AnyCable-Token.{good}")),
        Case("no sub-protocol", ME, f"jid={good}", subprotocols=()),
        Case("unknown sub-protocol", ME, f"jid={good}", subprotocols=("foo",)),
        Case("extended protocol", ME, f"jid={good}", subprotocols=("actioncable-v1-ext-json",)),
    ]


def _claims(now: int) -> list[Case]:
    later = now + 3600
    rows: list[tuple[str, str, dict[str, Any]]] = [
        ("expired", TOKEN_EXPIRED, {"exp": now - 3600}),
        ("just expired", TOKEN_EXPIRED, {"exp": now - 1}),
        ("expired, bad signature", UNAUTHORIZED, {"exp": now - 3600, "secret": OTHER}),
        ("bad signature", UNAUTHORIZED, {"secret": OTHER}),
        ("no signature", UNAUTHORIZED, {"header": {"alg": "none"}}),
        ("RS256", UNAUTHORIZED, {"header": {"alg": "RS256"}}),
        ("HS384", ME, {"header": {"alg": "HS384"}}),
        ("HS512", ME, {"header": {"alg": "HS512"}}),
        ("hs256", UNAUTHORIZED, {"header": {"alg": "hs256"}}),
        ("no typ", ME, {"header": {"alg": "HS256"}}),
        ("no ext", ERROR, {"ext": ...}),
        ("ext null", ERROR, {"ext": None}),
        ("ext is an object", ERROR, {"ext": {"user_id": 42}}),
        ("nbf in the future", UNAUTHORIZED, {"nbf": later}),
        ("iat in the future", ME, {"iat": later}),
        ("no exp", ME, {}),
        ("exp null", UNAUTHORIZED, {"exp": None}),
        ("exp float", ME, {"exp": later + 0.5}),
        ("exp text", UNAUTHORIZED, {"exp": str(later)}),
        ("exp 0", ME, {"exp": 0}),
        ("other claims", ME, {"aud": "a", "iss": "b", "sub": 1, "jti": "c"}),
    ]
    return [Case(name, verdict, f"jid={token(**claims)}") for name, verdict, claims in rows]


def _shapes(good: str) -> list[Case]:
    rows = {
        "a word": "foo",
        "three words": "a.b.c",
        "two segments": good.rpartition(".")[0],
        "payload not JSON": _raw(b"hello"),
        "Bearer": f"Bearer%20{good}",
    }
    traps = {
        "a semicolon": f"jid={good};a=1",
        "a semicolon, no token": "a=1;b=2",
        "a broken escape": f"jid={good}&a=%zz",
        "a broken escape, no token": "a=%",
    }
    return [
        *(Case(name, UNAUTHORIZED, f"jid={text}") for name, text in rows.items()),
        *(Case(name, ERROR, query) for name, query in traps.items()),
        Case("a semicolon, token in a header", ME, "a;b", {"X-JID": good}),
    ]


def _texts() -> list[Case]:
    """Return cases of `ext`, which is taken verbatim."""
    texts = ["{}", "hello", '{"user_id": 42}', '{"n":"Zoë\\u00eb<>&"}\n', '{"a":"\u2028\x00"}', "x" * 2000]
    return [Case(f"ext {text[:20]!r}", text, f"jid={token(ext=text)}") for text in texts]


TWO = '{"user_id":2}'

ON_1_5: Mapping[str, tuple[str, str]] = {
    "header": (RPC, ME),
    "header in lower case": (RPC, ME),
    "header before query": (TWO, ME),
    "bad header, good query": (ME, UNAUTHORIZED),
    "good header, bad query": (UNAUTHORIZED, ME),
    "sub-protocol": (RPC, RPC),
    "sub-protocol first": (RPC, RPC),
    "sub-protocol only": (RPC, RPC),
    "sub-protocol before query": (TWO, TWO),
    "header before sub-protocol": (RPC, ME),
    "bad sub-protocol": (ME, ME),
    "first of two sub-protocols": (RPC, RPC),
    "a semicolon, token in a header": (ERROR, ME),
    "expired, bad signature": (TOKEN_EXPIRED, TOKEN_EXPIRED),
    "iat in the future": (UNAUTHORIZED, UNAUTHORIZED),
    "exp null": (TOKEN_EXPIRED, TOKEN_EXPIRED),
    "exp text": (TOKEN_EXPIRED, TOKEN_EXPIRED),
}
"""The verdicts of 1.5.1 in the default mode, and when the header with the token is one of the proxied ones: it takes
tokens from the URL and from proxied headers, and looks at the claims before the signature."""

_KEY = {"jwt_secrets": (SECRET,)}

MODES = [
    Mode("default", _KEY),
    Mode("proxied header", {**_KEY, "headers": ("cookie", "x-jid")}),
    Mode("enforce_jwt", {**_KEY, "enforce_jwt": True}, UNAUTHORIZED),
    Mode("noauth", {**_KEY, "noauth": True}, SID),
    Mode("noauth, enforce_jwt", {**_KEY, "noauth": True, "enforce_jwt": True}, UNAUTHORIZED),
    Mode("public", {**_KEY, "public": True}, SID),
    Mode("norpc", {**_KEY, "norpc": True}, UNAUTHORIZED),
    Mode("no secret", {}, RPC, RPC),
    Mode("no secret, enforce_jwt", {"enforce_jwt": True}, RPC, RPC),
    Mode("no secret, noauth", {"noauth": True}, SID, SID),
    Mode("no secret, norpc", {"norpc": True}, UNAUTHORIZED, UNAUTHORIZED),
]
