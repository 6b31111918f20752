"""Declarations of classes: their annotations, resolved one by one."""

from __future__ import annotations

from datetime import date
from typing import Any, Generic, TypeVar
from uuid import UUID

import pytest
from pydantic import BaseModel, ByteSize, ImportString, TypeAdapter, ValidationError

from anycable_rpc import Cable, Channel, ConfigurationError, Connection
from anycable_rpc.typed import adapter_for, annotations_of, explain, params_of


class Base:
    user: int
    name: str


class Derived(Base):
    name: bytes  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]
    lost: Missing  # type: ignore[name-defined] # noqa: F821 # pyright: ignore


class Outer:
    class Inner: ...

    date: date = date(2026, 1, 2)
    inner: Inner


T = TypeVar("T")


class AnyRoom(Channel, Generic[T]):
    params: T


class Room(AnyRoom[Base]): ...


class Unfinished(BaseModel):
    part: Missing  # type: ignore[name-defined] # noqa: F821 # pyright: ignore


def test_the_nearest_annotation_counts_and_a_name_without_one_is_left_out() -> None:
    assert annotations_of(Derived, ("user", "name", "nothing")) == {"user": int, "name": bytes}


def test_an_annotation_that_cannot_be_resolved_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^Derived\.lost: the annotation cannot be resolved: name 'Missing'"):
        annotations_of(Derived, ("lost",))


def test_the_error_says_where_a_type_must_be_imported() -> None:
    with pytest.raises(ConfigurationError, match=r"at the top level of the module, not below `if TYPE_CHECKING:`$"):
        annotations_of(Derived, ("lost",))


def test_a_type_may_be_a_class_inside_the_class() -> None:
    assert annotations_of(Outer, ("date", "inner")) == {"date": date, "inner": Outer.Inner}


def test_a_type_variable_is_no_type_of_params() -> None:
    with pytest.raises(ConfigurationError, match=r"^Room\.params: ~T is no type: annotate params in this class$"):
        params_of(Room)


@pytest.mark.parametrize("declared", [Base, Unfinished, "Missing", {}], ids=str)
def test_a_type_that_cannot_be_validated_is_named(declared: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^Chat\.params: values cannot be validated: "):
        adapter_for("Chat.params", declared)


def test_a_model_that_is_not_fully_defined_is_an_error_when_the_cable_is_made() -> None:
    class Chat(Channel):
        params: list[Unfinished]

    with pytest.raises(ConfigurationError, match=r"^Chat\.params: values cannot be validated: "):
        Cable(Connection, [Chat])


@pytest.mark.parametrize(
    ("declared", "reason"),
    [(ByteSize, "is not valid"), (ImportString, "is not valid"), (UUID, "Input should be a valid UUID")],
    ids=str,
)
def test_a_reason_holds_no_part_of_the_value(declared: Any, reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(declared).validate_python("5 s3cret")

    assert explain(caught.value) == reason
