"""The command `token`: names, lifetimes, keys, and refusals."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from jwt.utils import base64url_decode

from anycable_rpc.identity.tokens import TokenVerifier

from ..commands import CHAT, LONG, refused, run


class TestToken:
    @staticmethod
    def claims(*arguments: str, **environment: str) -> dict[str, Any]:
        result = run("token", *arguments, **{"ANYCABLE_SECRET": LONG, **environment})
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        (token,) = result.stdout.splitlines()
        TokenVerifier([LONG], clock=lambda: 0).verify(token)
        claims: dict[str, Any] = json.loads(base64url_decode(token.split(".")[1]))
        return claims

    @pytest.mark.parametrize(
        ("pairs", "ext"),
        [
            (["user_id=42"], '{"user_id":"42"}'),
            (["user_id:=42"], '{"user_id":42}'),
            (["user_id=42", "n:=7"], '{"user_id":"42","n":7}'),
            (["b=1", "a=2"], '{"b":"1","a":"2"}'),
            (["k="], '{"k":""}'),
            (["k==a=b"], '{"k":"=a=b"}'),
            (["a:b=c"], '{"a:b":"c"}'),
            (["k:=null", "l:=true"], '{"k":null,"l":true}'),
            (['k:={"a": [1, "é"]}'], '{"k":{"a":[1,"é"]}}'),
            (["имя=Ж 🎉"], '{"имя":"Ж 🎉"}'),
            (["k:=1e2"], '{"k":100.0}'),
        ],
    )
    def test_pairs(self, pairs: list[str], ext: str) -> None:
        assert self.claims(*pairs)["ext"] == ext

    @pytest.mark.parametrize(
        ("arguments", "seconds"),
        [([], 3600), (["--ttl", "10m"], 600), (["--ttl=90"], 90), (["--ttl", "1h30m"], 5400), (["--ttl=2d"], 172800)],
    )
    def test_lifetimes(self, arguments: list[str], seconds: int) -> None:
        before = time.time()

        exp = self.claims("a=1", *arguments)["exp"]

        assert before + seconds <= exp <= time.time() + seconds + 1

    @pytest.mark.parametrize(
        ("arguments", "environment"),
        [(["--ttl=none"], {}), ([], {"ANYCABLE_JWT_TTL": "none"})],
    )
    def test_a_token_that_never_expires_is_issued_with_a_warning(
        self, arguments: list[str], environment: dict[str, str]
    ) -> None:
        result = run("token", "a=1", *arguments, **{"ANYCABLE_SECRET": LONG, **environment})

        assert result.stderr == "warning: this token never expires, because its lifetime is none\n"
        assert json.loads(base64url_decode(result.stdout.split(".")[1])) == {"ext": '{"a":"1"}'}

    @pytest.mark.parametrize(
        ("arguments", "environment", "name"),
        [
            (["--ttl=0"], {}, "--ttl"),
            (["--ttl", "0s"], {}, "--ttl"),
            (["--ttl=-1"], {}, "--ttl"),
            ([], {"ANYCABLE_JWT_TTL": "0"}, "ANYCABLE_JWT_TTL"),
            ([], {"ANYCABLE_JWT_TTL": "-60"}, "ANYCABLE_JWT_TTL"),
        ],
    )
    def test_a_lifetime_of_0_is_an_error(self, arguments: list[str], environment: dict[str, str], name: str) -> None:
        message = refused("token", "a=1", *arguments, **{"ANYCABLE_SECRET": LONG, **environment})

        assert f"Error: {name}: must be seconds above 0" in message
        assert "or none, which is for ever" in message

    def test_the_settings_have_the_usual_lifetime(self) -> None:
        assert self.claims("a=1", ANYCABLE_JWT_TTL="1000000000")["exp"] > time.time() + 999_999_000

    @pytest.mark.parametrize(
        ("moment", "exp"),
        [("4102444800", 4102444800), ("2100-01-01T00:00:00Z", 4102444800), ("2100-01-01 02:00+02:00", 4102444800)],
    )
    def test_expires_at(self, moment: str, exp: int) -> None:
        assert self.claims("a=1", "--expires-at", moment)["exp"] == exp

    @pytest.mark.parametrize(
        ("arguments", "environment"),
        [
            (("--secret", LONG), {}),
            (("--jwt_secret", LONG, "--secret=other"), {}),
            ((), {"ANYCABLE_JWT_SECRET": LONG, "ANYCABLE_SECRET": "other"}),
        ],
    )
    def test_what_signs(self, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
        result = run("token", "a=1", *arguments, **environment)

        assert TokenVerifier([LONG]).verify(result.stdout.strip()) == '{"a":"1"}'

    def test_the_app_has_the_order(self) -> None:
        assert (
            self.claims("tenant:=null", "user_id=42", "--app", "chat:cable")["ext"] == '{"user_id":"42","tenant":null}'
        )

    @pytest.mark.parametrize("environment", [{"ANYCABLE_APP": "chat:cable"}, {"ANYCABLE_APP": "missing:cable"}])
    def test_only_a_flag_names_the_app(self, environment: dict[str, str]) -> None:
        assert self.claims("any=1", **environment)["ext"] == '{"any":"1"}'

    def test_what_an_app_prints_is_not_the_token(self, folder: Path) -> None:
        (folder / "noisy.py").write_text(f"{CHAT}\nprint('noise')")

        result = run("token", "user_id=1", "tenant=x", "--app=noisy", f"--secret={LONG}")

        assert result.exit_code == 0
        assert TokenVerifier([LONG]).verify(result.stdout.removesuffix("\n")) == '{"user_id":"1","tenant":"x"}'

    def test_a_short_key_is_a_warning_on_stderr(self) -> None:
        result = run("token", "a=1", "--secret=short")

        assert result.stderr.startswith("warning: secret is shorter than 32 bytes")
        assert TokenVerifier(["short"]).verify(result.stdout.strip()) == '{"a":"1"}'

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ((), "name an identifier, for example user_id=42"),
            (("user_id",), "identifier 1 is neither NAME=TEXT (user_id=42) nor NAME:=JSON (user_id:=42)"),
            (("a=1", ""), "identifier 2 is neither"),
            (("=1",), "identifier 1 is neither"),
            ((":=1",), "identifier 1 is neither"),
            (("user_id:42",), "identifier 1 is neither"),
            (("a=1", "a:=1"), "the identifier 'a' is given twice"),
            (("a:=",), "the identifier 'a' is not JSON: Expecting value; a string is a=TEXT"),
            (("a:=x",), "the identifier 'a' is not JSON"),
            (("a:={",), "the identifier 'a' is not JSON"),
            (("a:=NaN",), "the identifier 'a' is not JSON"),
            (("a:=" + "[" * 100_000,), "the identifier 'a' is not JSON: nested too deeply"),
            (("a:=" + "9" * 5000,), "the identifier 'a' is not JSON"),
            (('a:="\\ud800"',), "string contains a lone surrogate"),
            (("a=\udcff",), "string contains a lone surrogate"),
            (("ttl=5",), "'ttl' cannot be an identifier; for the time there are --ttl and --expires-at"),
            (("expires_at=5",), "'expires_at' cannot be an identifier"),
            (("reconnect:=true",), "'reconnect' cannot be an identifier"),
            (("a=1", "--ttl=x"), "--ttl: must be seconds above 0, a duration like 90s, 10m or 1h30m, or none"),
            (("a=1", "--ttl=-5"), "--ttl: must be seconds"),
            (("a=1", "--ttl="), "--ttl: must be seconds"),
            (("a=1", "--ttl", "9" * 30), "--ttl: must be less than 3000 years"),
            (("a=1", "--expires-at=soon"), "--expires-at: must be epoch seconds, or a date with a time zone"),
            (("a=1", "--expires-at=2100-01-01"), "--expires-at: must be epoch seconds, or a date with a time zone"),
            (("a=1", "--expires-at="), "--expires-at: must be epoch seconds"),
            (("a=1", "--expires-at", "9" * 30), "expires_at must be a positive number of seconds"),
            (("a=1", "--ttl=5", "--expires-at=5"), "give --ttl or --expires-at, not both"),
            (("a=1", "--secret=none"), "tokens need a secret: set ANYCABLE_SECRET or ANYCABLE_JWT_SECRET"),
            (("a=1", "--jwt-secret=none"), "tokens need a secret"),
            (("a=1", "--secret="), "tokens need a secret"),
            (("user_id=1", "--app=chat"), "identifiers do not fit (missing: tenant); declared: user_id, tenant"),
            (("--app=chat",), "identifiers do not fit (missing: user_id, tenant)"),
            (("user_id=1", "tenant=x", "z=1", "--app=chat"), "identifiers do not fit (unknown: z)"),
            (("user_id=1", "--app=chta"), "there is no module chta"),
        ],
    )
    def test_refusals(self, arguments: tuple[str, ...], expected: str) -> None:
        assert f"Error: {expected}" in refused("token", *arguments, ANYCABLE_SECRET=LONG).replace("identifiers: ", "")
