"""The benchmarks' own code: statistics, tables and payloads. What is measured is not judged here."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from anycable_rpc.protocol.messages import Status
from anycable_rpc.transports.http.json_codec import decode_request as decode_json
from anycable_rpc.transports.protobuf import decode_request, decode_response
from benchmarks.calls import REQUESTS, write_calls
from benchmarks.report import Goal, Report, Table
from benchmarks.rounds import Spread, in_turns, number, ratio, spread


def test_every_second_round_goes_backwards() -> None:
    order: list[str] = []

    def sample(name: str) -> Any:
        def take() -> Any:
            order.append(name)
            return {"rate": len(order)}

        return take

    seen = in_turns({"a": sample("a"), "b": sample("b")}, rounds=3)

    assert "".join(order) == "abbaab"
    assert [one["rate"] for one in seen["a"]] == [1, 4, 5]


def test_a_ratio_is_taken_round_by_round() -> None:
    ours, theirs = [{"rate": 10.0}, {"rate": 30.0}, {"rate": 20.0}], [{"rate": 10.0}, {"rate": 10.0}, {"rate": 10.0}]

    assert ratio(ours, theirs, "rate") == Spread(2, 1, 3)


def test_a_spread_has_a_median_and_both_ends() -> None:
    assert spread([3, 1, 2]) == Spread(2, 1, 3)
    assert str(spread([0.12345])) == "0.123 (0.123 … 0.123)"
    assert (number(1234.5), number(99.94), number(0.5)) == ("1,234", "99.9", "0.5")


@pytest.mark.parametrize(
    ("value", "at_most", "met"), [(2, False, True), (1, False, False), (1, True, True), (2, True, False)]
)
def test_a_goal_is_met_by_its_median(value: float, at_most: bool, met: bool) -> None:
    assert Goal("x", 1.5, spread([0.1, value, 9]), at_most=at_most).is_met is met


def test_what_was_not_measured_says_why() -> None:
    report = Report("versions", [Goal("calls", 1, note="there is no Go")])

    assert "| calls | ≥ 1 | – | not measured | there is no Go |" in report.markdown()
    assert json.loads(report.json())["goals"][0]["is_met"] is None


def test_the_results_are_written_for_people_and_programs(tmp_path: Path) -> None:
    report = Report(
        "Python", [Goal("calls", 1, spread([2]))], [Table("T", ["a", "b"], [["1", "2"]], pictures=["x.svg"])]
    )

    report.write(tmp_path)

    assert "| a | b |\n| --- | --- |\n| 1 | 2 |\n\n![T](x.svg)" in (tmp_path / "results.md").read_text("utf-8")
    assert json.loads((tmp_path / "results.json").read_text("utf-8"))["tables"][0]["rows"] == [["1", "2"]]


def test_the_calls_are_what_anycable_go_sends(tmp_path: Path) -> None:
    calls = json.loads(write_calls(tmp_path / "calls.json").read_text("utf-8"))

    for call, (name, request) in zip(calls, REQUESTS.items(), strict=True):
        assert call["name"] == name
        assert decode_request(call["method"], base64.b64decode(call["data"])) == request
        assert decode_json(call["method"], base64.b64decode(call["json"])) == request
        answer = decode_response(call["method"], base64.b64decode(call["answer"]))
        assert answer.status is Status.SUCCESS
