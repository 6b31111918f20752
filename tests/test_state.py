"""State between calls: a mapping that knows its changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import RootModel

from anycable_rpc.errors import InvalidState
from anycable_rpc.state import PRESENCE_KEY, WHISPER_KEY, State

from .support.strategies import json_values

RAW = {"room": '"lobby"', "count": "1", "tags": '["a"]', "$w": "chat/1", "$p": "chat/1"}


def test_values_are_read_from_json() -> None:
    state = State(RAW)

    assert (state["room"], state["count"], state["tags"]) == ("lobby", 1, ["a"])


def test_it_is_a_mapping_without_the_frameworks_keys() -> None:
    state = State(RAW)
    state["new"] = None

    assert state == {"room": "lobby", "count": 1, "tags": ["a"], "new": None}
    assert (len(state), sorted(state), "room" in state) == (4, ["count", "new", "room", "tags"], True)
    assert repr(State({"count": "1"})) == "State({'count': 1})"


def test_a_model_or_a_date_is_written_and_comes_back_as_json() -> None:
    state = State({})
    state["seen"] = seen = RootModel[dict[str, date]]({"chat": date(2026, 1, 2)})
    state["at"] = date(2026, 1, 2)

    changes = state.changes()

    assert state["seen"] is seen
    assert changes == {"seen": '{"chat":"2026-01-02"}', "at": '"2026-01-02"'}
    assert State(changes) == {"seen": {"chat": "2026-01-02"}, "at": "2026-01-02"}


@pytest.mark.parametrize("key", ["missing", WHISPER_KEY, PRESENCE_KEY])
def test_a_missing_key_is_a_key_error(key: str) -> None:
    state = State(RAW)

    assert key not in state
    assert state.get(key) is None
    with pytest.raises(KeyError):
        state[key]
    with pytest.raises(KeyError):
        del state[key]


def test_a_key_that_is_not_a_string_is_missing() -> None:
    key: object = 1

    assert key not in State({"1": "1"})


def test_each_value_is_decoded_once_and_only_when_it_is_read() -> None:
    state = State({"broken": "{", "tags": "[]"})

    assert state["tags"] is state["tags"]
    with pytest.raises(InvalidState, match="state 'broken' is not JSON"):
        state["broken"]


def test_without_reads_and_writes_there_are_no_changes() -> None:
    assert State(RAW).changes() == {}


Act = Callable[[State], object]
CHANGES: dict[str, tuple[Act, dict[str, str]]] = {
    "read": (lambda state: state["room"], {}),
    "write": (lambda state: state.update(room="den"), {"room": '"den"'}),
    "the same": (lambda state: state.update(room="lobby"), {}),
    "None": (lambda state: state.update(room=None), {"room": "null"}),
    "in place": (lambda state: state["tags"].append("b"), {"tags": '["a","b"]'}),
    "bool for a number": (lambda state: state.update(count=True), {"count": "true"}),
    "pop": (lambda state: state.pop("room"), {"room": ""}),
    "come and go": (lambda state: (state.update(new=1), state.pop("new")), {}),
    "go and come back": (lambda state: (state.pop("room"), state.update(room="lobby")), {}),
    "clear": (lambda state: state.clear(), {"room": "", "count": "", "tags": ""}),
    "new": (lambda state: state.setdefault("seen", []).append(7), {"seen": "[7]"}),
}


@pytest.mark.parametrize(("act", "changes"), CHANGES.values(), ids=CHANGES)
def test_differences_are_sent_and_an_empty_string_deletes(act: Act, changes: dict[str, str]) -> None:
    state = State(RAW)

    act(state)

    assert state.changes() == changes


def test_a_deleted_value_is_missing() -> None:
    state = State(RAW)

    del state["room"]

    assert "room" not in state
    assert "room" not in list(state)
    with pytest.raises(KeyError):
        state["room"]
    with pytest.raises(KeyError):
        del state["room"]


@pytest.mark.parametrize("key", [WHISPER_KEY, PRESENCE_KEY])
def test_the_frameworks_keys_are_not_for_writing(key: str) -> None:
    with pytest.raises(InvalidState, match="is reserved"):
        State({})[key] = "chat/1"


@pytest.mark.parametrize("key", [1, None, "\ud800"])
def test_a_key_is_a_string_that_can_be_sent(key: Any) -> None:
    with pytest.raises(InvalidState):
        State({})[key] = 1


@pytest.mark.parametrize(
    "value", [float("nan"), "\ud800", object(), 10**5000], ids=["NaN", "surrogate", "object", "huge"]
)
def test_an_error_about_a_value_names_its_key(value: object) -> None:
    state = State({})
    state["draft"] = value

    with pytest.raises(InvalidState, match="state 'draft': "):
        state.changes()


@given(st.dictionaries(st.text(st.sampled_from("abc")), json_values))
def test_changes_applied_as_anycable_go_does_give_the_same_state_again(values: dict[str, Any]) -> None:
    state = State({"a": "1", "b": '"x"'})
    state.clear()
    state.update(values)

    kept = {key: text for key, text in state.changes().items() if text}
    unchanged = {key: text for key, text in {"a": "1", "b": '"x"'}.items() if key not in state.changes()}

    assert State(unchanged | kept) == values


def test_reading_what_another_sdk_wrote_with_spaces_sends_nothing() -> None:
    state = State({"a": '{"b": 1}', "c": "garbage"})
    read = state["a"]
    state["c"] = 1

    assert read == {"b": 1}
    assert state.changes() == {"c": "1"}
