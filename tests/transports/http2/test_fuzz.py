"""A short run of the fuzzer, and the corpus."""

from __future__ import annotations

import random

import pytest

from .fuzz import check, corpus, run


def test_a_few_thousand_changed_inputs_break_no_rule() -> None:
    assert run(seconds=60, seed=7, most=3_000) == 3_000


@pytest.mark.parametrize("place", range(len(corpus())))
def test_what_real_clients_send_is_served(place: int) -> None:
    check(corpus()[place], random.Random(0))
