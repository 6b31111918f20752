"""What classes declare: their annotations, resolved one by one."""

from __future__ import annotations

import pytest

from anycable_rpc import ConfigurationError
from anycable_rpc.typed import adapter_for, annotations_of


class Base:
    user: int
    name: str


class Derived(Base):
    name: bytes  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]
    lost: Missing  # type: ignore[name-defined] # noqa: F821 # pyright: ignore


def test_the_nearest_annotation_counts_and_a_name_without_one_is_left_out() -> None:
    assert annotations_of(Derived, ("user", "name", "nothing")) == {"user": int, "name": bytes}


def test_an_annotation_that_cannot_be_resolved_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^Derived\.lost: the annotation cannot be resolved: name 'Missing'"):
        annotations_of(Derived, ("lost",))


def test_a_type_that_cannot_be_validated_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"^Chat\.params: values cannot be validated: "):
        adapter_for("Chat.params", Base)
