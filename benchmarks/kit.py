"""The test kit: a suite of channel tests, beside as many tests that do nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

from .report import Goal, Report, Table
from .rounds import Spread, in_turns, spread

__all__ = ["TESTS", "run", "write_suite"]

Sample = Mapping[str, float]

TESTS = 200
_NOTHING = ("-c", "pass")
_PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_anycable_rpc")
_ONLY_OURS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # Hypothesis alone takes half a second
_INI = "[pytest]\nanycable_app = chat:cable\n"
_CHAT = """
from anycable_rpc import Cable, Channel, Connection, action


class User(Connection):
    identified_by = ("user_id",)

    {kind} connect(self):
        self.user_id = self.cookies.get("user_id") or self.reject()


class ChatChannel(Channel):
    {kind} subscribed(self):
        self.stream_from(f"chat/{{self.params['room']}}")

    @action
    {kind} speak(self, text: str):
        message = {{"user": self.connection.user_id, "text": text}}
        {publish}(f"chat/{{self.params['room']}}", message)


cable = Cable(User, channels=[ChatChannel])
"""
_KINDS = {
    "def": _CHAT.format(kind="def", publish="self.cable.broadcast"),
    "async def": _CHAT.format(kind="async def", publish="await self.cable.abroadcast"),
}
_OF_CHANNELS = """
def test_speak_{number}(cable_client, broadcasts):
    ann = cable_client(cookies={{"user_id": "ann"}})
    chat = ann.subscribe("ChatChannel", room="{number}")
    assert chat.confirmed and chat.streams == ["chat/{number}"]
    chat.perform("speak", text="hi")
    assert broadcasts["chat/{number}"] == [{{"user": "ann", "text": "hi"}}]
    assert chat.received == [{{"user": "ann", "text": "hi"}}]
"""
_EMPTY = """
def test_nothing_{number}():
    assert True
"""


def write_suite(folder: Path, app: str, test: str) -> Path:
    """Write a project with `TESTS` tests into a folder, and return the folder."""
    folder.mkdir()
    (folder / "pytest.ini").write_text(_INI)
    (folder / "chat.py").write_text(app)
    (folder / "test_chat.py").write_text("".join(test.format(number=number) for number in range(TESTS)))
    return folder


def run(report: Report, folder: Path, rounds: int, say: Callable[[str], object]) -> None:
    """Measure the seconds of a suite beyond the start of Python."""
    suites = {f"tests of `{kind}` channels": write_suite(folder / kind, _KINDS[kind], _OF_CHANNELS) for kind in _KINDS}
    suites = {"tests that do nothing": write_suite(folder / "nothing", "", _EMPTY), **suites}
    contenders: dict[str, Callable[[], Sample]] = {
        "Python itself": partial(_seconds, folder, _NOTHING),
        **{name: partial(_seconds, suite, _PYTEST) for name, suite in suites.items()},
    }
    seen = in_turns(contenders, rounds, lambda text: say(f"testing, {text}"))
    start = seen.pop("Python itself")
    rows: list[list[str]] = []
    for name, samples in seen.items():
        beyond, cpu = (_beyond(start, samples, what) for what in ("seconds", "cpu"))
        rows.append([f"{TESTS} {name}", str(beyond), str(cpu)])
        if name != "tests that do nothing":
            report.goals.append(Goal(f"{TESTS} {name}, s beyond Python's start", 2, beyond, at_most=True))
    columns = ["", "s beyond Python's start", "CPU, s"]
    report.tables.append(Table("Suites of tests, with pytest's own time", columns, rows))


def _beyond(start: Sequence[Sample], samples: Sequence[Sample], what: str) -> Spread:
    """Return the spread of a measure without what Python's start takes, round by round."""
    return spread([sample[what] - began[what] for sample, began in zip(samples, start, strict=True)])


def _seconds(folder: Path, arguments: Sequence[str]) -> Sample:
    """Return how long a program takes from its start to its end, and its CPU time."""
    environment = {**os.environ, **_ONLY_OURS, "PYTHONPATH": str(Path(__file__).parents[1])}
    began, before = perf_counter(), os.times()
    subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, check=True, capture_output=True)
    seconds, after = perf_counter() - began, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return {"seconds": seconds, "cpu": used}
