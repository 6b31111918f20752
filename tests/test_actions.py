from __future__ import annotations

from collections.abc import Callable
from functools import partial, partialmethod
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field

from anycable_rpc import Cable, Channel, ConfigurationError, Connection, InvalidPayload, action
from anycable_rpc.actions import Action, actions_of


class Chat(Channel):
    @action
    def speak(self, text: str, times: int = 1) -> None: ...

    @action
    def everything(self, data: dict[str, int]) -> None: ...

    @action
    def keyword(self, *, anything, typed: bool = False) -> None: ...  # type: ignore[no-untyped-def]

    def helper(self) -> None: ...


class QuietChat(Chat):
    def speak(self, text: str, times: int = 1) -> None: ...


def test_only_decorated_methods_are_actions() -> None:
    assert sorted(actions_of(Chat)) == ["everything", "keyword", "speak"]


def test_a_method_that_overrides_an_action_needs_the_decorator_too() -> None:
    assert sorted(actions_of(QuietChat)) == ["everything", "keyword"]


@pytest.mark.parametrize(
    ("name", "payload", "arguments"),
    [
        ("speak", {"action": "speak", "text": "hi"}, {"text": "hi"}),
        ("speak", {"text": "", "times": "3", "more": None}, {"text": "", "times": 3}),
        ("keyword", {"anything": [1]}, {"anything": [1]}),
        ("everything", {"a": 1}, {"data": {"a": 1}}),
    ],
)
def test_arguments_are_bound_by_name(name: str, payload: dict[str, Any], arguments: dict[str, Any]) -> None:
    assert actions_of(Chat)[name].bind(payload) == arguments


@pytest.mark.parametrize(
    ("name", "payload", "error"),
    [
        ("speak", {}, "Chat.speak: text is missing"),
        ("speak", {"text": None}, "Chat.speak: text: Input should be a valid string"),
        ("keyword", {"typed": 5}, "Chat.keyword: anything is missing; typed: "),
        ("everything", {"action": "everything"}, r"Chat.everything: data: \['action'\] Input should be a valid"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(name: str, payload: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidPayload, match=error):
        actions_of(Chat)[name].bind(payload)


def test_a_value_is_not_repeated_in_the_error() -> None:
    with pytest.raises(InvalidPayload) as invalid:
        actions_of(Chat)["speak"].bind({"text": ["a secret"]})

    assert "secret" not in str(invalid.value)


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


def not_odd(value: int) -> int:
    if value % 2:
        raise ValueError(f"{value} is odd")
    return value


class Zoo(Channel):
    @action
    def add(
        self,
        animal: Annotated[Cat | Dog, Field(discriminator="kind")],
        count: Annotated[int, AfterValidator(not_odd)] = 0,
        names: dict[str, int] | None = None,
    ) -> None: ...


@pytest.mark.parametrize(
    "payload",
    [
        {"animal": {"kind": "SECRET\nERROR forged"}},
        {"animal": {"kind": "SECRET" * 20_000}},
        {"animal": {"kind": "cat"}, "count": 77777},
        {"animal": {"kind": "cat"}, "names": {"\n" * 100_000: "x"}},
    ],
)
def test_a_payload_cannot_forge_or_fill_the_log(payload: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload) as invalid:
        actions_of(Zoo)["add"].bind(payload)

    assert len(str(invalid.value)) < 400
    assert "\n" not in str(invalid.value)
    assert "SECRET" not in str(invalid.value)
    assert "77777" not in str(invalid.value)


def positional(self: Channel, text: str, /) -> None: ...


def variadic(self: Channel, *texts: str) -> None: ...


def keywords(self: Channel, **payload: Any) -> None: ...


def unresolved(self: Channel, text: Missing) -> None: ...  # type: ignore[name-defined] # noqa: F821 # pyright: ignore


def unvalidatable(self: Channel, text: Callable[[Channel], Unvalidatable]) -> None: ...


def odd(self: Channel, text: Unvalidatable) -> None: ...


class Unvalidatable:
    pass


def field(self: Channel, text: str = Field(max_length=3)) -> None: ...


def broken(self: Channel, text: Any) -> None: ...


broken.__annotations__["text"] = "int |"


@pytest.mark.parametrize("method", [positional, variadic, keywords, unresolved, odd, field, broken])
def test_parameters_that_cannot_be_bound_are_an_error_when_the_cable_is_made(method: Any) -> None:
    channel = type("Odd", (Channel,), {"go": action(method)})

    with pytest.raises(ConfigurationError, match="Odd"):
        Cable(Connection, [channel])


@pytest.mark.parametrize("method", ["speak", None, staticmethod(odd), partial(odd), partialmethod(odd)])
def test_the_decorator_takes_a_plain_method(method: Any) -> None:
    with pytest.raises(ConfigurationError, match="without parentheses"):
        action(method)


@pytest.mark.parametrize("options", [{}, {"name": "speak"}])
def test_the_decorator_takes_no_parentheses(options: dict[str, Any]) -> None:
    decorate: Any = action

    with pytest.raises(ConfigurationError, match="without parentheses"):
        decorate(**options)


def test_the_type_of_the_result_does_not_matter() -> None:
    def go(self: Channel, text: str) -> Missing:  # type: ignore[name-defined] # noqa: F821 # pyright: ignore
        ...

    assert Action("Chat.go", go).bind({"text": "hi"}) == {"text": "hi"}


def test_an_action_can_be_made_of_any_function() -> None:
    assert Action("Chat.go", unvalidatable).bind({"text": print}) == {"text": print}
