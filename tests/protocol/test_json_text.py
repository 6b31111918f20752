"""JSON as it goes over the wire."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel
from pydantic_core import to_json

from anycable_rpc.errors import InvalidData
from anycable_rpc.identity.dialect_writer import JSONWriter
from anycable_rpc.identity.dialects import DIALECTS
from anycable_rpc.protocol.json_text import dumps, loads

from ..support.strategies import json_values


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ("42", '"42"'),
        ("чат</script>&\u2028", '"чат</script>&\u2028"'),
        ({"b": [1, 1.5, True], "a": {}}, '{"b":[1,1.5,true],"a":{}}'),
        (12345678901234567890, "12345678901234567890"),
        ('\x00"\\\n', r'"\u0000\"\\\n"'),
    ],
)
def test_json_is_compact_and_raw_utf8(value: object, text: str) -> None:
    assert dumps(value) == text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "Out of range float values"),
        ([float("inf")], "Out of range float values"),
        ("\ud800", "a lone surrogate"),
        ({"\udfff": 1}, "a lone surrogate"),
        (object(), "object is not a JSON type; convert it first: a dict of what clients may see"),
        ({(1, 2): 3}, "keys must be str"),
        (10**5000, "Exceeds the limit"),
        (nested(100_000), "nested too deeply"),
    ],
    ids=["NaN", "infinity", "surrogate", "surrogate in a key", "object", "key", "huge integer", "deep"],
)
def test_other_values_are_refused_with_a_reason(value: object, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        dumps(value)


class Colour(Enum):
    RED = 1


class Size(StrEnum):
    SMALL = "s"


class Model(BaseModel):
    text: str = ""
    created_at: Annotated[datetime | None, Field(serialization_alias="createdAt")] = None
    colour: Colour = Colour.RED


class Holder(BaseModel):
    thing: Any


class Names(RootModel[list[str]]):
    pass


ONE = UUID(int=1)


@dataclass
class Plain:
    text: str = ""
    id: UUID = ONE


@dataclass(frozen=True, slots=True)
class Nested:
    plain: Plain
    price: Decimal


NOON = datetime(2026, 1, 2, 12, 0, 0, 500, tzinfo=UTC)
PLAIN = '{"text":"","id":"00000000-0000-0000-0000-000000000001"}'
OTHER_TYPES: list[tuple[object, str]] = [
    (Model(text="hi", created_at=NOON), '{"text":"hi","createdAt":"2026-01-02T12:00:00.000500Z","colour":1}'),
    (Names(["ann"]), '["ann"]'),
    (Plain(), PLAIN),
    (Nested(Plain(), Decimal("1.50")), f'{{"plain":{PLAIN},"price":"1.50"}}'),
    (NOON, '"2026-01-02T12:00:00.000500Z"'),
    (NOON.replace(tzinfo=None), '"2026-01-02T12:00:00.000500"'),
    (NOON.date(), '"2026-01-02"'),
    (time(12, 30), '"12:30:00"'),
    (ONE, '"00000000-0000-0000-0000-000000000001"'),
    (Decimal("1.50"), '"1.50"'),
    (Colour.RED, "1"),
    (Size.SMALL, '"s"'),
]


@pytest.mark.parametrize(("value", "text"), OTHER_TYPES, ids=lambda value: type(value).__name__)
def test_models_dates_and_the_like_are_written_as_pydantic_writes_them(value: object, text: str) -> None:
    assert dumps(value) == text == to_json(value).decode()
    assert dumps({"deep": [value, {"x": value}]}) == f'{{"deep":[{text},{{"x":{text}}}]}}'


@pytest.mark.parametrize("value", [value for value, _ in OTHER_TYPES[:-1]], ids=lambda value: type(value).__name__)
def test_identifiers_hold_none_of_them(value: object) -> None:
    with pytest.raises(InvalidData, match="is not a JSON type; convert it first"):
        JSONWriter(DIALECTS["canonical"]).dumps({"deep": [value]})


@given(
    st.one_of(st.dates(), st.datetimes(), st.times(), st.uuids(), st.decimals(allow_nan=False), st.sampled_from(Colour))
)
def test_pydantic_agrees(value: object) -> None:
    assert dumps([value]) == to_json([value]).decode()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Holder(thing=object()), "cannot write this value as JSON: Unable to serialize unknown type"),
        (Holder(thing="\ud800"), "a lone surrogate|surrogates not allowed"),
        (Model, "ModelMetaclass is not a JSON type"),
        (Plain, "type is not a JSON type"),
        ({NOON: 1}, "keys must be str"),
    ],
    ids=["object", "surrogate", "class of models", "dataclass itself", "key"],
)
def test_what_is_inside_is_checked_too(value: object, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        dumps(value)


ADVICE: list[tuple[object, str]] = [
    (b"x", r"bytes is not a JSON type; convert it first: decode\(\) if these are UTF-8, else base64.b64encode\(\)"),
    (bytearray(b"x"), "bytearray is not a JSON type; .*b64encode"),
    ({1, 2}, r"convert it first: list\(\)"),
]
STRICT: list[tuple[object, str]] = [
    (Model(), r'Model is not a JSON type; convert it first: its model_dump\(mode="json"\)'),
    (Plain(), r"convert it first: dataclasses.asdict\(\)"),
    (NOON, r"convert it first: isoformat\(\)"),
    (Decimal("1.5"), r"convert it first: str\(\)"),
    (ONE, r"convert it first: str\(\)"),
    (Colour.RED, "convert it first: its value"),
]


@pytest.mark.parametrize(("value", "message"), ADVICE)
def test_the_error_says_how_to_convert_each_type(value: object, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        dumps({"deep": [value]})


@pytest.mark.parametrize(("value", "message"), [*ADVICE, *STRICT])
def test_identifiers_say_so_too(value: object, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        JSONWriter(DIALECTS["canonical"]).dumps({"deep": [value]})


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)

    with pytest.raises(InvalidData, match="Circular reference"):
        dumps(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' {"a": [1, 2.5, null]} ', {"a": [1, 2.5, None]}),
        ('"\\u0447\\/"', "ч/"),
        ('{"a":1,"a":2}', {"a": 2}),
        ("1e308", 1e308),
    ],
)
def test_any_json_text_is_read(text: str, value: object) -> None:
    assert loads(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nul",
        "'a'",
        "[1,]",
        "\ufeff1",
        "NaN",
        "-Infinity",
        "[1e999]",
        "-1e999",
        "9" * 5000,
        "[" * 10**5,
    ],
    ids=lambda text: f"{text[:10]!r}",
)
def test_invalid_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidData, match=r"^not JSON: "):
        loads(text)


def test_the_error_does_not_repeat_the_text() -> None:
    with pytest.raises(InvalidData) as caught:
        loads('{"password": "hunter2"')

    assert "hunter2" not in str(caught.value)


@given(json_values)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert loads(dumps(value)) == value


@given(json_values)
def test_other_readers_agree(value: Any) -> None:
    assert json.loads(dumps(value)) == value


@given(st.text(st.sampled_from('[]{}",:0123456789.eE+-truefalsn\\ud8 \n')))
def test_garbage_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        value = loads(text)
    except InvalidData:
        return
    assert loads(json.dumps(value)) == value
