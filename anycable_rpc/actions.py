"""Actions: the methods of a channel that its clients may call, and how a payload becomes their arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from itertools import starmap
from typing import Any, Never, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from .callbacks import is_generator
from .errors import ConfigurationError, InvalidPayload
from .typed import adapter_for, explain, resolve

__all__ = ["Action", "action", "actions_of"]

_Method = TypeVar("_Method", bound=Callable[..., Any])
_NOTHING: Any = None  # type checkers still refuse `@action()`, since its result cannot be called
_MARK = "__anycable_action__"
_PAYLOAD = "data"
_MISSING = "is missing"
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def action(method: _Method = _NOTHING, /, **options: Never) -> _Method:
    """Let clients call this method of a channel: `subscription.perform("speak", {text: "Hi"})`.

    Parameters are taken from the payload by name and validated by their annotations (pydantic). A parameter called
    `data` gets the whole payload. Other keys of the payload are ignored.
    """
    candidate: object = method
    if options or not inspect.isfunction(candidate):
        raise ConfigurationError("@action goes directly above a `def` or `async def` of a channel, without parentheses")
    if is_generator(method):
        raise ConfigurationError(f"{method.__name__} has a `yield`, so nothing in it would run: write it without")
    setattr(method, _MARK, True)
    return method


def is_action(method: object) -> bool:
    """Return whether the method is decorated with `@action`."""
    return getattr(method, _MARK, False) is True


def actions_of(channel: type) -> dict[str, Action]:
    """Return the actions of a channel class by name, inherited ones included."""
    return {
        name: Action(f"{channel.__name__}.{name}", getattr(channel, name))
        for name in dir(channel)
        if is_action(getattr(channel, name, None))
    }


class Action:
    """An action, ready to be called with a client's payload.

    Attributes:
        name: the channel and the method, for errors.
        parameters: by name, what validates the argument (None takes any), and True for one that may be missing.
    """

    def __init__(self, name: str, method: Callable[..., Any]) -> None:
        self.name = name
        self.parameters: dict[str, tuple[TypeAdapter[Any] | None, bool]] = {}
        for parameter in list(inspect.signature(method).parameters.values())[1:]:
            if parameter.kind not in _BY_NAME:
                raise ConfigurationError(
                    f"{name}: parameters of an action are taken from the payload by name, but {parameter} has none; "
                    f"for the whole payload declare one called {_PAYLOAD!r}"
                )
            place = f"{name}, {parameter.name}"
            if isinstance(parameter.default, FieldInfo):
                raise ConfigurationError(f"{place}: write the field into the type, as in Annotated[str, Field(…)]")
            annotation = _annotation(place, method, parameter)
            adapter = None if annotation is Any else adapter_for(place, annotation)
            self.parameters[parameter.name] = adapter, parameter.default is not inspect.Parameter.empty

    def bind(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments for this payload, by name.

        Raises:
            InvalidPayload: an argument is missing or of a wrong type. The message names it and holds no value.
        """
        arguments: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for name, (adapter, optional) in self.parameters.items():
            value = payload if name == _PAYLOAD else payload.get(name, inspect.Parameter.empty)
            if value is inspect.Parameter.empty:
                if not optional:
                    problems[name] = _MISSING
                continue
            try:
                arguments[name] = value if adapter is None else adapter.validator.validate_python(value)
            except ValidationError as error:
                problems[name] = explain(error)
        if problems:
            raise InvalidPayload(f"{self.name}: {'; '.join(starmap(_sentence, problems.items()))}", problems)
        return arguments


def _sentence(name: str, problem: str) -> str:
    return f"{name} {problem}" if problem == _MISSING else f"{name}: {problem}"


def _annotation(place: str, method: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """Return the type of one parameter. The annotations of the others, and of the result, may be unresolvable."""
    if parameter.annotation is inspect.Parameter.empty:
        return Any
    return resolve(place, parameter.name, parameter.annotation, inspect.unwrap(method).__globals__)
