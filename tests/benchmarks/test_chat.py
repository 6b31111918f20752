"""The chat beside its peers: its load generator counts exactly, and what is missing is said."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("psutil", reason="the benchmarks need psutil: pip install --group bench")
pytest.importorskip("matplotlib", reason="the picture needs matplotlib: pip install --group bench")

from benchmarks import bars, chat, page
from benchmarks.chat import Load
from benchmarks.peers.contenders import CONTENDERS, HUB, OURS, Running
from benchmarks.report import Report
from benchmarks.rounds import spread
from benchmarks.servers import Missing, conversation, go_program

needs_go = pytest.mark.usefixtures("go")

SMALL = (Load(2, 12, 4, 200, 1, clients=4), Load(20, 12, 4, 200, 1, clients=4))


@pytest.fixture
def go() -> None:
    """The load generator, built."""
    try:
        go_program()
    except Missing as missing:
        pytest.skip(str(missing))


@contextmanager
def echoing(answer: Callable[[str], list[str]]) -> Generator[str]:
    """A WebSocket server on a free port that answers each message with some others."""
    server = pytest.importorskip("websockets.sync.server", reason="websockets is not installed")

    def talk(socket: Any) -> None:
        for text in socket:
            for said in answer(text):
                socket.send(said)

    with server.serve(talk, "127.0.0.1", 0) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{running.socket.getsockname()[1]}"
        running.shutdown()
        thread.join()


def burst(url: str, messages: int) -> dict[str, Any]:
    with conversation([*Running([url], "json").command(clients=1, size=1), "--quiet=200ms"]) as ask:
        ask("join")
        return ask(f"burst {messages}")


@needs_go
def test_a_message_to_everyone_arrives_once() -> None:
    with echoing(lambda text: [text]) as url:
        seen = burst(url, 10)

    assert (seen["sent"], seen["expected"], seen["delivered"]) == (10, 10, 10)
    assert (seen["duplicates"], seen["strays"], seen["gone"]) == (0, 0, 0)


@needs_go
def test_what_is_lost_or_comes_twice_is_counted() -> None:
    replies = {"00000001": 0, "00000002": 3}

    with echoing(lambda text: [text] * replies.get(text.partition("#")[2][:8], 1)) as url:
        seen = burst(url, 10)

    assert (seen["expected"], seen["delivered"], seen["duplicates"], seen["strays"]) == (10, 9, 2, 0)


@needs_go
def test_a_text_that_is_cut_does_not_count() -> None:
    with echoing(lambda text: [text[:-5] if "#00000003" in text else text]) as url:
        seen = burst(url, 10)

    assert (seen["delivered"], seen["duplicates"], seen["strays"]) == (9, 0, 1)


@needs_go
def test_contenders_that_cannot_run_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def absent() -> Generator[Running]:
        raise Missing("it is not installed")
        yield

    monkeypatch.setattr(chat, "CONTENDERS", {name: of if name == HUB else absent for name, of in CONTENDERS.items()})
    report = Report("versions", name="peers")

    chat.run(report, tmp_path, SMALL, lambda _: None)

    cells = {row[0]: row[1] for row in report.tables[0].rows}
    assert {name for name, cell in cells.items() if cell == "not measured: it is not installed"} == {*CONTENDERS} - {
        HUB
    }
    assert {(goal.value, goal.note.partition(";")[0]) for goal in report.goals} == {(None, "it is not installed")}
    assert [row[0] for table in report.tables[1:] for row in table.rows] == [HUB, HUB]
    assert (tmp_path / chat.PICTURE).exists()


def test_the_picture_has_a_panel_for_each_load(tmp_path: Path) -> None:
    panel = {name: spread([1.0, 2.0, 4.0]) for name in CONTENDERS}

    bars.draw(tmp_path / "bars.svg", {"2 a room": panel, "20 a room": panel}, "deliveries/s", OURS)

    assert (tmp_path / "bars.svg").read_text("utf-8").startswith("<?xml")


def test_a_report_has_files_of_its_name(tmp_path: Path) -> None:
    Report("versions", name="peers").write(tmp_path)

    assert sorted(file.name for file in tmp_path.iterdir()) == ["peers.json", "peers.md"]


def test_tables_of_the_results_are_copied_into_their_places(tmp_path: Path) -> None:
    (tmp_path / "some.md").write_text(
        "# Goals\n\n| g |\n\n## Rows: 3 rounds\n\nwords\n\n| a |\n| - |\n| 1 |\n\n| other |\n"
    )
    text = "before\n\n<!-- some.md: Rows -->\n\n| old |\n\n<!-- end -->\n\nafter\n"

    filled = page.filled(text, tmp_path)

    assert filled == "before\n\n<!-- some.md: Rows -->\n\n| a |\n| - |\n| 1 |\n\n<!-- end -->\n\nafter\n"
    assert page.filled(filled, tmp_path) == filled


def test_a_place_without_results_stays_as_it_is(tmp_path: Path) -> None:
    text = "<!-- none.md: Rows -->\n\n| old |\n\n<!-- end -->\n"

    assert page.filled(text, tmp_path) == text


def test_the_page_has_the_tables_of_the_last_results() -> None:
    text = page.PAGE.read_text("utf-8")

    emptied = re.sub(r"( -->\n)\n\|.*?(\n<!-- end -->)", r"\1\2", text, flags=re.DOTALL)

    assert text.count("<!-- end -->") == 5
    assert "\n| " not in emptied
    assert page.filled(emptied, page.RESULTS) == text
