from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycable_rpc.errors import InvalidData
from anycable_rpc.protocol import go_json

NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda children: st.lists(children) | st.dictionaries(TEXTS, children),
)


@given(VALUES)
def test_a_browser_reads_what_was_meant(value: Any) -> None:
    text = json.dumps(value)

    again = go_json.dumps(go_json.loads(text))

    assert as_in_a_browser(again) == as_in_a_browser(text)
    assert not set(again) & set("<>&\u2028\u2029")


def as_in_a_browser(text: str) -> Any:
    """The value, with one kind of number."""
    return json.loads(text, parse_int=float)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [None, True]}, '{"a":[null,true],"b":1}'),
        ("<a>&\u2028\u2029/é", '"\\u003ca\\u003e\\u0026\\u2028\\u2029/é"'),
        ("\ud800x", '"\ufffdx"'),
        ({"<": "\udfff"}, '{"\\u003c":"\ufffd"}'),
    ],
)
def test_dumps(value: object, text: str) -> None:
    assert go_json.dumps(value) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12345678901234567890", 12345678901234567000),
        ("-9007199254740993", -9007199254740992),
        ("999999999999999", 999999999999999),
        ("1.0", 1),
        ("1e3", 1000),
        ("1e21", 1e21),
        ("1.5", 1.5),
        ("1e-7", 1e-7),
    ],
)
def test_numbers_have_64_bits(text: str, value: float) -> None:
    number = go_json.loads(text)

    assert (number, type(number)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    ["", "{", "NaN", "-Infinity", "1e999", "9" * 400, "[" * 100_000, "'a'", "{a:1}", "1 2", '"\n"'],
    ids=lambda text: repr(text)[:20],
)
def test_invalid_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidData, match="not JSON"):
        go_json.loads(text)


def test_a_value_nested_too_deeply_cannot_be_written() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]

    with pytest.raises(InvalidData, match="nested too deeply"):
        go_json.dumps(value)


KINDS = {"text": str, "number": int, "switch": bool, "any": object, "map": dict}


def test_fields_have_names_in_any_case_and_the_last_one_wins() -> None:
    value = {"Text": "a", "TEXT": "b\ud800", "number": 1, "SWITCH": False, "any": [], "map": {}, "more": 1}

    assert go_json.fields(value, KINDS) == {"text": "b\ufffd", "number": 1, "switch": False, "any": [], "map": {}}


def test_null_is_left_out() -> None:
    assert go_json.fields({"text": "a", "TEXT": None, "number": None, "any": None}, KINDS) == {"text": "a"}


@pytest.mark.parametrize("value", [{"text": 1}, {"number": 1.5}, {"number": True}, {"switch": 1}, {"map": []}])
def test_fields_have_kinds(value: object) -> None:
    with pytest.raises(InvalidData, match="has a wrong type"):
        go_json.fields(value, KINDS)


@pytest.mark.parametrize("value", [None, 5, "text", []])
def test_only_an_object_has_fields(value: object) -> None:
    with pytest.raises(InvalidData, match="not a JSON object"):
        go_json.fields(value, KINDS)
