"""The command line: commands, options, finding the app, tokens, exit codes, and what bad input is told."""

from __future__ import annotations

import inspect
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL, ENOENT
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from jwt.utils import base64url_decode

from anycable_rpc import Cable
from anycable_rpc.cli.go_options import IGNORED, SWITCHES
from anycable_rpc.cli.main import program
from anycable_rpc.errors import BindError
from anycable_rpc.identity.tokens import TokenVerifier
from anycable_rpc.settings.model import Settings

from ..support.paths import PROJECT

SENTINEL = "s3ntinel-of-a-secret"
LONG = "k" * 32
CHAT = """
from anycable_rpc import Cable, Connection

class ChatConnection(Connection):
    identified_by = ("user_id", "tenant")

cable = Cable(ChatConnection)
"""
_OLD_CLICK: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with an app in it, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "chat.py").write_text(CHAT)
    log = logging.getLogger("anycable_rpc")
    level, before = log.level, set(sys.modules)
    yield tmp_path
    log.setLevel(level)
    for name in set(sys.modules) - before:
        if not name.startswith(("anycable_rpc", "google", "grpc")):
            del sys.modules[name]


@dataclass
class Servers:
    """Stands in for the servers: remembers what it was started with, or fails."""

    started: list[tuple[Any, ...]] = field(default_factory=list)
    failure: BaseException | None = None

    def __call__(self, *arguments: Any) -> None:
        self.started.append(arguments)
        if self.failure:
            raise self.failure

    @property
    def settings(self) -> Settings:
        settings = self.started[-1][1]
        assert isinstance(settings, Settings)
        return settings


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Servers:
    """No server runs."""
    fake = Servers()
    for name, function in {"serving.server": "serve", "dev.server": "run"}.items():
        module = ModuleType(f"anycable_rpc.{name}")
        setattr(module, function, fake)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return fake


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner(**_OLD_CLICK).invoke(program, arguments, env=environment, prog_name="anycable-rpc")


def refused(*arguments: str, **environment: str) -> str:
    """What wrong usage is told."""
    return failed(2, *arguments, **environment)


def failed(code: int, *arguments: str, **environment: str) -> str:
    """What is said on stderr, and nothing on stdout."""
    result = run(*arguments, **environment)
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    return result.stderr


class TestCommands:
    @pytest.mark.parametrize(
        "arguments",
        [
            ("chat:cable",),
            ("serve", "chat:cable"),
            ("--rpc-host", "127.0.0.1:1", "chat:cable"),
            ("--rpc-host", "127.0.0.1:1", "serve", "chat:cable"),
            ("--debug", "chat:cable", "--rpc-pool-size=2"),
            ("--secret", "dev", "chat:cable"),
            ("--secret", "a:b", "chat:cable"),
            ("--app", "chat:cable"),
            ("--app=chat",),
            ("serve", "chat"),
            ("--", "chat:cable"),
        ],
    )
    def test_serve_is_the_default(self, arguments: tuple[str, ...], servers: Servers) -> None:
        result = run(*arguments)

        assert result.exit_code == 0, result.output
        ((cable, settings, say),) = servers.started
        assert isinstance(cable, Cable)
        assert cable.settings is settings
        assert say is click.echo

    def test_without_words_the_app_comes_from_the_settings(self, folder: Path, servers: Servers) -> None:
        assert run(ANYCABLE_APP="chat:cable").exit_code == 0
        (folder / "pyproject.toml").write_text("[tool.anycable_rpc]\napp = 'chat'")
        assert run().exit_code == 0
        assert run("--debug").exit_code == 0
        assert len(servers.started) == 3

    @pytest.mark.parametrize("arguments", [("dev", "chat:cable"), ("--port", "0", "dev", "chat:cable")])
    def test_dev(self, arguments: tuple[str, ...], servers: Servers) -> None:
        result = run(*arguments)

        assert result.exit_code == 0, result.output
        ((cable, settings, web, say),) = servers.started
        assert cable.settings is settings
        assert web is None
        assert say is click.echo

    @pytest.mark.parametrize("arguments", [("version",), ("--version",)])
    def test_versions(self, arguments: tuple[str, ...]) -> None:
        result = run(*arguments)

        assert result.exit_code == 0
        assert re.fullmatch(
            r"anycable-rpc [\d.]+ \(Python [\d.]+\S*, grpcio [\d.]+\S*, protobuf [\d.]+\S*, RPC protocol v1\)\n",
            result.stdout,
        )

    @pytest.mark.parametrize(("word", "meant"), [("serv", "serve"), ("tokn", "token"), ("Dev", "dev")])
    def test_a_command_that_is_almost_one(self, word: str, meant: str) -> None:
        assert f"{word} is not a command; did you mean {meant}?" in refused(word)

    def test_a_word_that_is_none_is_not_quoted(self) -> None:
        said = refused("--secret", "a", SENTINEL)

        assert "there is no such command. The commands are serve, dev, token, version" in said
        assert SENTINEL not in said

    @pytest.mark.parametrize("command", ["serve", "dev"])
    @pytest.mark.parametrize(
        "arguments", [("chat:cable", SENTINEL), ("chat:cable", "--app", "chat:cable"), ("a:b", "c:d", "e:f")]
    )
    def test_one_app(self, command: str, arguments: tuple[str, ...]) -> None:
        said = refused(command, *arguments)

        assert "give one app, as module:attr" in said
        assert SENTINEL not in said


