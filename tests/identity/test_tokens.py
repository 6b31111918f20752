"""Tokens with anycable-go's verdicts, signed stream names, derived keys."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycable_rpc.errors import (
    ConfigurationError,
    ExpiredToken,
    InvalidData,
    InvalidSignedStream,
    InvalidToken,
    MissingIdentifiers,
    shorten,
)
from anycable_rpc.identity.keys import BROADCAST_KEY, derive_key
from anycable_rpc.identity.signed_streams import sign_stream, verify_stream
from anycable_rpc.identity.tokens import TokenSigner, TokenVerifier, expiry

from ..support.paths import DATA

SECRET = "s3Krit"
IDS = '{"user_id":42}'
EXT = json.dumps(IDS)
NOW = 1_800_000_000
HS256 = '{"alg":"HS256"}'


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(signing_input: str, secret: str = SECRET, digest: str = "sha256") -> str:
    return base64url(hmac.digest(secret.encode(), signing_input.encode(), digest))


def token(claims: str | bytes, header: str | bytes = HS256, secret: str = SECRET, digest: str = "sha256") -> str:
    """A token by hand, with whatever is inside signed as it is."""
    parts = [part.encode() if isinstance(part, str) else part for part in (header, claims)]
    signing_input = ".".join(map(base64url, parts))
    return f"{signing_input}.{sign(signing_input, secret, digest)}"


def signed(signing_input: str) -> str:
    return f"{signing_input}.{sign(signing_input)}"


def verify(text: str, *secrets: str, now: float = NOW) -> str:
    return TokenVerifier(secrets or [SECRET], clock=lambda: now).verify(text)


GOOD = token(f'{{"ext":{EXT}}}')
HEADER, CLAIMS, SIGNATURE = GOOD.split(".")


# Tokens: issued


@pytest.mark.parametrize(
    ("ext", "exp", "text"),
    [
        (
            '{"user_id":42}',
            1700003600,
            "eyJhbGciOiJIUzI1NiJ9.eyJleHQiOiJ7XCJ1c2VyX2lkXCI6NDJ9IiwiZXhwIjoxNzAwMDAzNjAwfQ"
            ".LWLgkC2XrQpc9vjYWquIkyHAr-Z-iiR9xHhkvrUDn0s",
        ),
        (
            '{"current_user":"Z2lkOi8vYXBwL1VzZXIvMQ","tenant":"acme","flag":null}',
            1700003600,
            "eyJhbGciOiJIUzI1NiJ9.eyJleHQiOiJ7XCJjdXJyZW50X3VzZXJcIjpcIloybGtPaTh2WVhCd0wxVnpaWEl2TVFcIixcInRlbmFu"
            "dFwiOlwiYWNtZVwiLFwiZmxhZ1wiOm51bGx9IiwiZXhwIjoxNzAwMDAzNjAwfQ"
            ".OHg55oRlThQuROOrxweGKpvdWuRQsQGFF-Lu4Nz4QnY",
        ),
    ],
    ids=["a number", "an object and a null"],
)
def test_a_token_is_the_one_that_the_ruby_sdk_issues(ext: str, exp: int, text: str) -> None:
    assert TokenSigner(SECRET).sign(ext, exp) == text


def test_without_an_expiry_there_is_no_exp_claim() -> None:
    assert TokenSigner(SECRET).sign(IDS) == token(f'{{"ext":{EXT}}}')


def test_a_token_with_a_typ_in_its_header_has_the_recorded_signature() -> None:
    claims = f'{{"ext":{EXT},"exp":1700003600}}'

    made = token(claims, header='{"alg":"HS256","typ":"JWT"}')

    assert made.endswith(".kXvKcafDGtcpbapoVZbPgFusPw2up0GEa907UoIFPGQ")
    assert verify(made, now=1700000000) == IDS


def test_any_jwt_library_can_read_a_token() -> None:
    secret = "a secret that is as long as its hash"

    made = TokenSigner(secret).sign(IDS, NOW)

    claims = jwt.decode(  # pyright: ignore[reportUnknownMemberType]
        made, secret, algorithms=["HS256"], options={"verify_exp": False}
    )

    assert claims == {"ext": IDS, "exp": NOW}


def test_identifiers_that_are_not_unicode_are_refused() -> None:
    with pytest.raises(InvalidData):
        TokenSigner(SECRET).sign("\ud800")


@pytest.mark.parametrize("make", [lambda: TokenSigner(""), lambda: TokenVerifier([]), lambda: TokenVerifier([""])])
def test_without_a_secret_there_are_no_tokens(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError, match="set ANYCABLE_SECRET or ANYCABLE_JWT_SECRET"):
        make()


# Tokens: verified, with the verdicts of anycable-go 1.6.16


ACCEPTED = {
    "valid": (token(f'{{"ext":{EXT},"exp":{NOW + 60}}}'), IDS),
    "no exp": (token(f'{{"ext":{EXT}}}'), IDS),
    "exp 0": (token(f'{{"ext":{EXT},"exp":0}}'), IDS),
    "exp -0.0": (token(f'{{"ext":{EXT},"exp":-0.0}}'), IDS),
    "exp float in the future": (token(f'{{"ext":{EXT},"exp":{NOW + 60}.5}}'), IDS),
    "exp with an exponent": (token(f'{{"ext":{EXT},"exp":2e9}}'), IDS),
    "nbf now": (token(f'{{"ext":{EXT},"nbf":{NOW}}}'), IDS),
    "nbf 0": (token(f'{{"ext":{EXT},"nbf":0}}'), IDS),
    "nbf that wraps round": (token(f'{{"ext":{EXT},"nbf":1e19}}'), IDS),
    "nbf a fraction ahead": (token(f'{{"ext":{EXT},"nbf":{NOW}.9}}'), IDS),
    "iat in the future": (token(f'{{"ext":{EXT},"iat":{NOW + 3600}}}'), IDS),
    "iat of a wrong type": (token(f'{{"ext":{EXT},"iat":"x"}}'), IDS),
    "aud, iss, sub, jti": (token(f'{{"ext":{EXT},"aud":["a"],"iss":1,"sub":42,"jti":7}}'), IDS),
    "HS384": (token(f'{{"ext":{EXT}}}', '{"alg":"HS384"}', digest="sha384"), IDS),
    "HS512": (token(f'{{"ext":{EXT}}}', '{"alg":"HS512"}', digest="sha512"), IDS),
    "typ": (token(f'{{"ext":{EXT}}}', '{"typ":"JWT","alg":"HS256"}'), IDS),
    "crit": (token(f'{{"ext":{EXT}}}', '{"alg":"HS256","crit":["x"],"x":1}'), IDS),
    "kid": (token(f'{{"ext":{EXT}}}', '{"alg":"HS256","kid":7}'), IDS),
    "b64": (token(f'{{"ext":{EXT}}}', '{"alg":"HS256","crit":["b64"],"b64":false}'), IDS),
    "alg in escapes": (token(f'{{"ext":{EXT}}}', '{"alg":"HS\\u0032\\u0035\\u0036"}'), IDS),
    "two exts": (token(f'{{"ext":"first","ext":{EXT}}}'), IDS),
    "two algs": (token(f'{{"ext":{EXT}}}', '{"alg":"none","alg":"HS256"}'), IDS),
    "two exps": (token(f'{{"ext":{EXT},"exp":1,"exp":{NOW + 60}}}'), IDS),
    "space in the JSON": (token(f' {{ "ext" : {EXT} }}\n'), IDS),
    "line break in the header": (signed(f"{HEADER[:4]}\n{HEADER[4:]}.{CLAIMS}"), IDS),
    "line break in the claims": (signed(f"{HEADER}.{CLAIMS[:4]}\r\n{CLAIMS[4:]}"), IDS),
    "line break at the end": (GOOD + "\n", IDS),
    "bits left over": (f"{HEADER}.{CLAIMS}.{SIGNATURE[:-1]}{chr(ord(SIGNATURE[-1]) + 1)}", IDS),
    "ext {}": (token('{"ext":"{}"}'), "{}"),
    "ext empty": (token('{"ext":""}'), ""),
    "ext not JSON": (token('{"ext":"hello"}'), "hello"),
    "ext with spaces": (token(r'{"ext":"{\"user_id\": 42}\n"}'), '{"user_id": 42}\n'),
    "ext with NUL": (token(r'{"ext":"a\u0000b"}'), "a\0b"),
    "ext in escapes": (token(r'{"ext":"\u0447\ud83d\ude00\/"}'), "ч😀/"),
    "ext raw": (token('{"ext":"ч😀<>&\u2028"}'), "ч😀<>&\u2028"),
    "ext of 20 kB": (token(f'{{"ext":"{"x" * 20_000}"}}'), "x" * 20_000),
    "lone surrogate": (token(r'{"ext":"\ud800\ud800\udc00"}'), "\ufffd𐀀"),
    "byte that is not UTF-8": (token(b'{"ext":"a\xffb"}'), "a\ufffdb"),
    "cut UTF-8": (token(b'{"ext":"\xe2\x82"}'), "\ufffd\ufffd"),
    "surrogate in UTF-8": (token(b'{"ext":"\xed\xa0\x80"}'), "\ufffd\ufffd\ufffd"),
}

EXPIRED = {
    "an hour ago": f'{{"ext":{EXT},"exp":{NOW - 3600}}}',
    "now": f'{{"ext":{EXT},"exp":{NOW}}}',
    "a fraction ahead": f'{{"ext":{EXT},"exp":{NOW}.9}}',
    "0.5": f'{{"ext":{EXT},"exp":0.5}}',
    "negative": f'{{"ext":{EXT},"exp":-1}}',
    "wraps round": f'{{"ext":{EXT},"exp":9223372036854775808}}',
    "far below": f'{{"ext":{EXT},"exp":-1e30}}',
    "and not valid yet": f'{{"ext":{EXT},"exp":1,"nbf":{NOW + 60}}}',
    "and nbf is a string": f'{{"ext":{EXT},"exp":1,"nbf":"x"}}',
    "and without identifiers": '{"exp":1}',
}

MISSING = {
    "no ext": "{}",
    "null": '{"ext":null}',
    "object": '{"ext":{"user_id":42}}',
    "number": '{"ext":42}',
    "list": '{"ext":["x"]}',
    "another case": f'{{"Ext":{EXT}}}',
    "claims are null": "null",
}

REFUSED = {
    "another secret": token(f'{{"ext":{EXT}}}', secret="other"),
    "another secret and expired": token(f'{{"ext":{EXT},"exp":1}}', secret="other"),
    "another payload": f"{HEADER}.{base64url(b'{}')}.{SIGNATURE}",
    "no signature": f"{HEADER}.{CLAIMS}.",
    "half a signature": GOOD[:-20],
    "alg none": base64url(b'{"alg":"none"}') + f".{CLAIMS}.",
    "alg none, signed": token(f'{{"ext":{EXT}}}', '{"alg":"none"}'),
    "alg RS256": token(f'{{"ext":{EXT}}}', '{"alg":"RS256"}'),
    "alg lower-case": token(f'{{"ext":{EXT}}}', '{"alg":"hs256"}'),
    "alg null": token(f'{{"ext":{EXT}}}', '{"alg":null}'),
    "alg a number": token(f'{{"ext":{EXT}}}', '{"alg":256}'),
    "alg a list": token(f'{{"ext":{EXT}}}', '{"alg":["HS256"]}'),
    "no alg": token(f'{{"ext":{EXT}}}', "{}"),
    "alg of another digest": token(f'{{"ext":{EXT}}}', '{"alg":"HS512"}'),
    "exp null": token(f'{{"ext":{EXT},"exp":null}}'),
    "exp a string": token(f'{{"ext":{EXT},"exp":"{NOW + 60}"}}'),
    "exp true": token(f'{{"ext":{EXT},"exp":true}}'),
    "exp a list": token(f'{{"ext":{EXT},"exp":[]}}'),
    "exp beyond numbers": token(f'{{"ext":{EXT},"exp":1e400}}'),
    "exp of 400 digits": token(f'{{"ext":{EXT},"exp":{"9" * 400}}}'),
    "any claim of 400 digits": token(f'{{"ext":{EXT},"x":[{"9" * 400}]}}'),
    "exp NaN": token(f'{{"ext":{EXT},"exp":NaN}}'),
    "nbf in the future": token(f'{{"ext":{EXT},"nbf":{NOW + 1}}}'),
    "nbf null": token(f'{{"ext":{EXT},"nbf":null}}'),
    "nbf a string": token(f'{{"ext":{EXT},"nbf":"1"}}'),
    "header null": token(f'{{"ext":{EXT}}}', "null"),
    "header a list": token(f'{{"ext":{EXT}}}', "[]"),
    "header empty": token(f'{{"ext":{EXT}}}', ""),
    "header not JSON": token(f'{{"ext":{EXT}}}', "HS256"),
    "claims a list": token("[]"),
    "claims a string": token('"x"'),
    "claims empty": token(""),
    "claims not JSON": token("hello"),
    "claims and more": token("{}{}"),
    "claims after a byte order mark": token("\ufeff{}"),
    "claims nested deeply": token(f'{{"ext":{EXT},"x":{"[" * 100_000}'),
    "control character": token('{"ext":"a\nb"}'),
    "padded segments": signed(f"{HEADER}=.{CLAIMS}"),
    "padded signature": GOOD + "=",
    "one character too many": GOOD + "AA",
    "segment of five characters": signed(f"{HEADER}.AAAAA"),
    "standard base64": signed(f"{HEADER}.a+/b"),
    "space in a segment": signed(f"{HEADER}.a b="),
    "space at the end": GOOD + " ",
    "Bearer": "Bearer " + GOOD,
    "one segment": "foo",
    "two segments": f"{HEADER}.{CLAIMS}",
    "four segments": GOOD + ".x",
    "five segments": "a.b.c.d.e",
    "only dots": "..",
    "a.b.c": "a.b.c",
    "empty": "",
    "not ASCII": GOOD + "é",
    "digits of another script": GOOD + "٣",
    "lone surrogate": GOOD + "\ud800",
    "NUL": GOOD + "\0",
}


@pytest.mark.parametrize(("text", "identifiers"), ACCEPTED.values(), ids=ACCEPTED)
def test_an_accepted_token_gives_the_identifiers_as_they_were_signed(text: str, identifiers: str) -> None:
    assert verify(text) == identifiers


@pytest.mark.parametrize("claims", EXPIRED.values(), ids=EXPIRED)
def test_an_expired_token_has_its_own_error(claims: str) -> None:
    with pytest.raises(ExpiredToken, match=r"^the token has expired$"):
        verify(token(claims))


@pytest.mark.parametrize("claims", MISSING.values(), ids=MISSING)
def test_a_valid_token_without_identifiers_has_its_own_error(claims: str) -> None:
    with pytest.raises(MissingIdentifiers, match="its claim 'ext' is missing or not a string"):
        verify(token(claims))


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_any_other_token_is_invalid(text: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        verify(text)

    assert caught.type is InvalidToken


@pytest.mark.parametrize("claims", [EXPIRED["now"], MISSING["number"], "hello"])
def test_no_error_shows_the_token(claims: str) -> None:
    text = token(claims)

    with pytest.raises(InvalidToken) as caught:
        verify(text)

    assert not any(part in str(caught.value) for part in text.split("."))


@pytest.mark.parametrize("now", [NOW - 0.001, NOW - 1, 0])
def test_a_token_is_valid_until_the_second_of_its_expiry(now: float) -> None:
    text = TokenSigner(SECRET).sign(IDS, NOW)

    assert verify(text, now=now) == IDS


def test_the_clock_is_the_machines() -> None:
    text = TokenSigner(SECRET).sign(IDS, 1)

    with pytest.raises(ExpiredToken):
        TokenVerifier([SECRET]).verify(text)


@pytest.mark.parametrize("secret", ["old", "new"])
def test_while_a_secret_is_rotated_both_are_good(secret: str) -> None:
    verifier = TokenVerifier(["new", "", "old"])

    assert verifier.verify(TokenSigner(secret).sign(IDS)) == IDS


def test_a_secret_that_is_not_listed_is_not() -> None:
    with pytest.raises(InvalidToken, match="signed with another secret"):
        verify(TokenSigner("older").sign(IDS), "new", "old")


@pytest.mark.parametrize(
    "secret",
    [
        "x",
        "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK\n-----END PUBLIC KEY-----\n",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ",
        '{"kty":"oct","k":"eA"}',
        "ключ",
        " padded ",
    ],
    ids=["one character", "PEM", "ssh", "JWK", "not ASCII", "spaces"],
)
def test_any_secret_that_anycable_go_takes_is_taken_without_a_warning(secret: str) -> None:
    made = TokenSigner(secret).sign(IDS)

    assert made == token(f'{{"ext":{EXT}}}', secret=secret)
    assert verify(made, secret) == IDS


FOREIGN: list[dict[str, str]] = json.loads((DATA / "foreign_tokens.json").read_text("utf-8"))["tokens"]
REFUSALS = {"token_expired": ExpiredToken, "unauthorized": InvalidToken, "1011": MissingIdentifiers}


def by_id(tokens: list[dict[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recorded", tokens, ids=[recorded["id"] for recorded in tokens])


@by_id([recorded for recorded in FOREIGN if "refused" not in recorded])
def test_a_token_of_another_implementation_is_accepted(recorded: dict[str, str]) -> None:
    assert verify(recorded["token"], recorded["secret"]) == recorded["identifiers"]


@by_id([recorded for recorded in FOREIGN if "refused" in recorded])
def test_a_token_of_another_implementation_is_refused(recorded: dict[str, str]) -> None:
    with pytest.raises(InvalidToken) as caught:
        verify(recorded["token"], recorded["secret"])

    assert caught.type is REFUSALS[recorded["refused"]]


@given(st.text())
def test_any_string_is_an_invalid_token(text: str) -> None:
    with pytest.raises(InvalidToken):
        verify(text)


@given(st.lists(st.text(st.sampled_from("eyJhbGciOiJIUzI1NiJ9_-+=\n")), min_size=3, max_size=3))
def test_any_three_segments_are_an_invalid_token(segments: list[str]) -> None:
    with pytest.raises(InvalidToken):
        verify(".".join(segments))


@given(st.binary(), st.binary())
def test_anything_signed_is_read_or_an_invalid_token(header: bytes, claims: bytes) -> None:
    for text in (token(claims, header), token(claims)):
        with pytest.raises(InvalidToken):
            verify(text)


@given(st.integers(0, len(GOOD) - 1), st.characters(codec="utf-8"))
def test_a_token_with_a_character_changed_is_the_same_or_invalid(place: int, character: str) -> None:
    mutated = GOOD[:place] + character + GOOD[place + 1 :]

    try:
        identifiers = verify(mutated)
    except InvalidToken:
        return

    assert identifiers == IDS


@pytest.mark.parametrize("length", range(0, len(GOOD), 7))
def test_a_cut_token_is_invalid(length: int) -> None:
    with pytest.raises(InvalidToken):
        verify(GOOD[:length])


@pytest.mark.parametrize("text", ["x" * 2**20, GOOD + "A" * 2**20, "." * 2**20, "A" * 2**20 + GOOD])
def test_a_megabyte_is_an_invalid_token(text: str) -> None:
    with pytest.raises(InvalidToken):
        verify(text)


# Tokens: for how long


NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ttl", "expires_at", "exp"),
    [
        (None, None, None),
        (60, None, 1060),
        (0.5, None, 1001),
        (timedelta(minutes=1), None, 1060),
        (None, 2000, 2000),
        (None, 2000.1, 2001),
        (None, 1, 1),
        (None, NOON, 1893499200),
        (None, NOON.astimezone(timezone(timedelta(hours=5))), 1893499200),
    ],
)
def test_the_expiry_is_in_whole_seconds(ttl: Any, expires_at: Any, exp: int | None) -> None:
    assert expiry(ttl, expires_at, now=1000) == exp


@pytest.mark.parametrize(
    ("ttl", "expires_at", "message"),
    [
        (60, 2000, "give ttl or expires_at, not both"),
        (None, datetime(2030, 1, 1), "expires_at has no time zone"),
        (0, None, "ttl must be a positive number of seconds, got 0"),
        (-1, None, "ttl must be a positive number of seconds, got -1"),
        (timedelta(0), None, "ttl must be a positive number of seconds"),
        (True, None, "ttl must be a positive number of seconds, got True"),
        ("60", None, "ttl must be a positive number of seconds, got '60'"),
        (float("nan"), None, "ttl must be a positive number of seconds, got nan"),
        (float("inf"), None, "ttl must be a positive number of seconds, got inf"),
        (9.3e18, None, "ttl must be a positive number of seconds"),
        (10**5000, None, "ttl must be a positive number of seconds, got <int>"),
        (None, 0, "expires_at must be a positive number of seconds, got 0"),
        (None, False, "expires_at must be a positive number of seconds, got False"),
        (None, datetime(1960, 1, 1, tzinfo=UTC), "expires_at must be a positive number of seconds"),
    ],
    ids=lambda value: shorten(value, 30),
)
def test_an_impossible_expiry_is_refused(ttl: Any, expires_at: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        expiry(ttl, expires_at, now=1000)


# Signed stream names


STREAMS = {
    "chat/1": "ImNoYXQvMSI=--fb0d1378c0e5a497a30372a2d59137d51a79844aa651c868aec7c29ae641f0dd",
    "chat/2024": "ImNoYXQvMjAyNCI=--82a3fbb6e2c6083afdbd1a63564580bfcf9284f8bef3bce300c4b31b0b3e45e6",
    "chat:2021": "ImNoYXQ6MjAyMSI=--f9ee45dbccb1da04d8ceb99cc820207804370ba0d06b46fc3b8b373af1315628",
    "чат": "ItGH0LDRgiI=--d5f4695be7f9353ff828b322da15b9958332f1b16b57c3dc41cf8fe97476ecff",
    "a?b>c": "ImE/Yj5jIg==--c308b727e2f49c0749dd23d7ec9344020bc14f188b3abcf8bfd356dea11e6b64",
}


def signed_stream(encoded: str) -> str:
    """A signed stream name by hand."""
    return f"{encoded}--{hmac.digest(SECRET.encode(), encoded.encode(), 'sha256').hex()}"


def encoded_stream(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.mark.parametrize(("name", "text"), STREAMS.items())
def test_a_signed_stream_name_is_standard_padded_base64_with_a_digest(name: str, text: str) -> None:
    assert sign_stream(name, SECRET) == text
    assert verify_stream(text, SECRET) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ilx1MDQ0N1x1MDQzMFx1MDQ0MiI=--9fae45b4fc15f251a5378d12e2898e20421a229c53b90f49259d9495087faf9a", "чат"),
        (signed_stream(encoded_stream(r'"chat\/1"')), "chat/1"),
        (signed_stream(encoded_stream(' "chat/1" ')), "chat/1"),
        (signed_stream("ImNo\r\nYXQvMSI="), "chat/1"),
        (signed_stream(encoded_stream(r'"\ud800"')), "\ufffd"),
        (signed_stream(encoded_stream(b'"\xe2\x82"')), "\ufffd\ufffd"),
    ],
    ids=["Python", "Laravel", "spaces", "line break", "lone surrogate", "cut UTF-8"],
)
def test_what_anycable_go_reads_is_read(text: str, name: str) -> None:
    assert verify_stream(text, SECRET) == name


@pytest.mark.parametrize(
    "text",
    [
        "ImE_Yj5jIg==--f4c6fa57297f7ca05b4a9d99a7be43005fcbf6e4188be1145ff78ebaf2758e2a",
        signed_stream("ImNoYXQvMSI"),
        signed_stream("ImNoYXQvMQ"),
        signed_stream("ImNoYXQiIA=="[:-1]),
        signed_stream("ImNoYXQvMSI=" + "===="),
        signed_stream("ImNoYXQvMSI=" + "="),
        signed_stream("ImNo YXQvMSI="),
        signed_stream("ImNoYé=="),
        signed_stream(""),
        signed_stream(encoded_stream("1")),
        signed_stream(encoded_stream("null")),
        signed_stream(encoded_stream('["chat/1"]')),
        signed_stream(encoded_stream('""')),
        signed_stream(encoded_stream("chat/1")),
        signed_stream(encoded_stream("[" * 100_000)),
    ],
    ids=[
        "url-safe",
        "no padding",
        "no padding for two",
        "half a padding",
        "too much padding",
        "one = too many",
        "space",
        "not ASCII",
        "nothing",
        "number",
        "null",
        "list",
        "empty name",
        "not JSON",
        "deep",
    ],
)
def test_a_signed_value_that_is_not_a_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidSignedStream, match="the signed stream name is not"):
        verify_stream(text, SECRET)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "--",
        "chat/1",
        STREAMS["chat/1"][:-1],
        STREAMS["chat/1"] + "0",
        STREAMS["chat/1"] + "--",
        STREAMS["chat/1"] + "--x",
        STREAMS["chat/1"].upper(),
        STREAMS["chat/1"].replace("--", "-"),
        STREAMS["chat/1"].replace("ImNo", "ImNp"),
        STREAMS["chat/1"] + "é",
        "é" + STREAMS["chat/1"],
        "\ud800--\ud800",
    ],
    ids=ascii,
)
def test_an_unsigned_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidSignedStream, match="the signature of the stream name is invalid"):
        verify_stream(text, SECRET)


def test_another_secret_gives_another_signature() -> None:
    with pytest.raises(InvalidSignedStream):
        verify_stream(STREAMS["chat/1"], "other")


@pytest.mark.parametrize("name", ["", None, 1, "\ud800"])
def test_only_a_string_can_be_signed(name: Any) -> None:
    with pytest.raises(InvalidData):
        sign_stream(name, SECRET)


@pytest.mark.parametrize("act", [sign_stream, verify_stream])
def test_signed_streams_need_a_secret(act: Callable[[str, str], str]) -> None:
    with pytest.raises(ConfigurationError, match="set ANYCABLE_SECRET or ANYCABLE_STREAMS_SECRET"):
        act("chat/1", "")


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_name_that_was_signed_is_verified(name: str, secret: str) -> None:
    assert verify_stream(sign_stream(name, secret), secret) == name


@given(st.text())
def test_garbage_is_no_signed_stream(text: str) -> None:
    for candidate in (text, signed_stream(text)):
        with pytest.raises(InvalidSignedStream):
            verify_stream(candidate, SECRET)


# Derived keys


@pytest.mark.parametrize(
    ("purpose", "key"),
    [
        (BROADCAST_KEY, "a239a7ca182c90fc32bdedf73703d271388cf433843affffd3a5e757041fc716"),
        ("rpc-cable", "08ac56f1562c6377ddd5d2d55cee2e35e117a55959d6a6ea3a63548ef0a7e559"),
        ("api-cable", "1db397202b5bd68b12665b638515c3aeac9100f721fd7c4fcb6f29c69f32c886"),
    ],
)
def test_a_key_is_derived_as_the_servers_derive_it(purpose: str, key: str) -> None:
    assert derive_key(SECRET, purpose) == key


def test_the_key_for_broadcasts_is_the_one_in_the_ruby_specs() -> None:
    key = derive_key("qwerty", BROADCAST_KEY)

    assert (key[:8], key[-6:]) == ("42923a28", "d98485")
