from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

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


def test_a_method_that_overrides_an_action_is_none_unless_it_says_so() -> None:
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
def test_what_does_not_fit_is_named(name: str, payload: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidPayload, match=error):
        actions_of(Chat)[name].bind(payload)


def test_a_value_is_not_repeated_in_the_error() -> None:
    with pytest.raises(InvalidPayload) as invalid:
        actions_of(Chat)["speak"].bind({"text": ["a secret"]})

    assert "secret" not in str(invalid.value)


def positional(self: Channel, text: str, /) -> None: ...


def variadic(self: Channel, *texts: str) -> None: ...


def keywords(self: Channel, **payload: Any) -> None: ...


def unresolved(self: Channel, text: Missing) -> None: ...  # type: ignore[name-defined] # noqa: F821 # pyright: ignore


def unvalidatable(self: Channel, text: Callable[[Channel], Unvalidatable]) -> None: ...


def odd(self: Channel, text: Unvalidatable) -> None: ...


class Unvalidatable:
    pass


@pytest.mark.parametrize("method", [positional, variadic, keywords, unresolved, odd])
def test_parameters_that_cannot_be_bound_are_an_error_when_the_cable_is_made(method: Any) -> None:
    channel = type("Odd", (Channel,), {"go": action(method)})

    with pytest.raises(ConfigurationError, match="Odd"):
        Cable(Connection, [channel])


def test_the_decorator_takes_a_method() -> None:
    with pytest.raises(ConfigurationError, match="without parentheses"):
        action("speak")  # type: ignore[type-var]


def test_an_action_can_be_made_of_any_function() -> None:
    assert Action("Chat", unvalidatable).bind({"text": print}) == {"text": print}