class TestHelp:
    def test_of_the_program(self) -> None:
        result = run("--help")

        assert result.exit_code == 0
        for text in ("serve", "dev", "token", "version", "Examples:", "anycable-rpc chat:cable"):
            assert text in result.stdout

    @pytest.mark.parametrize("flag", ["--help", "-h"])
    @pytest.mark.parametrize(
        ("command", "with_options", "without"),
        [
            ("serve", {"--rpc-host", "--secret", "--log-level", "--[no-]debug", "--config"}, {"--port", "--web"}),
            ("dev", {"--rpc-host", "--port", "--web", "--headers", "--[no-]enforce-jwt"}, {"--metrics-http"}),
            ("token", {"--secret", "--jwt-secret", "--ttl", "--expires-at", "--app"}, {"--port", "--rpc-host"}),
        ],
    )
    def test_of_a_command(self, command: str, flag: str, with_options: set[str], without: set[str]) -> None:
        result = run(command, flag)

        options = set(re.findall(r"^  (--\S+)", result.stdout, re.MULTILINE))
        assert result.exit_code == 0
        assert with_options <= options
        assert not without & options
        assert "Examples:" in result.stdout

    def test_shows_kinds_defaults_and_variables_in_groups(self) -> None:
        said = " ".join(run("dev", "--help").stdout.split())

        assert "RPC server: --rpc-host HOST:PORT" in said
        assert "[default: 127.0.0.1:50051; ANYCABLE_RPC_HOST]" in said
        assert "[default: cookie; ANYCABLE_HEADERS]" in said
        assert "[default: on; ANYCABLE_SID_HEADER_ENABLED]" in said
        assert "[ANYCABLE_ENFORCE_JWT]" in said

    def test_after_options_it_is_that_of_the_default(self) -> None:
        assert "Usage: anycable-rpc serve " in run("--debug", "--help").stdout


