"""The keys that settings lead to."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from anycable_rpc.identity.keys import BROADCAST_KEY, derive_key
from anycable_rpc.settings.model import load


class TestKeys:
    def test_everything_comes_from_the_secret(self) -> None:
        settings = load(secret="s3Krit")

        assert settings.keys.jwt == "s3Krit"
        assert settings.keys.streams == "s3Krit"
        assert settings.keys.broadcast == "a239a7ca182c90fc32bdedf73703d271388cf433843affffd3a5e757041fc716"
        assert settings.broadcast_address == "http://localhost:8080/_broadcast"

    def test_a_key_of_its_own_is_stronger(self) -> None:
        settings = load(secret="s", jwt_secret="j", streams_secret="t", broadcast_key="b")

        assert settings.keys.jwt == "j"
        assert settings.keys.streams == "t"
        assert settings.keys.broadcast == "b"

    def test_the_key_for_calls_over_http_is_derived_as_anycable_go_derives_it(self) -> None:
        keys = [load(**values).keys.http_rpc for values in (
            {"secret": "s3cr3t"},
            {"secret": "s3cr3t", "http_rpc_secret": "own"},
            {"secret": "s3cr3t", "http_rpc_secret": "none"},
            {},
        )]  # fmt: skip

        assert keys == ["4b7da2749fe2a4534cec0d2acbd16277a800cf2acd31158ac4edae4a62a8f18d", "own", None, None]

    def test_none_switches_one_off(self) -> None:
        settings = load(
            secret="s", jwt_secret="none", jwt_secrets_old=["o"], streams_secret="none", broadcast_key="none"
        )

        assert settings.keys.jwt is None
        assert settings.keys.jwt_verifying == ()
        assert settings.keys.streams is None
        assert settings.keys.broadcast is None
        assert settings.broadcast_address == "http://localhost:8090/_broadcast"

    def test_none_as_the_secret_switches_off_all_derived_keys(self) -> None:
        settings = load(secret="none", broadcast_key="b")

        assert settings.keys.jwt is None
        assert settings.keys.broadcast == "b"

    def test_an_empty_key_is_unset(self) -> None:
        settings = load(secret="s", jwt_secret="", broadcast_key="")

        assert settings.keys.jwt == "s"
        assert settings.keys.broadcast == derive_key("s", BROADCAST_KEY)

    def test_a_secret_is_taken_as_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANYCABLE_SECRET", ' "quoted", é ')

        assert load().secret == SecretStr(' "quoted", é ')

    def test_a_url_of_its_own(self) -> None:
        url = "https://user:word@ws.example.com/_broadcast"

        assert load(http_broadcast_url=url).broadcast_address == url
