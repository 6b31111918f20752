"""Options of the commands: spelling, switches, wrong values, and `--show-settings`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anycable_rpc.cli.misspelt import GO_OPTIONS, GO_SWITCHES
from anycable_rpc.settings.model import Settings

from .commands import SENTINEL, Servers, refused, run


class TestOptions:
    @pytest.mark.parametrize(
        "arguments",
        [("--jwt-secret=x",), ("--jwt_secret=x",), ("--jwt-secret", "x"), ("--jwt_secret", "x")],
    )
    def test_dashes_and_underscores(self, arguments: tuple[str, ...], servers: Servers) -> None:
        assert run("dev", "chat:cable", *arguments).exit_code == 0
        assert servers.settings.keys.jwt == "x"

    @pytest.mark.parametrize("value", ["a_b", "--a_b", "a=b", "-a", "--debug", "é", "", "none"])
    def test_a_value_is_taken_as_it_is(self, value: str, servers: Servers) -> None:
        assert run("dev", "chat:cable", "--secret", value).exit_code == 0
        assert run("dev", "chat:cable", f"--secret={value}").exit_code == 0

        settings = [cable.settings for cable, *_ in servers.started]
        secrets = [each.secret.get_secret_value() if each.secret else "" for each in settings]
        assert secrets == [value, value]

    @pytest.mark.parametrize(
        ("arguments", "on"),
        [
            (["--noauth"], True),
            (["--noauth=true"], True),
            (["--noauth=1"], True),
            (["--noauth=false"], False),
            (["--no-noauth"], False),
            (["--noauth", "--no-noauth"], False),
            (["--no-noauth", "--noauth"], True),
            (["--noauth", "--noauth=f"], False),
            ([], False),
        ],
    )
    def test_switches(self, arguments: list[str], on: bool, servers: Servers) -> None:
        assert run("dev", *arguments, "chat:cable").exit_code == 0
        assert servers.settings.noauth is on

    @pytest.mark.parametrize("flag", ["--no-version-check-enabled", "--no_version_check_enabled"])
    def test_a_switch_that_is_on_can_be_turned_off(self, flag: str, servers: Servers) -> None:
        assert run("chat:cable", flag).exit_code == 0
        assert servers.settings.version_check_enabled is False

    def test_lists_may_be_repeated(self, servers: Servers) -> None:
        assert run("dev", "chat:cable", "--headers=a,b", "--headers", "c", "--jwt-secrets-old=x,y",
                   "--jwt_secrets_old", "z", "--secret=s").exit_code == 0  # fmt: skip

        assert servers.settings.headers == ("a", "b", "c")
        assert servers.settings.keys.jwt_verifying == ("s", "x,y", "z")

    def test_no_headers_at_all(self, servers: Servers) -> None:
        assert run("dev", "chat:cable", "--headers=").exit_code == 0
        assert servers.settings.headers == ()

    def test_a_flag_is_stronger_than_a_variable(self, servers: Servers) -> None:
        assert run("chat:cable", "--rpc-host=0.0.0.0:1", ANYCABLE_RPC_HOST="dns:///rpc").exit_code == 0
        assert servers.settings.rpc_host == "0.0.0.0:1"

    def test_variables_of_others_are_no_error(self, servers: Servers) -> None:
        environment = {"ANYCABLE_METRICS_HTTP": "/m", "ANYCABLE_PRESETS": "fly", "PORT": "x"}
        result = run("chat:cable", **environment)

        assert (result.exit_code, result.stderr) == (0, "")

    @pytest.mark.parametrize("name", sorted(GO_OPTIONS))
    def test_an_option_of_anycable_go_without_effect_here_is_a_warning(self, name: str, servers: Servers) -> None:
        spelt = f"--{name.replace('-', '_')}"
        ways = [[spelt], [f"{spelt}=false"]] if name in GO_SWITCHES else [[spelt, "a:b"], [f"{spelt}=x"]]
        for words in ways:
            for arguments in (["dev", *words, "chat:cable"], [*words, "dev", "chat:cable"]):
                result = run(*arguments)

                assert result.exit_code == 0, result.output
                assert result.stderr == f"warning: --{name} is an option of anycable-go that has no effect here yet\n"
        assert len(servers.started) == 4

    def test_the_ignored_options_are_not_settings(self) -> None:
        assert not GO_OPTIONS & {name.replace("_", "-") for name in Settings.model_fields}

    @pytest.mark.parametrize("command", ["serve", "dev", "token"])
    @pytest.mark.parametrize(
        ("option", "expected"),
        [
            ("--secrte=x", "--secret"),
            ("--jwt_secrt", "--jwt-secret"),
            ("--conifg", "--config"),
            ("--zzzzzzz", "--zzzzzzz"),
            ("--no-secret", "--no-secret"),
            ("--=x", "--"),
            ("-x", "-x"),
        ],
    )
    def test_an_unknown_option(self, command: str, option: str, expected: str) -> None:
        text = refused(command, option)

        assert "No such option" in text
        assert expected in text

    @pytest.mark.parametrize("option", ["--port=1", "--enforce_jwt", "--no-noauth"])
    def test_an_option_of_dev(self, option: str) -> None:
        assert f"{option.replace('_', '-').split('=')[0]} is an option of the command dev" in refused("serve", option)

    def test_an_option_of_anycable_go(self) -> None:
        assert "--metrics-http is an option of anycable-go" in refused("serve", "--metrics_http=/m")

    @pytest.mark.parametrize("option", ["--rpc-host", "--secret", "--headers", "--ttl"])
    def test_a_value_that_is_missing(self, option: str) -> None:
        command = {"--headers": "dev", "--ttl": "token"}.get(option, "serve")

        assert f"Option '{option}' requires an argument" in refused(command, option)


class TestWrongSettings:
    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (("--rpc-host=dns:///rpc",), "--rpc-host: an address with 'dns:' is for anycable-go"),
            (("--rpc_host", "x"), "--rpc-host: 'x' is not HOST:PORT: give HOST:PORT, for example 127.0.0.1:50051"),
            (("--rpc-host=",), "--rpc-host: '' is not HOST:PORT"),
            (("--rpc-pool-size", "١x"), "--rpc-pool-size: must be a whole number from 1 to 10000, not '١x'"),
            (("--debug=maybe",), "--debug: must be true or false, not 'maybe'"),
            (("--debug=",), "--debug: must be true or false, not ''"),
            (("--shutdown-timeout", "9" * 1000), "--shutdown-timeout: must be a number of seconds"),
            (("--config=missing.toml",), "--config: there is no file 'missing.toml'"),
            (("--rpc-tls-cert=c.pem",), "TLS needs both"),
            (("--rpc-server-args={",), "--rpc-server-args: must be valid JSON"),
        ],
    )
    @pytest.mark.parametrize("command", ["serve", "dev"])
    def test_flags(self, command: str, arguments: tuple[str, ...], expected: str) -> None:
        text = refused(command, "chat:cable", *arguments)

        assert f"Error: {expected}" in text
        assert f"Try 'anycable-rpc {command} -" in text

    def test_variables(self) -> None:
        message = refused("chat:cable", ANYCABLE_RPC_HOST="unix:/x", ANYCABLE_JWT_TTL="soon")

        assert "ANYCABLE_RPC_HOST: 'unix:/x' does not end in a port" in message
        assert "ANYCABLE_JWT_TTL: must be seconds above 0, a duration like 90s, 10m or 1h30m, or none" in message

    @pytest.mark.parametrize("command", ["serve", "dev", "token"])
    def test_files(self, command: str, folder: Path) -> None:
        (folder / "pyproject.toml").write_text("[tool.anycable_rpc]\nsecert = 'x'")

        message = refused(command)

        assert "secert in pyproject.toml [tool.anycable_rpc]: there is no such setting; did you mean secret?" in message

    @pytest.mark.parametrize(
        "arguments",
        [
            ("serve", "--jwt-secrets-old=x", "--rpc-host=x"),
            ("serve", "--rpc-tls-key", SENTINEL),
            ("serve", "--broadcast-key", "a", SENTINEL, "chat:cable"),
            ("dev", "--streams-secret", SENTINEL, "--port=x"),
            ("dev", "--metrics-htpp", SENTINEL),
            ("dev", f"--secrte={SENTINEL}"),
            ("dev", "--secret", SENTINEL),
            ("token", "--secret", "a", SENTINEL),
            ("token", "--secret", SENTINEL, "user_id"),
            ("token", f"--jwt-secret={SENTINEL}", "user_id=1", "--ttl=-1"),
            ("token", f"--jwt-secret={SENTINEL}", "user_id=1", "--expires-at=0"),
            ("nonsense", "--secret", SENTINEL),
            ("missing:cable", "--secret", SENTINEL),
            ("chat:missing", "--secret", SENTINEL),
        ],
    )
    def test_secrets_are_not_shown(self, arguments: tuple[str, ...]) -> None:
        environment = {f"ANYCABLE_{name}": SENTINEL for name in ("SECRET", "STREAMS_SECRET", "BROADCAST_KEY")}
        environment["ANYCABLE_JWT_SECRETS_OLD"] = f'["{SENTINEL}'

        assert SENTINEL not in refused(*arguments, **environment)
        assert SENTINEL not in refused(*arguments)


class TestShowSettings:
    @pytest.mark.parametrize(
        "arguments", [("--show-settings",), ("dev", "--show_settings"), ("token", "--show-settings")]
    )
    def test_it_needs_no_app_and_starts_nothing(self, arguments: tuple[str, ...], servers: Servers) -> None:
        result = run(*arguments)

        assert (result.exit_code, result.stderr) == (0, "")
        assert servers.started == []
        assert [line.split()[0] for line in result.stdout.splitlines()] == list(Settings.model_fields)

    def test_values_and_sources(self, folder: Path) -> None:
        (folder / "pyproject.toml").write_text("[tool.anycable_rpc]\nshutdown_timeout = 5")

        result = run(
            "chat:cable", "--show-settings", f"--jwt-secret={SENTINEL}", "--no-debug",
            ANYCABLE_SECRET=SENTINEL, ANYCABLE_RPC_HOST="0.0.0.0:1",
        )  # fmt: skip

        rows = [re.split("  +", line) for line in result.stdout.splitlines()]
        assert SENTINEL not in result.output
        for row in (
            ["app", "chat:cable", "--app"],
            ["rpc_host", "0.0.0.0:1", "ANYCABLE_RPC_HOST"],
            ["shutdown_timeout", "5", "shutdown_timeout in pyproject.toml [tool.anycable_rpc]"],
            ["secret", "set", "ANYCABLE_SECRET"],
            ["jwt_secret", "set", "--jwt-secret"],
            ["broadcast_key", "not set", "default"],
            ["debug", "false", "--debug"],
        ):
            assert row in rows