class TestOptions:
    @pytest.mark.parametrize(
        "arguments",
        [("--jwt-secret=x",), ("--jwt_secret=x",), ("--jwt-secret", "x"), ("--jwt_secret", "x")],
    )
    def test_dashes_and_underscores(self, arguments: tuple[str, ...], servers: Servers) -> None:
        assert run("dev", "chat:cable", *arguments).exit_code == 0
        assert servers.settings.resolved_jwt_secret() == "x"

    @pytest.mark.parametrize("value", ["a_b", "--a_b", "a=b", "-a", "--debug", "é", "", "none"])
    def test_a_value_is_taken_as_it_is(self, value: str, servers: Servers) -> None:
        assert run("dev", "chat:cable", "--secret", value).exit_code == 0
        assert run("dev", "chat:cable", f"--secret={value}").exit_code == 0

        secrets = [settings.secret.get_secret_value() if settings.secret else "" for _, settings, *_ in servers.started]
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
    def test_what_is_on_can_be_switched_off(self, flag: str, servers: Servers) -> None:
        assert run("chat:cable", flag).exit_code == 0
        assert servers.settings.version_check_enabled is False

    def test_lists_may_be_repeated(self, servers: Servers) -> None:
        assert run("dev", "chat:cable", "--headers=a,b", "--headers", "c", "--jwt-secrets-old=x,y",
                   "--jwt_secrets_old", "z", "--secret=s").exit_code == 0  # fmt: skip

        assert servers.settings.headers == ("a", "b", "c")
        assert servers.settings.jwt_secrets() == ("s", "x,y", "z")

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

    @pytest.mark.parametrize("name", sorted(IGNORED))
    def test_what_anycable_go_has_and_dev_has_not_is_a_warning(self, name: str, servers: Servers) -> None:
        spelt = f"--{name.replace('-', '_')}"
        ways = [[spelt], [f"{spelt}=false"]] if name in SWITCHES else [[spelt, "a:b"], [f"{spelt}=x"]]
        for words in ways:
            for arguments in (["dev", *words, "chat:cable"], [*words, "dev", "chat:cable"]):
                result = run(*arguments)

                assert result.exit_code == 0, result.output
                assert result.stderr == f"warning: --{name} is an option of anycable-go that has no effect here yet\n"
        assert len(servers.started) == 4

    def test_the_ignored_options_are_not_settings(self) -> None:
        assert not IGNORED & {name.replace("_", "-") for name in Settings.model_fields}

    @pytest.mark.parametrize("command", ["serve", "dev", "token"])
    @pytest.mark.parametrize(
        ("option", "said"),
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
    def test_an_unknown_option(self, command: str, option: str, said: str) -> None:
        text = refused(command, option)

        assert "No such option" in text
        assert said in text

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
        ("arguments", "said"),
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
            (("--rpc-server-args={",), "--rpc-server-args: must be JSON, and is not"),
        ],
    )
    @pytest.mark.parametrize("command", ["serve", "dev"])
    def test_flags(self, command: str, arguments: tuple[str, ...], said: str) -> None:
        text = refused(command, "chat:cable", *arguments)

        assert f"Error: {said}" in text
        assert f"Try 'anycable-rpc {command} -" in text

    def test_variables(self) -> None:
        said = refused("chat:cable", ANYCABLE_RPC_HOST="unix:/x", ANYCABLE_JWT_TTL="soon")

        assert "ANYCABLE_RPC_HOST: 'unix:/x' does not end in a port" in said
        assert "ANYCABLE_JWT_TTL: must be seconds above 0, a duration like 90s, 10m or 1h30m, or none" in said

    @pytest.mark.parametrize("command", ["serve", "dev", "token"])
    def test_files(self, command: str, folder: Path) -> None:
        (folder / "pyproject.toml").write_text("[tool.anycable_rpc]\nsecert = 'x'")

        said = refused(command)

        assert "secert in pyproject.toml [tool.anycable_rpc]: there is no such setting; did you mean secret?" in said

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


