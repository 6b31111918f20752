"""The commands: `serve` by default, help, exit codes, and the same as a shell sees it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL, ENOENT
from pathlib import Path

import click
import pytest

from anycable_rpc import Cable
from anycable_rpc.errors import BindError
from anycable_rpc.identity.tokens import TokenVerifier
from anycable_rpc.serving.stop_order import Stop

from ..support.paths import PROJECT
from .commands import LONG, SENTINEL, Servers, failed, refused, run


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
        ((cable, say, stop),) = servers.started
        assert isinstance(cable, Cable)
        assert say is click.echo
        assert isinstance(stop, Stop)

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
        ((cable, web, say, stop),) = servers.started
        assert isinstance(cable, Cable)
        assert web is None
        assert say is click.echo
        assert isinstance(stop, Stop)

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

    def test_a_word_that_is_like_no_command_is_not_quoted(self) -> None:
        message = refused("--secret", "a", SENTINEL)

        assert "there is no such command. The commands are serve, dev, schema, token, version" in message
        assert SENTINEL not in message

    @pytest.mark.parametrize("command", ["serve", "dev"])
    @pytest.mark.parametrize(
        "arguments", [("chat:cable", SENTINEL), ("chat:cable", "--app", "chat:cable"), ("a:b", "c:d", "e:f")]
    )
    def test_more_than_one_app_is_refused(self, command: str, arguments: tuple[str, ...]) -> None:
        message = refused(command, *arguments)

        assert "give one app, as module:attr" in message
        assert SENTINEL not in message


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
        output = " ".join(run("dev", "--help").stdout.split())

        assert "RPC server: --rpc-host HOST:PORT" in output
        assert "[default: 127.0.0.1:50051; ANYCABLE_RPC_HOST]" in output
        assert "[default: cookie; ANYCABLE_HEADERS]" in output
        assert "[default: on; ANYCABLE_SID_HEADER_ENABLED]" in output
        assert "[ANYCABLE_ENFORCE_JWT]" in output

    def test_after_options_it_is_that_of_the_default(self) -> None:
        assert "Usage: anycable-rpc serve " in run("--debug", "--help").stdout


class TestExitCodes:
    @pytest.mark.parametrize("command", ["serve", "dev"])
    @pytest.mark.parametrize(
        ("failure", "code", "expected"),
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
        self, command: str, failure: BaseException, code: int, expected: str, servers: Servers
    ) -> None:
        servers.failure = failure

        assert expected in failed(code, command, "chat:cable")
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


class TestProcess:
    """The same, as a shell sees it."""

    MODULE = ("-m", "anycable_rpc")
    SCRIPT = (
        "-c",
        "import sys; sys.argv[0] = '/usr/bin/anycable-rpc'; from anycable_rpc.cli import main; main()",
    )

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
    def test_a_host_of_another_machine_is_an_error_about_the_host(self, host: str) -> None:
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
        code = (
            "import sys; from anycable_rpc.cli.program import program; "
            "program(['version'], standalone_mode=False); print('grpc' in sys.modules)"
        )

        _, out, err = self.outcome("-c", code)

        assert out.splitlines()[1:] == ["False"], err
