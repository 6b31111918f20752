"""The start of a server: from the command line, and from another program."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from anycable_rpc.cli.start import AppNotNamed, load_cable, prepare
from anycable_rpc.errors import ConfigurationError
from anycable_rpc.settings.model import load

from ..e2e.processes import environment
from ..support.paths import PROJECT
from .commands import LONG, Servers, refused, run


@pytest.fixture(autouse=True)
def handlers() -> None:
    """Keep the handler that a start adds out of other tests."""
    logging.getLogger("anycable_rpc").handlers.clear()


def test_an_app_is_prepared_with_its_settings(folder: Path) -> None:
    cable = prepare("serve", {"app": "chat:cable", "secret": LONG, "framework": {"rpc_host": "0.0.0.0:1"}})

    assert cable.codec.names == ("user_id", "tenant")
    assert cable.settings.rpc_host == "0.0.0.0:1"


def test_doubtful_settings_are_warnings(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    prepare("dev", {"app": "chat:cable", "secret": "short", "turbo_streams": True, "enforce_jwt": True, "public": True})

    assert [message.split()[0] for message in caplog.messages] == ["secret", "noauth"]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (lambda: prepare("serve", {"app": "chta:cable"}), "there is no module chta in the current folder"),
        (
            lambda: prepare("serve", {"framework": {"app": "chta"}}),
            "app in the framework's settings: there is no module",
        ),
        (lambda: prepare("serve", {"framework": {"rpc_hst": "x"}}), "rpc_hst in the framework's settings: there is no"),
        (lambda: load_cable(load(), {}), "which app? Name it as module:attr"),
    ],
)
def test_errors_are_those_of_the_configuration(folder: Path, start: Callable[[], object], expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        start()

    assert str(caught.value).startswith(expected)


def test_without_an_app_the_command_is_named() -> None:
    assert "on the command line   manage.py anycable chat:cable" in str(AppNotNamed("manage.py anycable"))


def test_it_does_without_click(folder: Path) -> None:
    script = """
import sys
from anycable_rpc.cli.start import prepare, run_server
cable = prepare("serve", {"app": "chat:cable", "rpc_host": "127.0.0.1:0"})

def say(line):
    print(line, "click" in sys.modules, "grpc" in sys.modules)
    raise ValueError("enough")

try:
    run_server(cable, say)
except ValueError:
    pass
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder, env=environment({"PYTHONPATH": str(PROJECT)}), capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert done.stdout.startswith("RPC server is listening on 127.0.0.1:"), done.stderr
    assert done.stdout.endswith(" False True\n")


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


class TestConflicts:
    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (("--noauth", "--enforce-jwt", f"--secret={LONG}"), "noauth and public do not let clients in"),
            (("--rpc-server-args", '{"foo":1}'), "rpc_server_args: 'foo' is no argument of a gRPC server"),
        ],
    )
    def test_are_warnings(
        self, arguments: tuple[str, ...], expected: str, servers: Servers, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert run("dev", "chat:cable", *arguments).exit_code == 0

        (message,) = caplog.messages
        assert message.startswith(expected)

    def test_a_broker_that_is_none(self) -> None:
        assert "Error: --broker: must be memory or none" in refused("dev", "chat:cable", "--broker", "redis")


class TestWeb:
    def test_is_handed_to_dev(self, folder: Path, servers: Servers) -> None:
        (folder / "pages.py").write_text("async def app(scope, receive, send): ...")

        for name in ("pages:app", "pages"):
            assert run("dev", "chat:cable", "--web", name).exit_code == 0
            assert servers.started[-1][1] is sys.modules["pages"].app

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

        assert servers.started[0][1] is None
        assert caplog.messages[0].startswith(f"starting without the pages of {name}: {reason}")

    def test_serve_does_not_look_at_it(self, servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
        assert run("serve", "chat:cable", ANYCABLE_WEB="missing:app").exit_code == 0
        assert caplog.messages == []