class TestFindingTheApp:
    def test_there_are_three_ways_to_name_it(self) -> None:
        said = refused("dev")

        for text in (
            "anycable-rpc dev chat:cable",
            "ANYCABLE_APP=chat:cable",
            "[tool.anycable_rpc]",
            'app = "chat:cable"',
        ):
            assert text in said

    @pytest.mark.parametrize(
        ("source", "name"),
        [
            ("cable = Cable(Connection)", "app"),
            ("cable = Cable(Connection)", "app:cable"),
            ("cable = Cable(Connection)", "app:"),
            ("main = Cable(Connection)", "app"),
            ("main = again = Cable(Connection)", "app"),
            ("cable = Cable(Connection); other = Cable(Connection)", "app"),
            ("cable = 5; other = Cable(Connection)", "app"),
            ("class Site: cable = Cable(Connection)", "app:Site.cable"),
        ],
    )
    def test_it_is_found(self, source: str, name: str, folder: Path, servers: Servers) -> None:
        (folder / "app.py").write_text(f"from anycable_rpc import Cable, Connection\n{source}")

        result = run("serve", name)

        assert result.exit_code == 0, result.output
        assert len(servers.started) == 1

    def test_in_a_package(self, folder: Path, servers: Servers) -> None:
        (folder / "site").mkdir()
        (folder / "shop").mkdir()
        (folder / "shop" / "chat.py").write_text("from chat import cable")

        assert run("shop.chat:cable").exit_code == 0
        assert len(servers.started) == 1

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("chta:cable", "there is no module chta in the current folder ({}); did you mean chat?"),
            ("zzz:cable", "there is no module zzz in the current folder ({})"),
            ("chat.inner:cable", "there is no module inner in the package chat"),
            ("shop.caht:cable", "there is no module caht in the package shop; did you mean chat?"),
            ("chat:cabel", "there is no cabel in chat; did you mean cable? (cables there: cable)"),
            ("chat:cable.codce", "there is no codce in chat:cable; did you mean codec? (cables there: cable)"),
            ("chat:ChatConnection", "chat:ChatConnection is of type type, not a Cable (cables there: cable)"),
            ("chat.py:cable", "'chat.py:cable' is a file; name its module: chat:cable"),
            ("shop/chat.py:x", "'shop/chat.py:x' is a file; name its module: shop.chat:x"),
            ("./chat.py:", "'./chat.py:' is a file; name its module: chat:cable"),
            (":cable", "':cable' is not module:attr, for example chat:cable"),
            ("chat:cable:x", "'chat:cable:x' is not module:attr"),
            (".chat:cable", "'.chat:cable' is not module:attr"),
            ("chat..x:cable", "'chat..x:cable' is not module:attr"),
            ("cha t:cable", "'cha t:cable' is not module:attr"),
            ("1:2", "'1:2' is not module:attr"),
            ("dns://x:cable", "'dns://x:cable' is not module:attr"),
            ("json:dumps", "json:dumps is of type function, not a Cable"),
            ("two:x", "there is no x in two (cables there: one, other)"),
            ("two:", "which cable in two? Name one as module:attr (cables there: one, other)"),
            ("json:", "there is no Cable in json: make one, cable = Cable(…)"),
            ("é:ü", "there is no module é in the current folder ({})"),
            ("x" * 5000 + ":y", "there is no module xxx"),
        ],
    )  # fmt: skip
    def test_it_is_not_found(self, name: str, said: str, folder: Path) -> None:
        (folder / "shop").mkdir()
        (folder / "shop" / "chat.py").write_text("")
        (folder / "two.py").write_text(
            "from anycable_rpc import Cable, Connection\none, other = Cable(Connection), Cable(Connection)"
        )

        assert f"Error: {said.format(folder)}" in refused("serve", name)

    def test_the_error_says_who_named_it(self, folder: Path) -> None:
        assert "Error: ANYCABLE_APP: there is no module zzz" in refused(ANYCABLE_APP="zzz")
        (folder / "pyproject.toml").write_text("[tool.anycable_rpc]\napp = 'zzz'")
        assert "Error: app in pyproject.toml [tool.anycable_rpc]: there is no module zzz" in refused()

    @pytest.mark.parametrize(
        ("source", "error"),
        [
            ("import missing_library", "ModuleNotFoundError: No module named 'missing_library'"),
            ("from chat import nothing", "ImportError: cannot import name 'nothing' from 'chat'"),
            ("def f():\n    1 / 0\nf()", "ZeroDivisionError: division by zero"),
            ("x = (", "SyntaxError: '(' was never closed (broken.py, line 1)"),
            ("raise SystemExit(5)", "SystemExit: 5"),
            ("from anycable_rpc import Cable\nCable(5)", "ConfigurationError: 5 is not a connection class"),
        ],
    )
    def test_a_broken_module_is_shown_with_its_own_frames(self, source: str, error: str, folder: Path) -> None:
        (folder / "broken.py").write_text(source)

        said = refused("broken:cable")

        assert f"Error: cannot import broken: {error}" in said
        assert f'File "{folder}/broken.py", line ' in said
        assert "importlib" not in said
        assert "loading.py" not in said

    def test_a_module_that_shadows_one_of_the_path(self, folder: Path, servers: Servers) -> None:
        sys.path.insert(0, str(folder / "elsewhere"))
        (folder / "elsewhere").mkdir()
        (folder / "elsewhere" / "mine.py").write_text("raise RuntimeError")
        (folder / "mine.py").write_text("from chat import cable")

        assert run("mine:cable").exit_code == 0
        assert sys.path[0] == str(folder)


