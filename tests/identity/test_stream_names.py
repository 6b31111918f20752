"""The stream of an object."""

from __future__ import annotations

import doctest
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycable_rpc import GlobalID
from anycable_rpc.errors import InvalidData
from anycable_rpc.identity import stream_names
from anycable_rpc.identity.stream_names import name_for

ID = UUID("12345678-1234-5678-1234-567812345678")


class Room:
    """As Django makes its models."""

    _meta = SimpleNamespace(label_lower="chat.room")

    def __init__(self, pk: object) -> None:
        self.pk = pk
        self.id = pk


class Named:
    def __init__(self, stream_name: object) -> None:
        self.stream_name = stream_name


GLOBAL_IDS = GlobalID("app", {"Room": (Room, Room)})


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("chat/1", "chat/1"),
        ("a:b", "a:b"),
        (42, "42"),
        (ID, str(ID)),
        (("chat", 42), "chat:42"),
        (["chat", ["a", "b"]], "chat:a:b"),
        (("a:b", "100%"), "a%3Ab:100%25"),
        (Room(7), "chat.room:7"),
        (("typing", Room(ID)), f"typing:chat.room:{ID}"),
        (Named("mine"), "mine"),
    ],
)
def test_the_rule(value: Any, name: str) -> None:
    assert name_for(value) == name


def test_a_global_id_counts_before_the_rest() -> None:
    assert name_for(Room(7), GLOBAL_IDS) == GLOBAL_IDS.dumps(Room(7))
    assert name_for(("typing", Room(7)), GLOBAL_IDS) == f"typing:{GLOBAL_IDS.dumps(Room(7))}"
    assert name_for(Named("mine"), GLOBAL_IDS) == "mine"


@pytest.mark.parametrize(
    "value", ["", (), [], ("a", ""), None, True, 1.5, {}, object(), Room, Room(None), Named(""), Named(5), ("a", None)]
)
def test_other_values_have_no_stream(value: Any) -> None:
    with pytest.raises(InvalidData):
        name_for(value)


def test_an_unsaved_object_is_an_error_that_says_so() -> None:
    with pytest.raises(InvalidData, match=r"this chat.room has no primary key yet: save it first"):
        name_for(Room(None))


@given(st.lists(st.text(min_size=1), min_size=1), st.lists(st.text(min_size=1), min_size=1))
def test_different_parts_make_different_names(first: list[str], second: list[str]) -> None:
    if "\ud800" <= max("".join(first + second)) <= "\udfff":
        return
    assert (name_for(first) == name_for(second)) == (first == second)


def test_the_examples() -> None:
    assert doctest.testmod(stream_names).failed == 0
