"""A token explained: each verdict in words, what is shown and what never is, and the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, time
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from anycable_rpc import IdentifiersCodec
from anycable_rpc.cli.token.explain import OLD, UNUSED, Explanation, Key, explain, keys_of
from anycable_rpc.cli.token.verdicts import (
    ERROR,
    TOKEN_EXPIRED,
    UNAUTHORIZED,
    WELCOME,
    is_signed_by,
    judge,
    judge_by_1_5,
    judge_signed,
    read,
)
from anycable_rpc.cli.token.wording import distance
from anycable_rpc.identity.tokens import TokenSigner

from ...gateway.verdicts import OTHER, SECRET, token
from ...support.both_ways import settings
from ...support.paths import DATA
from ..commands import failed, refused, run

NOW = 1_800_000_000
FOREIGN = DATA / "foreign_tokens.json"
KEYS = (Key("secret", SECRET),)
CHAT = IdentifiersCodec(["user_id", "tenant"])


def rows(text: str, keys: Sequence[Key] = KEYS, codec: IdentifiersCodec | None = None) -> dict[str, list[str]]:
    return {title: list(lines) for title, lines in explain(text, keys, NOW, codec).rows.items()}


def with_claims(claims: dict[str, Any]) -> str:
    return token(**claims)


def test_a_good_token() -> None:
    explanation = explain(token(exp=NOW + 540), KEYS, NOW)

    assert explanation.is_welcome
    assert str(explanation) == (
        "algorithm          HS256, which anycable-go takes\n"
        "signature          made with secret\n"
        "expires            2027-01-15 08:09:00 UTC, in 9 minutes\n"
        'identifiers        {"user_id":42}\n'
        "                   user_id = 42\n"
        "                   Byte for byte what IdentifiersCodec writes: cable.disconnect(…) reaches the client.\n"
        "ignored            in the header: typ\n"
        "anycable-go 1.6    welcome, with these identifiers; Connect is not called\n"
        "anycable-go 1.5.1  the same"
    )


class TestVerdicts:
    """1.6 and 1.5.1, as they were observed; where 1.5.1 is left out it is the same."""

    CASES: Sequence[tuple[str, str, str, str]] = [
        ("good", token(exp=NOW + 60), WELCOME, WELCOME),
        ("no exp", token(), WELCOME, WELCOME),
        ("exp 0", token(exp=0), WELCOME, WELCOME),
        ("exp float", token(exp=NOW + 0.5 + 60), WELCOME, WELCOME),
        ("HS384", token(header={"alg": "HS384"}), WELCOME, WELCOME),
        ("other claims", token(aud="a", iss="b", sub=1, jti="c"), WELCOME, WELCOME),
        ("crit", token(header={"alg": "HS256", "crit": ["x"], "kid": 1}), WELCOME, WELCOME),
        ("ext not JSON", token(ext="hello"), WELCOME, WELCOME),
        ("ext empty", token(ext=""), WELCOME, WELCOME),
        ("iat now", token(iat=NOW), WELCOME, WELCOME),
        ("iat 0", token(iat=0), WELCOME, WELCOME),
        ("expired", token(exp=NOW - 3600), TOKEN_EXPIRED, TOKEN_EXPIRED),
        ("expired a second ago", token(exp=NOW - 1), TOKEN_EXPIRED, TOKEN_EXPIRED),
        ("expired and no ext", token(exp=1, ext=...), TOKEN_EXPIRED, TOKEN_EXPIRED),
        ("expires now", token(exp=NOW), TOKEN_EXPIRED, WELCOME),
        ("expired, bad signature", token(OTHER, exp=NOW - 3600), UNAUTHORIZED, TOKEN_EXPIRED),
        ("iat in the future", token(iat=NOW + 60), WELCOME, UNAUTHORIZED),
        ("iat a string", token(iat="x"), WELCOME, UNAUTHORIZED),
        ("exp null", token(exp=None), UNAUTHORIZED, TOKEN_EXPIRED),
        ("exp a string", token(exp=str(NOW + 60)), UNAUTHORIZED, TOKEN_EXPIRED),
        ("exp true", token(exp=True), UNAUTHORIZED, TOKEN_EXPIRED),
        ("exp beyond all reason", token(exp=1e300), TOKEN_EXPIRED, TOKEN_EXPIRED),
        ("nbf in the future", token(nbf=NOW + 60), UNAUTHORIZED, UNAUTHORIZED),
        ("nbf a string", token(nbf="x"), UNAUTHORIZED, UNAUTHORIZED),
        ("bad signature", token(OTHER), UNAUTHORIZED, UNAUTHORIZED),
        ("signature that is no base64", token()[:-2], UNAUTHORIZED, UNAUTHORIZED),
        ("none", token(header={"alg": "none"}), UNAUTHORIZED, UNAUTHORIZED),
        ("none and expired", token(header={"alg": "none"}, exp=1), UNAUTHORIZED, UNAUTHORIZED),
        ("RS256 and exp a string", token(header={"alg": "RS256"}, exp="x"), UNAUTHORIZED, UNAUTHORIZED),
        ("garbage", "foo", UNAUTHORIZED, UNAUTHORIZED),
        ("three words", "a.b.c", UNAUTHORIZED, UNAUTHORIZED),
        ("two segments", token().rpartition(".")[0], UNAUTHORIZED, UNAUTHORIZED),
        ("Bearer", f"Bearer {token()}", UNAUTHORIZED, UNAUTHORIZED),
        ("no ext", token(ext=...), ERROR, ERROR),
        ("ext null", token(ext=None), ERROR, ERROR),
        ("ext an object", token(ext={"user_id": 42}), ERROR, ERROR),
    ]

    @pytest.mark.parametrize(("text", "newer", "older"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
    def test_of_both_versions(self, text: str, newer: str, older: str) -> None:
        assert judge(text, [SECRET], NOW).answer == newer
        assert judge_by_1_5(text, is_signed_by(text, SECRET, NOW), NOW).answer == older

        explanation = explain(text, KEYS, NOW)

        begins = {"1011": "close code 1011"}
        assert explanation.is_welcome is (newer == WELCOME)
        assert explanation.rows["anycable-go 1.6"][0].startswith(begins.get(newer, newer))
        expected = "the same" if newer == older else begins.get(older, older)
        assert explanation.rows["anycable-go 1.5.1"][0].startswith(expected)

    @pytest.mark.parametrize("sample", json.loads(FOREIGN.read_text())["tokens"], ids=lambda sample: str(sample["id"]))
    def test_of_tokens_of_other_issuers(self, sample: dict[str, Any]) -> None:
        text, secret = sample["token"], sample["secret"]
        expected = sample.get("refused", sample["identifiers"])
        differs = {"python-51-exp_string": TOKEN_EXPIRED}

        newer = judge(text, [secret], NOW)
        older = judge_by_1_5(text, is_signed_by(text, secret, NOW), NOW)

        assert (newer.why if newer.answer == WELCOME else newer.answer) == expected
        assert (older.why if older.answer == WELCOME else older.answer) == differs.get(sample["id"], expected)

    @given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
    @example("")
    @example("..")
    @example("\ud800.\udfff.x")
    @example("e30.e30.")
    def test_of_garbage(self, text: str) -> None:
        explanation = explain(text, KEYS, NOW)

        assert not explanation.is_welcome
        assert str(explanation)

    @given(st.data())
    def test_the_reader_and_the_verifier_agree_on_what_a_token_is(self, data: st.DataObject) -> None:
        """`read` is lenient for the explanation; it must not disagree with `TokenVerifier` on what is a token."""
        good = token(ext="{}")
        place = data.draw(st.integers(0, len(good.rpartition(".")[0]) - 1))
        mutated = (
            good[:place]
            + data.draw(st.characters(max_codepoint=255))
            + good[place + data.draw(st.sampled_from([0, 1])) :]
        )
        times = {"exp", "nbf"} & read(mutated).claims.keys()

        if not times:
            assert read(mutated).is_taken is (judge_signed(mutated, NOW).answer != UNAUTHORIZED)


class TestSignature:
    def test_of_an_old_secret(self) -> None:
        found = rows(
            token(OTHER), [Key("secret", SECRET), Key("old secret 1", "x", OLD), Key("old secret 2", OTHER, OLD)]
        )

        assert found["signature"] == ["made with old secret 2"]
        assert found["anycable-go 1.6"][0].startswith("unauthorized")
        assert found["Connect, dev"][0].startswith("welcome: they accept old secrets too")

    def test_of_an_old_secret_that_is_expired(self) -> None:
        found = rows(token(OTHER, exp=1), [*KEYS, Key("old secret 1", OTHER, OLD)])

        assert found["Connect, dev"][0].startswith("token_expired")

    def test_of_a_secret_that_does_not_count(self) -> None:
        keys = [Key("jwt_secret", SECRET), Key("secret, which does not count", OTHER, UNUSED)]

        found = rows(token(OTHER), keys)

        assert found["signature"] == ["made with secret, which does not count"]
        assert "Connect, dev" not in found

    def test_of_an_unknown_secret(self) -> None:
        found = rows(token("who knows"), [*KEYS, Key("old secret 1", OTHER, OLD), Key("another", "x", UNUSED)])

        assert found["signature"] == [
            "made with none of the secrets here (secret, old secret 1): its issuer has another one"
        ]

    def test_without_a_secret(self) -> None:
        explanation = explain(token(), (), NOW)

        assert explanation.is_welcome
        assert explanation.rows["signature"][0].startswith("not checked: there is no secret")
        assert explanation.rows["anycable-go"][0].startswith("without a secret it asks Connect, whatever the token")
        assert not explain(token(exp=1), (), NOW).is_welcome

    def test_what_is_not_a_token_has_none(self) -> None:
        assert "signature" not in rows("foo")
        assert "signature" not in rows(token(header={"alg": "none"}))

    @pytest.mark.parametrize(
        ("values", "names"),
        [
            ({}, []),
            ({"secret": "none", "jwt_secrets_old": ["a"]}, []),
            ({"secret": "s"}, ["secret", "secret without"]),
            (
                {"secret": "s", "jwt_secrets_old": ["a", "b"]},
                ["secret", "old secret 1", "old secret 2", "secret without"],
            ),
            ({"secret": "s", "jwt_secret": "j"}, ["jwt_secret", "secret, which does not count", "jwt_secret without"]),
            ({"jwt_secret": " "}, ["jwt_secret"]),
        ],
    )
    def test_the_keys_of_settings(self, values: dict[str, Any], names: list[str]) -> None:
        keys = keys_of(settings(**values))

        assert [key.name[: len(name)] for key, name in zip(keys, names, strict=True)] == names

    def test_white_space_around_a_secret_is_noticed(self) -> None:
        found = rows(token(), keys_of(settings(secret=f"{SECRET}\n")))

        assert found["signature"] == ["made with secret without the white space around it"]
        assert found["anycable-go 1.6"][0].startswith("unauthorized")


class TestTimes:
    @pytest.mark.parametrize(
        ("claims", "expected"),
        [
            ({}, "never: there is no claim exp"),
            ({"exp": 0}, "exp is 0, which has no effect"),
            ({"exp": NOW + 540}, "2027-01-15 08:09:00 UTC, in 9 minutes"),
            ({"exp": NOW + 0.9}, "2027-01-15 08:00:00 UTC, now"),
            ({"exp": NOW - 7200}, "2027-01-15 06:00:00 UTC, 2 hours ago"),
            ({"exp": NOW * 1000}, "1.8e+12 seconds after 1970, in more than 9999 years"),
            ({"exp": -1}, "1969-12-31 23:59:59 UTC, 57 years ago"),
            ({"exp": "soon"}, "the claim exp is a string, not a number"),
            ({"exp": None}, "the claim exp is null, not a number"),
            ({"exp": True}, "the claim exp is true or false, not a number"),
            ({"exp": [1]}, "the claim exp is a list, not a number"),
            ({"exp": {}}, "the claim exp is an object, not a number"),
        ],
    )
    def test_of_the_end(self, claims: dict[str, Any], expected: str) -> None:
        assert rows(token(**claims))["expires"][0] == expected

    def test_milliseconds_are_noticed(self) -> None:
        assert rows(token(exp=NOW * 1000))["expires"][1] == "These look like milliseconds: the claim is in seconds."

    def test_of_the_beginning(self) -> None:
        assert rows(token(nbf=NOW + 60))["not before"] == ["2027-01-15 08:01:00 UTC, in 1 minute"]
        assert "not before" not in rows(token())

    @pytest.mark.parametrize(
        ("seconds", "expected"),
        [(0, "now"), (1, "in 1 second"), (-59, "59 seconds ago"), (60, "in 1 minute"), (-3600, "1 hour ago"),
         (86400 * 3, "in 3 days"), (31_557_600, "in 1 year"), (-(10**20), "more than 9999 years ago")],
    )  # fmt: skip
    def test_distances(self, seconds: int, expected: str) -> None:
        assert distance(seconds) == expected


class TestIdentifiers:
    @pytest.mark.parametrize("text", ['{"user_id":42,"tenant":null}', '{"user_id":"é<>&","tenant":{"a":[1,true]}}'])
    def test_the_same_bytes(self, text: str) -> None:
        found = rows(token(ext=text), codec=CHAT)["identifiers"]

        assert found[0] == text
        assert found[3:] == [
            "The names are those that the app declares.",
            "Byte for byte what the app writes: cable.disconnect(…) reaches the client.",
        ]

    @pytest.mark.parametrize(
        ("text", "place", "own"),
        [
            ('{"user_id": 42, "tenant": null}', 12, '{"user_id":42,"tenant":null}'),
            ('{"tenant":null,"user_id":42}', 3, '{"user_id":42,"tenant":null}'),
            ('{"user_id":42,"tenant":null}\n', 29, '{"user_id":42,"tenant":null}'),
            (r'{"user_id":"\u00e9","tenant":"\/"}', 13, '{"user_id":"é","tenant":"/"}'),
            (' {"user_id":42,"tenant":null}', 1, '{"user_id":42,"tenant":null}'),
        ],
    )
    def test_other_bytes(self, text: str, place: int, own: str) -> None:
        found = rows(token(ext=text), codec=CHAT)["identifiers"][4:7]

        assert found == [
            f"Not what the app writes, from character {place} on, so cable.disconnect(…) would miss the client:",
            f"token    {text}".replace("\n", "‹U+000A›"),
            f"the app  {own}",
        ]

    @pytest.mark.parametrize(
        ("text", "dialects"),
        [
            ('{"user_id": 42, "tenant": null}', "'python'"),
            ('{"user_id":"a\\u0026b","tenant":"é"}', "'rails'"),
            ('{"tenant":"a\\u0026b","user_id":1}', "'go'"),
            (r'{"user_id":"\/","tenant":1}', "'php'"),
        ],
    )
    @pytest.mark.parametrize("codec", [CHAT, None])
    def test_the_dialect_that_writes_the_same(self, codec: IdentifiersCodec | None, text: str, dialects: str) -> None:
        found = rows(token(ext=text), codec=codec)["identifiers"]

        assert found[-1].startswith("Cable(…, dialect=")
        assert dialects in found[-1]

    def test_an_app_of_that_dialect(self) -> None:
        app = IdentifiersCodec(["user_id", "tenant"], dialect="python")

        found = rows(token(ext='{"user_id": 42, "tenant": null}'), codec=app)["identifiers"]

        assert found[-1] == "Byte for byte what the app writes: cable.disconnect(…) reaches the client."

    def test_objects_are_not_looked_up(self) -> None:
        class Records:
            def dumps(self, value: Any, /) -> Any:
                raise AssertionError(value)

            def loads(self, text: str, /) -> Any:
                raise AssertionError(text)

        app = IdentifiersCodec(["user"], objects=Records())

        found = rows(token(ext='{"user":"Z2lkOi8vYXBwL1VzZXIvMQ"}'), codec=app)["identifiers"]

        assert found[1] == 'user = "Z2lkOi8vYXBwL1VzZXIvMQ"'
        assert found[-1].startswith("Byte for byte")

    def test_other_bytes_far_behind(self) -> None:
        text = json.dumps({"a": "x" * 5000, "b": 1}, separators=(",", ":")).replace(":1", ": 1")

        found = rows(token(ext=text))["identifiers"]

        assert found[4].endswith('","b": 1}')
        assert found[5].endswith('","b":1}')
        assert max(map(len, found)) < 500

    def test_unknown_and_missing_names(self) -> None:
        found = rows(token(ext='{"user_id":42,"role":"admin"}'), codec=CHAT)["identifiers"]

        assert found[3:] == [
            "Missing: tenant. The app declares it, and reading it will be an error.",
            "Unknown: role. The app does not declare it; it is in connection.identifiers only.",
            "cable.disconnect(…) cannot name them: identifiers do not fit (missing: tenant; unknown: role); "
            "declared: user_id, tenant",
        ]

    def test_a_number_and_a_string_differ(self) -> None:
        assert rows(token(ext='{"user_id":42}'))["identifiers"][1] == "user_id = 42"
        assert rows(token(ext='{"user_id":"42"}'))["identifiers"][1] == 'user_id = "42"'

    @pytest.mark.parametrize("text", ["hello", "", "[1]", '{"a":NaN}', "[" * 100_000])
    def test_what_the_app_cannot_read(self, text: str) -> None:
        found = rows(token(ext=text))["identifiers"]

        assert "anycable-go does not mind, but the app cannot read them" in found[1]

    @pytest.mark.parametrize(
        ("claims", "expected"),
        [
            ({"ext": ...}, "none: there is no claim ext"),
            ({"ext": {"user_id": 42}}, "none: the claim ext is an object"),
            ({"ext": 42}, "none: the claim ext is a number"),
            ({"ext": None}, "none: the claim ext is null"),
        ],
    )
    def test_a_token_without_identifiers(self, claims: dict[str, Any], expected: str) -> None:
        lines = rows(token(**claims))["identifiers"]

        assert lines[0] == expected
        assert "JSON string in the claim ext" in lines[1]

    def test_a_name_that_no_app_can_declare(self) -> None:
        assert "cable.disconnect(…) cannot name them: 'ttl'" in rows(token(ext='{"ttl":1}'))["identifiers"][-1]

    def test_a_lone_surrogate_is_replaced_as_anycable_go_does(self) -> None:
        found = rows(token(ext='{"a":"\ud800"}'))["identifiers"]

        assert found[0] == '{"a":"\ufffd"}'
        assert found[-1].startswith("Byte for byte")


class TestWhatIsShown:
    def test_what_cannot_be_seen_is_named(self) -> None:
        output = str(explain(with_claims({"ext": '{"a":"\x1b[31m\u202e"}', "\x1b[2J": 1}), KEYS, NOW))

        assert "‹U+001B›[31m‹U+202E›" in output
        assert "claims: ‹U+001B›[2J" in output
        assert all(each.isprintable() for each in output.replace("\n", ""))

    @pytest.mark.parametrize("keys", [KEYS, (), [Key("secret", OTHER), Key("old secret 1", SECRET, OLD)]])
    @pytest.mark.parametrize("claims", [{}, {"exp": 1}, {"ext": "hello"}, {"ext": 5, "aud": SECRET}])
    def test_neither_a_secret_nor_the_signature(self, keys: Sequence[Key], claims: dict[str, Any]) -> None:
        text = token(**claims)

        output = str(explain(text, keys, NOW))

        assert SECRET not in output
        assert OTHER not in output
        for segment in text.split("."):
            assert segment[-20:] not in output

    def test_ignored_claims_are_only_named(self) -> None:
        found = rows(
            token(header={"alg": "HS256", "kid": "k7", "crit": ["exp"]}, iat=1, sub="someone", jti="x", aud="y")
        )

        assert found["ignored"] == ["in the header: kid, crit", "claims: iat, sub, jti, aud"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (f"Bearer {token()}", "It begins with the word Bearer: give what follows."),
            (f"wss://x/cable?jid={token()}", "It looks like a URL: give the value of its parameter, jid, alone."),
            (f"jid={token()}", "It has the name of the parameter: give the value alone."),
            (f'"{token()}"', "There are quotes around it: take them off."),
            (f" {token()}", "There is a space in it."),
            ("a.b.c.d.e", "Five segments make an encrypted token (JWE), which anycable-go does not read."),
        ],
    )
    def test_hints(self, text: str, expected: str) -> None:
        assert rows(text)["token"][1] == expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("foo", "3 characters that are no token: it has 1 segment, not three with dots between"),
            ("a.b", "3 characters that are no token: it has 2 segments, not three with dots between"),
            ("a..c", "4 characters that are no token: its header is not base64url without padding; "
                     "its payload is not JSON: Expecting value"),
            ("e30.W10.c", "9 characters that are no token: its payload is not a JSON object"),
            ("e30=.e30.c", "10 characters that are no token: its header is not base64url without padding"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_with_it(self, text: str, expected: str) -> None:
        assert rows(text)["token"] == [expected]

    @pytest.mark.parametrize(
        "text",
        [
            "x" * 1_000_000,
            "." * 1_000_000,
            token(ext="x" * 1_000_000),
            token(ext=json.dumps({"a": ["\x1b"] * 100_000})),
            token(ext=json.dumps({str(n): n for n in range(60_000)}, separators=(",", ":"))),
            with_claims({f"claim {n}": n for n in range(40_000)}),
            with_claims({"c" * 1_000_000: 1}),
            token(header={"alg": "x" * 1_000_000}),
            token(header={"alg": "HS256", "k" * 1_000_000: 1}),
        ],
        ids=range(9),
    )
    def test_a_large_token_has_a_short_explanation_soon(self, text: str) -> None:
        begun = perf_counter()

        output = str(explain(text, [*KEYS, *(Key(f"old secret {n}", str(n), OLD) for n in range(3))], NOW, CHAT))

        assert len(output) < 5000
        assert perf_counter() - begun < 5

    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ({"alg": "none"}, '"none", which anycable-go refuses: it takes HS256, HS384 and HS512'),
            ({"alg": 5}, "5, which anycable-go refuses: it takes HS256, HS384 and HS512"),
            ({"alg": "HS512"}, "HS512, which anycable-go takes"),
        ],
    )
    def test_algorithms(self, header: dict[str, Any], expected: str) -> None:
        assert rows(token(header=header))["algorithm"] == [expected]

    def test_no_algorithm(self) -> None:
        assert rows("e30.e30.")["algorithm"] == ["none is named: the header has no alg"]


class TestCommand:
    def test_a_token_that_was_issued(self) -> None:
        issued = run("token", "user_id:=42", f"--secret={SECRET}").stdout.strip()

        result = run("token", "--inspect", issued, f"--secret={SECRET}")

        assert (result.exit_code, result.stderr) == (0, "")
        assert "welcome, with these identifiers" in result.stdout
        assert "in 59 minutes" in result.stdout or "in 1 hour" in result.stdout

    @pytest.mark.parametrize("text", ["foo", token(exp=1), token(OTHER), token(ext=...), "\udcff"])
    def test_a_token_that_would_be_refused(self, text: str) -> None:
        result = run("token", "--inspect", text, f"--secret={SECRET}")

        assert (result.exit_code, result.stderr) == (1, "")
        assert "anycable-go 1.6  " in result.stdout

    @pytest.mark.parametrize("data", [token(), f"{token()}\n", f"\r\n{token()}\r\n"])
    def test_from_standard_input(self, data: str) -> None:
        result = CliRunner().invoke(_program(), ["token", "--inspect", "-", f"--secret={SECRET}"], input=data)

        assert result.exit_code == 0, result.output
        assert "made with secret" in result.stdout

    def test_bytes_on_standard_input(self) -> None:
        result = CliRunner().invoke(_program(), ["token", "--inspect=-", f"--secret={SECRET}"], input=b"\xff\x00\xfe")

        assert result.exit_code == 1
        assert "3 characters that are no token" in result.stdout

    def test_more_than_a_token_on_standard_input(self) -> None:
        result = CliRunner().invoke(_program(), ["token", "--inspect=-"], input="x" * (4 * 1024 * 1024 + 1))

        assert result.exit_code == 2
        assert "longer than 4194304 characters" in result.output

    @pytest.mark.parametrize("arguments", [("user_id=1",), ("--ttl=5",), ("--expires-at", "5")])
    def test_it_issues_nothing(self, arguments: tuple[str, ...]) -> None:
        output = refused("token", "--inspect", token(), *arguments)

        assert "--inspect explains a token and issues none" in output

    def test_no_token(self) -> None:
        assert "the token is empty" in refused("token", "--inspect", "")

    def test_old_secrets_are_a_flag_or_a_variable(self) -> None:
        for result in (
            run("token", "--inspect", token(OTHER), f"--secret={SECRET}", f"--jwt-secrets-old={OTHER}"),
            run("token", "--inspect", token(OTHER), f"--secret={SECRET}", ANYCABLE_JWT_SECRETS_OLD=OTHER),
        ):
            assert result.exit_code == 1
            assert "made with old secret 1" in result.stdout

    def test_a_short_key_is_a_warning_on_stderr(self) -> None:
        result = run("token", "--inspect", token("short"), "--secret=short")

        assert result.exit_code == 0
        assert result.stderr.startswith("warning: secret is shorter than 32 bytes")

    @pytest.mark.parametrize("how", [{"ANYCABLE_APP": "chat:cable"}, None])
    def test_the_names_of_the_app(self, how: dict[str, str] | None) -> None:
        flags = [] if how else ["--app=chat"]

        result = run("token", "--inspect", token(), f"--secret={SECRET}", *flags, **(how or {}))

        assert result.exit_code == 0
        assert "Missing: tenant." in result.stdout

    def test_a_configured_app_may_be_broken(self, folder: Path) -> None:
        (folder / "broken.py").write_text("print('noise'); raise RuntimeError('the fault')")

        result = run("token", "--inspect", token(), f"--secret={SECRET}", ANYCABLE_APP="broken:cable")

        assert result.exit_code == 0
        assert "warning: the names of the app are not known: cannot import broken" in result.stderr
        assert "noise" not in result.stdout
        assert "there is no module chta" in refused("token", "--inspect", token(), "--app=chta")

    @pytest.mark.parametrize(
        "arguments",
        [("token", token()), ("token", "--inspct", token()), ("token", f"--inspct={token()}"), (token(),),
         ("serve", "--inspect", token()), ("token", "--inspect", token(), token()), ("token", "--secret=x", token())],
    )  # fmt: skip
    def test_wrong_usage_does_not_quote_the_token(self, arguments: tuple[str, ...]) -> None:
        assert token()[:30] not in failed(2, *arguments)

    def test_the_help_has_the_exit_codes(self) -> None:
        assert "Exit codes of --inspect: 0 anycable-go would let the token in, 1 it would not" in " ".join(
            run("token", "--help").stdout.split()
        )


def _program() -> Any:
    from anycable_rpc.cli.program import program

    return program


def test_an_explanation_is_data() -> None:
    explanation = Explanation({"a": ("1", "2"), "long": ("3",)}, True)

    assert str(explanation) == "a     1\n      2\nlong  3"
    assert TokenSigner(SECRET).sign("{}", int(time()) + 60) not in str(explanation)
