"""The arithmetic of the capacity page, and what always holds in its simulation."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.capacity import ENGINES, Demand, need, table
from benchmarks.storm import SCENES, Outcome, delay, simulate


def test_the_arithmetic() -> None:
    one = need(Demand(clients=60_000, messages=1_000, session=600, reconnect=60, callback=1e-3), "grpcio", token=False)

    assert (one.usual_calls, one.storm_calls) == (1_300, 3_000)
    call = ENGINES["grpcio"] + 1e-3
    assert one.usual_processes == -(-1_300 * call // 0.5)
    assert one.storm_processes == -(-3_000 * call // 0.5)
    assert one.nodes == 1


def test_a_token_spares_the_connects() -> None:
    demand = Demand(clients=60_000, messages=0)

    assert need(demand, "grpcio", token=True).storm_calls * 2 == need(demand, "grpcio", token=False).storm_calls


def test_nothing_needs_less_than_one() -> None:
    one = need(Demand(clients=1, messages=0), "asyncio", token=True)

    assert (one.usual_processes, one.storm_processes, one.nodes) == (1, 1, 1)
    assert table(Demand(clients=10**6, messages=10_000)).count("\n") == 5


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    return {name: simulate(10_000, capacity / 10, calls) for name, (capacity, calls) in SCENES.items()}


def test_everyone_comes_back(outcomes: dict[str, Outcome]) -> None:
    for outcome in outcomes.values():
        assert len(outcome.back) == 10_000
        assert min(outcome.back) > 0


def test_no_more_is_served_than_there_is_capacity_for(outcomes: dict[str, Outcome]) -> None:
    for name, outcome in outcomes.items():
        capacity, calls = SCENES[name]
        assert max(outcome.calls.values()) <= capacity / 10 + calls
        assert sum(outcome.calls.values()) == 10_000 * calls


def test_a_token_is_never_slower(outcomes: dict[str, Outcome]) -> None:
    for engine in ("grpcio", "asyncio engine"):
        assert outcomes[f"{engine}, a token"].within(1) <= outcomes[f"{engine}, cookies"].within(1)


def test_the_same_seed_is_the_same_storm() -> None:
    assert simulate(500, 100, 2, seed=3) == simulate(500, 100, 2, seed=3)
    assert simulate(500, 100, 2, seed=3) != simulate(500, 100, 2, seed=4)


def test_attempts_grow_apart_and_are_bounded() -> None:
    import random

    chooser = random.Random(1)
    first, third = ([delay(attempt, chooser) for _ in range(500)] for attempt in (0, 2))

    assert 1.5 <= min(first) <= max(first) <= 9
    assert 6 <= min(third) <= max(third) <= 36
    assert delay(20, chooser) == 60


def test_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib: pip install --group bench")
    from benchmarks.storm import draw

    draw(tmp_path / "storm.svg", {name: [1.0, 2.0, 3.0] for name in SCENES})

    assert (tmp_path / "storm.svg").read_text().startswith("<?xml")
