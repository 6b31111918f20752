"""Starting a server from another program than the command line."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from anycable_rpc.cli.start import NoApp, load_cable, prepare
from anycable_rpc.errors import ConfigurationError
from anycable_rpc.settings.model import load

from ..e2e.processes import environment
from ..support.paths import PROJECT
from .test_cli import LONG, folder

__all__ = ["folder"]  # the fixture: an app in the current folder


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
    assert "on the command line   manage.py anycable chat:cable" in str(NoApp("manage.py anycable"))


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
