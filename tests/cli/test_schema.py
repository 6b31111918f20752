"""The command `schema`: prints AsyncAPI or TypeScript, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.paths import PROJECT
from .commands import run

APP = """
from anycable_rpc import Cable, Channel, Connection, action

print("an app may print")

class Room(Channel):
    @action
    def speak(self, text: str): ...

cable = Cable(Connection, channels=[Room])
"""


@pytest.fixture(autouse=True)
def app(folder: Path) -> None:
    (folder / "rooms.py").write_text(APP)


@pytest.mark.parametrize("words", [("rooms:cable",), ("--app", "rooms:cable"), ("rooms",)])
def test_it_prints_asyncapi(words: tuple[str, ...]) -> None:
    result = run("schema", *words)

    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["info"] == {"title": "rooms", "version": "1"}
    assert list(document["operations"]) == ["Room.subscribe", "Room.perform.speak"]
    assert "an app may print" not in result.stdout


def test_the_document_has_a_title_and_a_version() -> None:
    result = run("schema", "rooms:cable", "--title", "The rooms", "--app-version", "2.1")

    assert json.loads(result.stdout)["info"] == {"title": "The rooms", "version": "2.1"}


def test_it_prints_typescript() -> None:
    result = run("schema", "rooms:cable", "--typescript")

    assert result.exit_code == 0
    assert result.stdout.startswith("// Made by `anycable-rpc schema --typescript`.")
    assert "  speak: (payload: { text: string }) => void\n" in result.stdout
    assert result.stdout.endswith("}\n")


def test_the_settings_count() -> None:
    result = run("schema", "rooms:cable", "--typescript", ANYCABLE_REPORT_INVALID_PAYLOADS="0")

    assert "InvalidPayload" not in result.stdout


def test_it_ends_quietly_when_the_reader_of_its_output_has_gone(folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "anycable_rpc", "schema", "rooms:cable"]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}

    with os.fdopen(write, "wb") as output:
        done = subprocess.run(command, cwd=folder, env=env, stdout=output, stderr=subprocess.PIPE, timeout=60)

    assert (done.returncode, done.stderr) == (1, b"an app may print\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("rooms:cable", "more"), "give one app, as module:attr"),
        (("rooms:cable", "--app", "rooms"), "give one app, as module:attr"),
        ((), "which app? Name it as module:attr"),
        (("rooms:nothing",), "there is no nothing in rooms"),
    ],
)
def test_without_one_app_it_says_so(words: tuple[str, ...], message: str) -> None:
    result = run("schema", *words)

    assert result.exit_code == 2
    assert message in result.stderr
