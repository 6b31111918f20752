"""Warnings about weak keys and about settings that take away the effect of each other."""

from __future__ import annotations

from typing import Any

import pytest

from anycable_rpc.settings.model import load
from anycable_rpc.settings.warnings import conflicts, warnings_for

from .refusals import LONG


class TestWarnings:
    @pytest.mark.parametrize(
        ("values", "names"),
        [
            ({"secret": "k" * 31}, ["secret"]),
            ({"secret": LONG}, []),
            ({"secret": "é" * 16}, []),
            ({"secret": "short", "jwt_secret": LONG}, []),
            ({"secret": LONG, "jwt_secret": "short"}, ["jwt_secret"]),
            ({"secret": "short", "jwt_secrets_old": ["a", "b"]}, ["secret", "jwt_secrets_old"]),
            ({"secret": "short", "jwt_secret": "none"}, []),
        ],
    )
    def test_a_short_key_is_named_once(self, values: dict[str, Any], names: list[str]) -> None:
        messages = warnings_for(load(**values))

        assert [line.split()[0] for line in messages] == names
        assert all("is shorter than 32 bytes" in line for line in messages)
        assert "short" not in "".join(messages).replace("shorter", "")

    def test_old_secrets_need_a_new_one(self) -> None:
        assert warnings_for(load(jwt_secrets_old=[LONG])) == [
            "jwt_secrets_old has no effect: there is no jwt_secret and no secret"
        ]


ENFORCED = "noauth and public do not let clients in without a token, because enforce_jwt refuses them: leave one out"


class TestConflicts:
    @pytest.mark.parametrize(
        ("values", "begins"),
        [
            ({"noauth": True, "enforce_jwt": True, "secret": LONG}, ENFORCED),
            ({"public": True, "enforce_jwt": True, "jwt_secret": LONG}, ENFORCED),
            ({"enforce_jwt": True}, "enforce_jwt has no effect without a secret for tokens"),
            ({"enforce_jwt": True, "secret": LONG, "jwt_secret": "none"}, "enforce_jwt has no effect without"),
            ({"norpc": True}, "with norpc and no secret for tokens every client is refused"),
            ({"turbo_streams": True}, "turbo_streams has no effect without a secret"),
            ({"ping_interval": 0, "pong_timeout": 5}, "with a pong_timeout and a ping_interval of 0"),
            ({"broker": "nats"}, "the broker is memory here"),
            ({"broker": "none", "history_ttl": 5}, "history_ttl, history_limit, sessions_ttl and presence_ttl have no"),
        ],
    )
    def test_of_the_gateway_are_said_by_dev_alone(self, values: dict[str, Any], begins: str) -> None:
        (message,) = conflicts(load(**values), "dev")

        assert message.startswith(begins)
        assert list(conflicts(load(**values), "serve")) == []

    @pytest.mark.parametrize(
        ("values", "begins"),
        [
            ({"debug": True, "log_level": "error"}, "log_level has no effect, because debug logs everything"),
            ({"log_grpc": True, "rpc_engine": "asyncio"}, "log_grpc has no effect"),
            ({"rpc_server_args": {"foo": 1}}, "rpc_server_args: 'foo' is no argument of a gRPC server"),
            (
                {"rpc_server_args": {"grpc.max_concurent_streams": 1}},
                "rpc_server_args: 'grpc.max_concurent_streams' is no argument of a gRPC server, so it has no effect; "
                "did you mean max_concurrent_streams?",
            ),
        ],
    )
    @pytest.mark.parametrize("command", ["serve", "dev"])
    def test_of_a_server(self, values: dict[str, Any], begins: str, command: str) -> None:
        (message,) = conflicts(load(**values), command)

        assert message.startswith(begins)

    @pytest.mark.parametrize(
        "values",
        [
            {},
            {"secret": LONG, "enforce_jwt": True, "norpc": True, "turbo_streams": True},
            {"noauth": True, "norpc": True},
            {"public": True, "norpc": True},
            {"debug": True, "log_level": "debug"},
            {"debug": True},
            {"broker": "memory", "history_ttl": 5, "pong_timeout": 5},
            {"broker": "none"},
            {"rpc_server_args": {"max_concurrent_streams": 1, "grpc.http2.max_frame_size": 20_000}},
            {"rpc_server_args": {"whatever": 1}, "rpc_engine": "asyncio"},
        ],
    )
    def test_what_goes_together(self, values: dict[str, Any]) -> None:
        assert list(conflicts(load(**values), "dev")) == []
