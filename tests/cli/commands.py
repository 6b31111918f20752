"""Run commands in this process, in a folder with an app, and without servers."""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

from anycable_rpc.cli.program import program
from anycable_rpc.serving.stop_order import Stop
from anycable_rpc.settings.model import Settings

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
    """A stand-in for the servers: it remembers what it was started with, or fails."""

    started: list[tuple[Any, ...]] = field(default_factory=list)
    failure: BaseException | None = None

    def __call__(self, *arguments: Any) -> None:
        self.started.append(arguments)
        if self.failure:
            raise self.failure

    @property
    def settings(self) -> Settings:
        settings = self.started[-1][0].settings
        assert isinstance(settings, Settings)
        return settings


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Servers:
    """No server runs, and no signal is installed."""
    fake = Servers()
    fakes: dict[str, dict[str, Any]] = {
        "serving.server": {"serve": fake},
        "dev.server": {"run": fake},
        "serving.signals": {"stop_on_signals": lambda _: Stop(), "exit_if_stuck": bool},
    }
    for name, functions in fakes.items():
        module = ModuleType(f"anycable_rpc.{name}")
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return fake


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner(**_OLD_CLICK).invoke(program, arguments, env=environment, prog_name="anycable-rpc")


def refused(*arguments: str, **environment: str) -> str:
    """Return the error for wrong usage."""
    return failed(2, *arguments, **environment)


def failed(code: int, *arguments: str, **environment: str) -> str:
    """Check the exit code and that stdout is empty; return stderr."""
    result = run(*arguments, **environment)
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    return result.stderr
