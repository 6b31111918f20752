"""The types of a channel as mypy and pyright see them: each line marked `# wrong` is an error, and no other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from .support.paths import PROJECT

APP = """\
from typing import Any

from pydantic import BaseModel
from typing_extensions import TypedDict

from anycable_rpc import Cable, Channel, Connection, action


class User(BaseModel):
    id: int


class RoomParams(BaseModel):
    room: int
    tags: list[str] = []


class ChatState(TypedDict, total=False):
    visits: int


class Said(BaseModel):
    text: str


class Left(TypedDict):
    user: str


class ChatConnection(Connection):
    identified_by = ("user", "name")
    user: User
    name: str


class ChatChannel(Channel):
    connection: ChatConnection
    params: RoomParams
    state: ChatState
    messages = Said | Left

    def subscribed(self) -> None:
        self.stream_from(f"chat/{self.params.room + 1}")
        self.state["visits"] = self.state.get("visits", 0) + 1
        self.transmit(Said(text=self.connection.name))
        print(self.connection.user.id + 1)

    @action
    def speak(self, text: str) -> None:
        self.params.rom  # wrong
        self.params.room.upper()  # wrong
        self.params["room"]  # wrong
        self.state["visits"].upper()  # wrong
        self.state["visits"] = "many"  # wrong
        self.state["visit"] = 1  # wrong
        self.transmit(Said(txt=text))  # wrong
        self.transmit(Said(text=5))  # wrong
        left: Left = {"usr": text}  # wrong
        self.transmit(left)
        self.connection.user.upper()  # wrong


class Dictionary(TypedDict):
    room: int


class Other(Channel):
    params: Dictionary

    def subscribed(self) -> None:
        print(self.params["room"] + 1)
        self.params["rom"]  # wrong


class Untyped(Channel):
    def subscribed(self) -> None:
        room: Any = self.params["room"]
        self.state["anything"] = room


cable = Cable(ChatConnection, channels=[ChatChannel, Other, Untyped])
"""
WRONG = {line for line, text in enumerate(APP.splitlines(), 1) if text.endswith("# wrong")}


def mypy(path: Path) -> set[int]:
    """Return the lines in which mypy finds an error."""
    options = ["--strict", "--config-file=", f"--cache-dir={PROJECT / '.mypy_cache' / 'small'}", "--no-error-summary"]
    command = [sys.executable, "-m", "mypy", *options, "--python-executable", sys.executable, path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return {int(line) for line in re.findall(r"^app\.py:(\d+): error:", done.stdout, re.MULTILINE)}


def pyright(path: Path) -> set[int]:
    """Return the lines in which pyright finds an error, in its standard mode."""
    (path.parent / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}')
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=300)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {each["range"]["start"]["line"] + 1 for each in found if each["severity"] == "error"}


CHECKERS: list[tuple[str, Callable[[Path], set[int]]]] = [("mypy", mypy), ("basedpyright", pyright)]


@pytest.mark.parametrize(("package", "check"), CHECKERS)
def test_the_checker_finds_what_is_wrong(package: str, check: Callable[[Path], set[int]], tmp_path: Path) -> None:
    if find_spec(package) is None:
        pytest.skip(f"no {package}: pip install --group check")
    (tmp_path / "app.py").write_text(APP)

    assert check(tmp_path / "app.py") == WRONG
