"""Actions: the methods of a channel that its clients may call, and how a payload becomes their arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from .errors import ConfigurationError, InvalidPayload

__all__ = ["Action", "action", "actions_of"]

_Method = TypeVar("_Method", bound=Callable[..., Any])
_MARK = "__anycable_action__"
_PAYLOAD = "data"
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def action(method: _Method) -> _Method:
    """Let clients call this method of a channel: `subscription.perform("speak", {text: "Hi"})`.

    Parameters are taken from the payload by name and validated by their annotations (pydantic); one called
    `data` gets the whole payload. Other keys of the payload are ignored.
    """
    if not callable(method):
        raise ConfigurationError("write @action without parentheses, above a method")
    setattr(method, _MARK, True)
    return method


def is_action(method: object) -> bool:
    """Whether the method is decorated with `@action`."""
    return getattr(method, _MARK, False) is True


def actions_of(channel: type) -> dict[str, Action]:
    """The actions of a channel class by name, inherited ones included."""
    methods = ((name, getattr(channel, name, None)) for name in dir(channel))
    return {name: Action(channel.__name__, method) for name, method in methods if is_action(method)}


class Action:
    """One action, ready to be called with a client's payload."""

    def __init__(self, channel: str, method: Any) -> None:
        self.name = f"{channel}.{method.__name__}"
        self._parameters: dict[str, tuple[TypeAdapter[Any] | None, bool]] = {}
        annotations = _annotations(self.name, method)
        for parameter in list(inspect.signature(method).parameters.values())[1:]:
            if parameter.kind not in _BY_NAME:
                raise ConfigurationError(
                    f"{self.name}: parameters of an action are taken from the payload by name, {parameter} has "
                    f"none; for the whole payload declare one called {_PAYLOAD!r}"
                )
            adapter = _adapter(self.name, parameter.name, annotations.get(parameter.name, Any))
            self._parameters[parameter.name] = adapter, parameter.default is not inspect.Parameter.empty

    def bind(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments for this payload, by name.

        Raises:
            InvalidPayload: one is missing or of a wrong type. The text names it and has no value in it.
        """
        arguments: dict[str, Any] = {}
        wrong: list[str] = []
        for name, (adapter, optional) in self._parameters.items():
            value = payload if name == _PAYLOAD else payload.get(name, inspect.Parameter.empty)
            if value is inspect.Parameter.empty:
                wrong += [] if optional else [f"{name} is missing"]
                continue
            try:
                arguments[name] = value if adapter is None else adapter.validate_python(value)
            except ValidationError as error:
                wrong += [f"{name}: {_explain(error)}"]
        if wrong:
            raise InvalidPayload(f"{self.name}: {'; '.join(wrong)}")
        return arguments


def _annotations(name: str, method: Any) -> dict[str, Any]:
    try:
        return get_type_hints(method, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigurationError(f"{name}: an annotation cannot be resolved: {error}") from error


def _adapter(action: str, parameter: str, annotation: Any) -> TypeAdapter[Any] | None:
    if annotation is Any:
        return None
    try:
        return TypeAdapter(annotation)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise ConfigurationError(f"{action}: values for {parameter!r} cannot be validated: {error}") from error


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = "".join(f"[{part!r}]" for part in first["loc"])
    return f"{place} {first['msg']}".strip()
