"""The writer of every dialect: what is a JSON value, and what is not."""

from __future__ import annotations

import doctest
import json
from collections import OrderedDict
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import pytest
from hypothesis import given

from anycable_rpc import InvalidData
from anycable_rpc.identity import dialect_writer as json_writer
from anycable_rpc.identity.dialect_writer import JSONWriter
from anycable_rpc.identity.dialects import DIALECTS

from ..support.strategies import json_values


class Role(StrEnum):
    ADMIN = "admin"


class Level(IntEnum):
    HIGH = 7


class Metres(float):
    def __repr__(self) -> str:
        return f"{float(self)} m"

    def __abs__(self) -> Metres:
        return Metres(super().__abs__())


class Point(NamedTuple):
    x: int


class Items(list[int]):
    pass


def write(value: object, dialect: str = "canonical") -> str:
    return JSONWriter(DIALECTS[dialect]).dumps(value)


def nested(depth: int) -> Any:
    value: Any = {}
    for level in range(depth - 1):
        value = [value] if level % 2 else {"]": value}
    return value


@given(json_values)
def test_canonical_json_is_that_of_the_standard_library(value: Any) -> None:
    assert write(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Role.ADMIN, '"admin"'),
        (Level.HIGH, "7"),
        (Metres(1.5), "1.5"),
        (Items([1, 2]), "[1,2]"),
        (OrderedDict(b=1, a=True), '{"b":1,"a":true}'),
        ({Role.ADMIN: None}, '{"admin":null}'),
    ],
)
def test_subclasses_of_json_types_are_written_as_those(value: object, text: str) -> None:
    assert write(value) == text


@pytest.mark.parametrize("dialect", ["js", "php", "go"])
def test_a_number_of_a_class_keeps_to_the_limits_and_the_style(dialect: str) -> None:
    assert write([Level.HIGH, Metres(2.0)], dialect) == "[7,2]"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((1, 2), "tuple is not a JSON type; convert it first: list()"),
        (Point(1), "Point is not a JSON type"),
        ([{1}], "set is not a JSON type"),
        ({"a": {1: 2}}, "object keys must be strings, got 1"),
        ({None: 1}, "object keys must be strings, got None"),
        (float("nan"), "Out of range float nan"),
        (10**5000, "cannot write this value as JSON: Exceeds the limit"),
        ("\ud800", "string contains a lone surrogate (U+D800–DFFF), which JSON cannot carry"),
        (nested(100_000), "nested too deeply"),
    ],
    ids=["tuple", "named tuple", "set", "key", "no key", "NaN", "huge", "surrogate", "deep"],
)
def test_other_values_are_refused(value: object, message: str) -> None:
    with pytest.raises(InvalidData) as caught:
        write(value)

    assert message in str(caught.value)


def test_an_integer_beyond_the_limits_is_refused_by_name() -> None:
    with pytest.raises(InvalidData) as caught:
        write([2**53 + 1], "js")

    assert str(caught.value) == (
        "JavaScript cannot write 9007199254740993 exactly: beyond 2**53 its numbers skip integers"
    )


def test_a_huge_integer_is_refused_without_its_digits() -> None:
    with pytest.raises(InvalidData, match="Go cannot write <int> exactly"):
        write(10**5000, "go")


def test_depth_counts_lists_and_objects_but_not_strings() -> None:
    assert write(nested(100), "ruby") == write(nested(100))
    assert write(["[{" * 100] * 200, "ruby") == write(["[{" * 100] * 200)
    with pytest.raises(InvalidData, match="Ruby does not nest more than 100 lists and objects"):
        write(nested(101), "ruby")


@pytest.mark.parametrize("value", [{}, [{}], {"0": 1}, {"0": 1, "1": {"a": 2}}])
def test_what_php_takes_for_a_list_is_refused(value: object) -> None:
    with pytest.raises(InvalidData, match="PHP writes an array without keys, or with the keys 0, 1, 2 …, as a list"):
        write(value, "php")


def test_other_keys_of_digits_are_members_for_php() -> None:
    assert write({"1": "a", "0": "b", "3": []}, "php") == '{"1":"a","0":"b","3":[]}'


class TestConverting:
    @pytest.mark.parametrize(
        ("converted", "text"),
        [("{1}", '"{1}"'), ({"set": [1]}, '{"set":[1]}'), (None, "null"), (Role.ADMIN, '"admin"')],
    )
    def test_a_value_of_another_type_is_converted(self, converted: object, text: str) -> None:
        writer = JSONWriter(DIALECTS["canonical"], lambda value: converted)

        assert writer.dumps([{1}, 2]) == f"[{text},2]"

    def test_what_a_conversion_contains_is_converted_too(self) -> None:
        writer = JSONWriter(DIALECTS["canonical"], lambda value: sorted(value, key=str))

        assert writer.dumps({frozenset([frozenset([1]), 2])}) == "[[2,[1]]]"

    def test_a_conversion_makes_a_json_value(self) -> None:
        writer = JSONWriter(DIALECTS["canonical"], lambda value: value)

        with pytest.raises(InvalidData, match="set was converted into set, which is not a JSON type"):
            writer.dumps({1})

    def test_json_values_are_not_converted(self) -> None:
        writer = JSONWriter(DIALECTS["canonical"], lambda value: pytest.fail(f"converted {value}"))

        assert writer.dumps([None, True, 1, 1.5, "a", {}, Role.ADMIN]) == '[null,true,1,1.5,"a",{},"admin"]'


def test_the_example_in_the_docstring_is_true() -> None:
    assert doctest.testmod(json_writer) == (0, 2)