class TestWeb:
    def test_is_handed_to_dev(self, folder: Path, servers: Servers) -> None:
        (folder / "pages.py").write_text("async def app(scope, receive, send): ...")

        for name in ("pages:app", "pages"):
            assert run("dev", "chat:cable", "--web", name).exit_code == 0
            assert servers.started[-1][2] is sys.modules["pages"].app

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("pags:app", "there is no module pags in the current folder"),
            ("pages:ap", "there is no ap in pages"),
            ("pages:number", "pages:number is of type int, not an ASGI app"),
            ("broken:app", "cannot import broken: ModuleNotFoundError: No module named 'missing_library'"),
            ("//", "'//' is a file"),
        ],
    )
    def test_without_it_the_start_goes_on(
        self, name: str, reason: str, folder: Path, servers: Servers, caplog: pytest.LogCaptureFixture
    ) -> None:
        (folder / "pages.py").write_text("number = 5")
        (folder / "broken.py").write_text("import missing_library")

        assert run("dev", "chat:cable", ANYCABLE_WEB=name).exit_code == 0

        assert servers.started[0][2] is None
        assert caplog.messages[0].startswith(f"starting without the pages of {name}: {reason}")

    def test_serve_does_not_look_at_it(self, servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
        assert run("serve", "chat:cable", ANYCABLE_WEB="missing:app").exit_code == 0
        assert caplog.messages == []


class TestExitCodes:
    @pytest.mark.parametrize("command", ["serve", "dev"])
    @pytest.mark.parametrize(
        ("failure", "code", "said"),
        [
            (BindError("cannot listen on x:1: taken"), 3, "Error: cannot listen on x:1: taken\n"),
            (OSError(EADDRINUSE, "Address already in use"), 3, "Error: cannot listen: Address already in use\n"),
            (PermissionError(EACCES, "Permission denied"), 3, "Error: cannot listen: Permission denied\n"),
            (OSError(EADDRNOTAVAIL, "Cannot assign"), 3, "Error: cannot listen: Cannot assign\n"),
            (PermissionError(EACCES, "Permission denied", "key.pem"), 1, "crashed: PermissionError"),
            (FileNotFoundError(ENOENT, "No such file"), 1, "crashed: FileNotFoundError"),
            (RuntimeError("the fault"), 1, "crashed: RuntimeError: the fault\n"),
            (ModuleNotFoundError("No module", name="missing"), 1, "crashed: ModuleNotFoundError"),
            (ModuleNotFoundError("No module", name="uvicorn.config"), 2,
             "Error: uvicorn.config is not installed: pip install 'anycable-rpc[gateway]'\n"),
            (KeyboardInterrupt(), 1, "Aborted!\n"),
            (SystemExit(7), 7, ""),
        ],
    )  # fmt: skip
    def test_of_a_server_that_fails(
        self, command: str, failure: BaseException, code: int, said: str, servers: Servers
    ) -> None:
        servers.failure = failure

        assert said in failed(code, command, "chat:cable")
        assert len(servers.started) == 1

    def test_a_crash_is_logged_with_its_traceback(self, servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
        servers.failure = RuntimeError("the fault")

        assert failed(1, "chat:cable") == "anycable-rpc serve crashed: RuntimeError: the fault\n"

        assert [(record.name, record.levelname) for record in caplog.records] == [("anycable_rpc", "CRITICAL")]
        assert "RuntimeError: the fault" in caplog.text
        assert "Traceback" in caplog.text

    @pytest.mark.parametrize("package", ["starlette", "uvicorn", "websockets"])
    def test_without_the_extra(self, package: str, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
        class Missing:
            def find_spec(self, name: str, *_: object) -> None:
                if name == "anycable_rpc.dev.server":
                    raise ModuleNotFoundError(f"No module named {package!r}", name=package)

        monkeypatch.delitem(sys.modules, "anycable_rpc.dev.server")
        monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])

        assert f"{package} is not installed: pip install 'anycable-rpc[gateway]'" in refused("dev", "chat:cable")


class TestStart:
    def test_short_keys_are_a_warning(self, servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
        assert run("chat:cable", "--secret=short").exit_code == 0

        assert [message.split(",")[0] for message in caplog.messages] == ["secret is shorter than 32 bytes"]

    @pytest.mark.parametrize(
        ("arguments", "level"),
        [([], logging.INFO), (["--log-level=error"], logging.ERROR), (["--log-level", "warn"], logging.WARNING),
         (["--debug", "--log-level=error"], logging.DEBUG)],
    )  # fmt: skip
    def test_the_level_of_the_log(self, arguments: list[str], level: int, servers: Servers) -> None:
        assert run("chat:cable", *arguments).exit_code == 0
        assert logging.getLogger("anycable_rpc").level == level

    def test_grpc_logs_too_when_asked(self, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("GRPC_VERBOSITY", raising=False)
        monkeypatch.setattr(logging.getLogger("grpc"), "level", logging.NOTSET)

        assert run("chat:cable", "--log-grpc", "--debug").exit_code == 0

        assert logging.getLogger("grpc").level == logging.DEBUG
        assert os.environ.pop("GRPC_VERBOSITY") == "DEBUG"

    def test_an_app_that_cannot_broadcast_is_served(self, servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
        assert run("chat:cable", ANYCABLE_BROADCAST_ADAPTER="http,redis").exit_code == 0

        assert len(servers.started) == 1
        assert [message.partition(":")[0] for message in caplog.messages] == ["the app cannot broadcast"]


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

        (said,) = caplog.messages
        assert said.count("did you mean") == 5
        assert said.endswith(", and 3 more")
        assert SENTINEL not in said

    def test_the_command_token_says_it_too(self) -> None:
        result = run("token", "a=1", ANYCABLE_SECRET=LONG, ANYCABLE_JWT_TLL="5m")

        assert result.stderr.endswith("ANYCABLE_JWT_TLL (did you mean ANYCABLE_JWT_TTL?)\n")
        assert result.stderr.startswith("warning: ")

    @pytest.mark.parametrize(
        "environment",
        [
            {f"ANYCABLE_{name.replace('-', '_').upper()}": "x" for name in IGNORED},
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


class TestConflicts:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("--noauth", "--enforce-jwt", f"--secret={LONG}"), "noauth and public do not let clients in"),
            (("--rpc-server-args", '{"foo":1}'), "rpc_server_args: 'foo' is no argument of a gRPC server"),
        ],
    )
    def test_are_warnings(
        self, arguments: tuple[str, ...], said: str, servers: Servers, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert run("dev", "chat:cable", *arguments).exit_code == 0

        (message,) = caplog.messages
        assert message.startswith(said)

    def test_a_broker_that_is_none(self) -> None:
        assert "Error: --broker: must be memory or none" in refused("dev", "chat:cable", "--broker", "redis")


class TestOldPackages:
    @pytest.mark.parametrize("command", ["serve", "dev"])
    @pytest.mark.parametrize("installed", ["3.19.6", "4.21.12", "4.24.9rc1"])
    def test_protobuf_that_is_too_old(
        self, installed: str, command: str, servers: Servers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("google.protobuf.__version__", installed)

        said = refused(command, "chat:cable")

        assert f"Error: protobuf {installed} is too old for anycable-rpc" in said
        assert "which needs 4.25 or later: pip install --upgrade protobuf" in said

    def test_protobuf_that_is_too_old_for_another_package(
        self, servers: Servers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        needs = {"anycable-rpc": ["protobuf<8,>=4.25"], "grpcio-health-checking": ["protobuf<8.0.0,>=6.31.1"]}
        monkeypatch.setattr("anycable_rpc.cli.requirements.requires", needs.get)
        monkeypatch.setattr("google.protobuf.__version__", "5.29.5")

        assert "Error: protobuf 5.29.5 is too old for grpcio-health-checking" in refused("chat:cable")

    def test_protobuf_that_is_missing(self, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "google.protobuf", None)

        assert "Error: protobuf is not installed: pip install protobuf" in refused("chat:cable")

    def test_packages_that_do_not_say_what_they_need(self, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(name: str) -> None:
            raise PackageNotFoundError(name)

        monkeypatch.setattr("anycable_rpc.cli.requirements.requires", unknown)

        assert run("chat:cable").exit_code == 0


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
    def test_a_token_for_ever_is_issued_with_a_warning(self, arguments: list[str], environment: dict[str, str]) -> None:
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
    def test_a_lifetime_of_nothing_is_not_for_ever(
        self, arguments: list[str], environment: dict[str, str], name: str
    ) -> None:
        said = refused("token", "a=1", *arguments, **{"ANYCABLE_SECRET": LONG, **environment})

        assert f"Error: {name}: must be seconds above 0" in said
        assert "or none, which is for ever" in said

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
        ("arguments", "said"),
        [
            ((), "name an identifier, for example user_id=42"),
            (("user_id",), "identifier 1 is neither NAME=TEXT (user_id=42) nor NAME:=JSON (user_id:=42)"),
            (("a=1", ""), "identifier 2 is neither"),
            (("=1",), "identifier 1 is neither"),
            ((":=1",), "identifier 1 is neither"),
            (("user_id:42",), "identifier 1 is neither"),
            (("a=1", "a:=1"), "the identifier 'a' is given twice"),
            (("a:=",), "the identifier 'a' is not JSON: Expecting value; a text is a=TEXT"),
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
    def test_refusals(self, arguments: tuple[str, ...], said: str) -> None:
        assert f"Error: {said}" in refused("token", *arguments, ANYCABLE_SECRET=LONG).replace("identifiers: ", "")


class TestProcess:
    """The same, as a shell sees it."""

    MODULE = ("-m", "anycable_rpc")
    SCRIPT = ("-c", "import sys; sys.argv[0] = '/usr/bin/anycable-rpc'; from anycable_rpc.cli.main import main; main()")

    @staticmethod
    def launch(*arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": ""}
        return subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )

    def outcome(self, *arguments: str) -> tuple[int, str, str]:
        with self.launch(*arguments) as process:
            out, err = process.communicate(timeout=60)
            return process.returncode, out, err

    @pytest.mark.parametrize(("entry", "name"), [(MODULE, "python -m anycable_rpc"), (SCRIPT, "anycable-rpc")])
    def test_both_entry_points(self, entry: tuple[str, ...], name: str) -> None:
        code, out, err = self.outcome(*entry, "serve", "--prot=1")

        assert (code, out) == (2, "")
        assert err.startswith(f"Usage: {name} serve ")

    @pytest.mark.parametrize(
        "arguments",
        [
            (*MODULE, "chat:cable", "--rpc-host=127.0.0.1:{}"),
            (*SCRIPT, "chat:cable", "--rpc-host=127.0.0.1:{}"),
            (*MODULE, "dev", "chat:cable", "--rpc-host=127.0.0.1:{}", "--port=0"),
            (*MODULE, "dev", "chat:cable", "--rpc-host=127.0.0.1:0", "--port={}"),
        ],
    )
    def test_an_address_in_use(self, arguments: tuple[str, ...]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            code, out, err = self.outcome(*(argument.format(port) for argument in arguments))

        assert (code, out) == (3, "")
        assert "\nError: cannot listen on 127.0.0.1" in f"\n{err}"  # gRPC may have said something before
        assert "Address already in use" in err
        assert str(port) in err
        assert "Traceback" not in err

    @pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "a..b"])
    def test_a_host_that_is_not_here_is_not_a_matter_of_the_port(self, host: str) -> None:
        code, out, err = self.outcome(
            *self.MODULE, "dev", "chat:cable", "--rpc-host=127.0.0.1:0", "--port=0", f"--host={host}"
        )

        assert (code, out) == (3, "")
        assert f"Error: cannot listen on {host}, port 0: " in err
        assert err.endswith("; name an address of this machine with --host\n")

    def test_a_crash(self, folder: Path) -> None:
        (folder / "bad.py").write_text(
            "from chat import *\nclass Bad(Cable):\n    is_async = property(lambda self: 1 / 0)\nbad = Bad(Connection)"
        )

        code, out, err = self.outcome(*self.MODULE, "bad:bad")

        assert (code, out) == (1, "")
        assert "crashed: ZeroDivisionError: division by zero\n" in err
        assert err.count("Traceback (most recent call last)") == 1
        assert "CRITICAL" in err

    @pytest.mark.parametrize("command", [["serve"], ["dev", "--port=0"]])
    def test_serving_until_a_signal(self, command: list[str]) -> None:
        arguments = [*command, "chat:cable", "--rpc-host=127.0.0.1:0", "--secret=short"]
        with self.launch(*self.MODULE, *arguments) as process:
            assert process.stdout
            assert "listening on 127.0.0.1:" in process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)

        assert process.returncode == 0
        assert "WARNING secret is shorter than 32 bytes" in err

    def test_a_token_for_a_pipe(self) -> None:
        code, out, err = self.outcome(*self.SCRIPT, "token", "user_id=42", f"--secret={LONG}")

        assert (code, err) == (0, "")
        assert TokenVerifier([LONG]).verify(out.removesuffix("\n")) == '{"user_id":"42"}'

    def test_the_version_is_told_without_loading_grpc(self) -> None:
        code = "import sys; from anycable_rpc.cli.main import program; program(['version'], standalone_mode=False); " \
            "print('grpc' in sys.modules)"  # fmt: skip

        _, out, err = self.outcome("-c", code)

        assert out.splitlines()[1:] == ["False"], err
