"""Types that classes of the app declare: annotations of their attributes, and validation by them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from .errors import ConfigurationError, shorten

__all__ = ["adapter_for", "annotations_of", "check_state", "explain", "messages_of", "params_of", "resolve"]

# Their messages may hold the input.
_WITH_INPUT = frozenset({"assertion_error", "byte_size_unit", "import_error", "union_tag_invalid", "value_error"})
_WITH_PART = frozenset({"timezone_offset", "uuid_parsing"})  # theirs end with a part of it, after a comma

# From Python 3.14 on, annotations are evaluated when they are read; the others of a class may be unresolvable.
_AS_WRITTEN: dict[str, Any] = (
    {"format": import_module("annotationlib").Format.FORWARDREF} if sys.version_info >= (3, 14) else {}
)


def annotations_of(cls: type, names: Iterable[str]) -> dict[str, Any]:
    """Return the annotations of attributes, resolved; a name without one is left out.

    Raises:
        ConfigurationError: an annotation cannot be resolved.
    """
    found: dict[str, Any] = {}
    for name in names:
        owner = next((base for base in cls.__mro__ if name in _own_annotations(base)), None)
        if owner is not None:
            annotation = _own_annotations(owner)[name]
            found[name] = resolve(f"{cls.__name__}.{name}", name, annotation, _names_in(owner))
    return found


def _names_in(cls: type) -> dict[str, Any]:
    """Return the names that annotations of a class may use: those of its module, and the classes inside it.

    Other attributes are left out: with `date: date` the attribute is not the type.
    """
    inside = {name: value for name, value in vars(cls).items() if isinstance(value, type)}
    return {**vars(sys.modules.get(cls.__module__, SimpleNamespace())), **inside}


def _own_annotations(cls: type) -> dict[str, Any]:
    return inspect.get_annotations(cls, **_AS_WRITTEN)


def resolve(place: str, name: str, annotation: Any, names: Mapping[str, Any]) -> Any:
    """Return the type that an annotation stands for. Other annotations there may be unresolvable.

    Raises:
        ConfigurationError: it cannot be resolved; the message begins with `place`.
    """
    annotated = SimpleNamespace(__annotations__={name: annotation})
    try:
        return get_type_hints(annotated, globalns=dict(names), include_extras=True)[name]
    except NameError as error:
        advice = "define or import it at the top level of the module, not below `if TYPE_CHECKING:`"
        raise ConfigurationError(f"{place}: the annotation cannot be resolved: {error}; {advice}") from error
    except Exception as error:  # an annotation may raise any error when it is evaluated
        raise ConfigurationError(f"{place}: the annotation cannot be resolved: {error}") from error


def params_of(channel: type) -> TypeAdapter[Any] | None:
    """Return what validates the params of a channel's subscriptions, if the class declares their type.

    Raises:
        ConfigurationError: the annotation cannot be resolved, or pydantic cannot validate the type.
    """
    annotation = annotations_of(channel, ("params",)).get("params", Any)
    if isinstance(annotation, TypeVar):  # pydantic takes any value for it, or only the bound
        raise ConfigurationError(f"{channel.__name__}.params: {annotation} is no type: annotate params in this class")
    return None if annotation is Any else adapter_for(f"{channel.__name__}.params", annotation)


def messages_of(channel: type) -> TypeAdapter[Any] | None:
    """Return what validates the messages of a channel, if the class declares their types.

    A method or a property of that name declares nothing.

    Raises:
        ConfigurationError: pydantic cannot validate the types.
    """
    declared = inspect.getattr_static(channel, "messages", None)
    if declared is None or isinstance(declared, staticmethod | classmethod) or _is_method(declared):
        return None
    try:
        return adapter_for(f"{channel.__name__}.messages", declared)
    except ConfigurationError as error:
        advice = "messages are a model, a TypedDict or a union; give an attribute for something else another name"
        raise ConfigurationError(f"{error}\n{advice}") from error


def _is_method(value: object) -> bool:
    return inspect.isroutine(value) or hasattr(type(value), "__get__")


def check_state(cls: type) -> None:
    """Check the type that a class declares for its state. It is for type checkers: the state is always a mapping.

    Raises:
        ConfigurationError: the type is a model or a dataclass, whose attributes the state would not have.
    """
    try:
        declared = annotations_of(cls, ("state",)).get("state")
    except ConfigurationError:  # it may be imported for type checkers only
        return
    if isinstance(declared, type) and (is_dataclass(declared) or hasattr(declared, "__pydantic_serializer__")):
        raise ConfigurationError(
            f"{cls.__name__}.state is a mapping: annotate it with a TypedDict, not with {declared.__name__}"
        )


def adapter_for(place: str, annotation: Any) -> TypeAdapter[Any]:
    """Return what validates values of a type.

    Raises:
        ConfigurationError: pydantic cannot validate the type; the message begins with `place`.
    """
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        _ = adapter.validator.validate_python  # fails where a model is not fully defined
        return adapter
    except Exception as error:  # pydantic has many errors for a wrong type, and a type may have its own
        raise ConfigurationError(f"{place}: values cannot be validated: {error}") from error


def explain(error: ValidationError) -> str:
    """Return the first problem: its place (the client's names, shortened) and a reason without the client's values."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = "".join(f"[{shorten(part, 40)}]" for part in first["loc"])
    text = first["msg"].partition(",")[0] if first["type"] in _WITH_PART else first["msg"]
    reason = "is not valid" if first["type"] in _WITH_INPUT else shorten(text, 200)[1:-1]
    return f"{place} {reason}".strip()
