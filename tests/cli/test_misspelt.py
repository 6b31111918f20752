"""Variables that look like ours and are misspelt."""

from __future__ import annotations

import pytest

from anycable_rpc.cli.misspelt import GO_OPTIONS

from .commands import LONG, SENTINEL, Servers, run


class TestMisspeltVariables:
    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("ANYCABLE_SECRETS", "ANYCABLE_SECRET"),
            ("ANYCABLE_LOGLEVEL", "ANYCABLE_LOG_LEVEL"),
            ("ANYCABLE_RPC_PORT", "ANYCABLE_RPC_HOST"),
            ("ANYCABLE_RPC_HOTS", "ANYCABLE_RPC_HOST"),
            ("anycable_secert", "ANYCABLE_SECRET"),
            ("ANYCABLE_APPS", "ANYCABLE_APP"),
            ("ANYCABLE_HOTS", "ANYCABLE_HOST"),
            ("ANYCABLE_CONFIG", "ANYCABLE_RPC_CONFIG"),
            ("ANYCABLE_GRPC_RPC_HOST", "ANYCABLE_RPC_HOST"),
            ("ANYCABLE_MY_JWT_SECRET", "ANYCABLE_JWT_SECRET"),
            ("ANYCABLE__SECRET", "ANYCABLE_SECRET"),
        ],
    )
    @pytest.mark.parametrize("command", ["serve", "dev"])
    def test_are_named_once_at_the_start(
        self, name: str, meant: str, command: str, servers: Servers, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert run(command, "chat:cable", **{name: SENTINEL}).exit_code == 0

        assert caplog.messages == [
            "no setting has the name of these variables, so they have no effect: "
            f"{name.upper()} (did you mean {meant}?)"
        ]

    def test_several_are_one_line(self, servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
        wrong = {f"ANYCABLE_{letter}_SECRET": SENTINEL for letter in "ABCDEFGH"}

        assert run("chat:cable", **wrong).exit_code == 0

        (message,) = caplog.messages
        assert message.count("did you mean") == 5
        assert message.endswith(", and 3 more")
        assert SENTINEL not in message

    def test_the_command_token_says_it_too(self) -> None:
        result = run("token", "a=1", ANYCABLE_SECRET=LONG, ANYCABLE_JWT_TLL="5m")

        assert result.stderr.endswith("ANYCABLE_JWT_TLL (did you mean ANYCABLE_JWT_TTL?)\n")
        assert result.stderr.startswith("warning: ")

    @pytest.mark.parametrize(
        "environment",
        [
            {f"ANYCABLE_{name.replace('-', '_').upper()}": "x" for name in GO_OPTIONS},
            {f"ANYCABLE_{name}": "x" for name in (
                "LOG_FILE", "HTTP_HEALTH_PATH", "RPC_MAX_WAITING_REQUESTS", "RPC_POLL_PERIOD", "RPC_POOL_KEEP_ALIVE",
                "HTTP_BROADCAST_SECRET", "HTTP_RPC_SECRET", "HTTP_RPC_MOUNT_PATH", "WEBSOCKET_URL", "SOCKET_ID_HEADER",
                "EMBEDDED", "DISABLE_RPC_POOL_SIZE_WARNING", "STREAMS_KEY", "FLY_RPC_APP_NAME", "TELEMETRY_DEBUG",
            )},
            {"ANYCABLE_RPC_SERVER_ARGS__MAX_CONCURRENT_STREAMS": "5", "ANYCABLE_SECRETS": "", "ANYCABLE_": "x"},
            {"ANYCABLE_RPC_PORT": "tcp://10.0.0.1:1", "ANYCABLE_RPC_PORT_1_TCP_PORT": "1",
             "ANYCABLE_RPC_SERVICE_HOST": "10.0.0.1", "ANYCABLE_RPC_SERVICE_PORT": "1",
             "ANYCABLE_SERVICE_PORT_HTTP": "1", "ANYCABLE_PORT_8080_TCP": "tcp://10.0.0.1:1"},
            {"ANYCABLE_GO_VERSION": "1.6", "ANYCABLE_ENV": "test", "ANYCABLE_LICENSE_KEY": "x", "OTHER_SECRETS": "x"},
        ],
        ids=["anycable-go", "ruby", "ours", "kubernetes", "unlike"],
    )  # fmt: skip
    def test_names_of_others_do_not_warn(
        self, environment: dict[str, str], servers: Servers, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert run("chat:cable", **environment).exit_code == 0

        assert caplog.messages == []
