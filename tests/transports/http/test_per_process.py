"""A value that each process makes for itself."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from anycable_rpc.transports.http.per_process import PerProcess


@pytest.fixture
def fork(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A function after which the code runs as in a child: with another id, and with the parent's memory."""
    monkeypatch.setattr(os, "getpid", lambda: len(children))
    children: list[None] = []
    return lambda: children.append(None)


def test_a_value_is_made_once_in_each_process(fork: Callable[[], None]) -> None:
    made = iter("abc")
    value = PerProcess(lambda: next(made))

    parent = [value.get(), value.get()]
    fork()

    assert [*parent, value.get(), value.get()] == ["a", "a", "b", "b"]


def test_a_child_that_is_forked_while_a_thread_makes_the_value_makes_its_own(fork: Callable[[], None]) -> None:
    seen: list[str] = []

    def make() -> str:
        if not seen:
            seen.append("the parent makes")
            fork()
            child = threading.Thread(target=lambda: seen.append(value.get()), daemon=True)
            child.start()
            child.join(10)
        return "made"

    value = PerProcess(make)
    value.get()

    assert seen == ["the parent makes", "made"]
