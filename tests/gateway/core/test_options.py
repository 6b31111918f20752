from __future__ import annotations

import pytest

from anycable_rpc.gateway import GatewayOptions, uvicorn_options
from anycable_rpc.identity.keys import API_KEY, BROADCAST_KEY, derive_key
from anycable_rpc.settings.model import Settings

from ..verdicts import OTHER, SECRET


def test_defaults_are_those_of_the_settings() -> None:
    assert GatewayOptions.of(Settings()) == GatewayOptions(broker="memory")


def test_the_broker_can_be_switched_off() -> None:
    assert GatewayOptions.of(Settings(broker="none")) == GatewayOptions()


def test_from_settings() -> None:
    settings = Settings(
        secret=SECRET,
        jwt_secrets_old=OTHER,
        jwt_param="token",
        path="/cable,/ws",
        headers="cookie,x-one",
        allowed_origins="*.a.test",
        ping_interval=0.5,
        enforce_jwt=True,
        noauth=True,
        norpc=True,
        public_streams=True,
        turbo_streams=True,
        pong_timeout=5,
        history_ttl=10,
        history_limit=20,
        sessions_ttl=30,
        presence_ttl=40,
    )

    assert GatewayOptions.of(settings) == GatewayOptions(
        paths=("/cable", "/ws"),
        jwt_secrets=(SECRET, OTHER),
        jwt_param="token",
        enforce_jwt=True,
        noauth=True,
        norpc=True,
        public_streams=True,
        streams_secret=SECRET,
        turbo_streams=True,
        turbo_streams_secret=SECRET,
        broadcast_key=derive_key(SECRET, BROADCAST_KEY),
        headers=("cookie", "x-one"),
        allowed_origins=("*.a.test",),
        ping_interval=0.5,
        broker="memory",
        pong_timeout=5,
        history_ttl=10,
        history_limit=20,
        sessions_ttl=30,
        presence_ttl=40,
        api_key=derive_key(SECRET, API_KEY),
    )


def test_keys_can_be_switched_off() -> None:
    options = GatewayOptions.of(Settings(secret=SECRET, jwt_secret="none", streams_secret="none", broadcast_key="none"))
    of_turbo = GatewayOptions.of(Settings(secret=SECRET, turbo_streams_secret="none")).turbo_streams_secret

    assert (options.jwt_secrets, options.streams_secret, options.broadcast_key) == ((), None, None)
    assert of_turbo is None


@pytest.mark.parametrize("public", [True, False])
def test_public_switches_on_all_three(public: bool) -> None:
    options = GatewayOptions(public=public, broadcast_key="key")

    assert options.lets_everybody_in is options.has_public_streams is public
    assert options.required_broadcast_key == (None if public else "key")


def test_secrets_are_not_shown() -> None:
    options = GatewayOptions(
        jwt_secrets=("secret-1",), streams_secret="secret-2", broadcast_key="secret-3", api_key="secret-4"
    )

    assert "secret-" not in repr(options)


def test_uvicorn_logs_no_urls_and_compresses_nothing() -> None:
    options = uvicorn_options(GatewayOptions())

    assert (options["log_level"], options["access_log"], options["ws_per_message_deflate"]) == ("warning", False, False)
