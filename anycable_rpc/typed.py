"""Types that classes of the app declare: annotations of their attributes, and validation by them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any, get_type_hints

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from .errors import ConfigurationError, shorten

__all__ = ["adapter_for", "annotations_of", "explain", "resolve"]

_WITH_INPUT = frozenset({"assertion_error", "union_tag_invalid", "value_error"})  # their messages may hold it


def annotations_of(cls: type, names: Iterable[str]) -> dict[str, Any]:
    """Return the annotations of attributes, resolved; a name without one is left out.

    Raises:
        ConfigurationError: an annotation cannot be resolved.
    """
    found: dict[str, Any] = {}
    for name in names:
        owner = next((base for base in cls.__mro__ if name in inspect.get_annotations(base)), None)
        if owner is not None:
            names_there = vars(sys.modules.get(owner.__module__, SimpleNamespace()))
            annotation = inspect.get_annotations(owner)[name]
            found[name] = resolve(f"{cls.__name__}.{name}", name, annotation, names_there)
    return found


def resolve(place: str, name: str, annotation: Any, names: Mapping[str, Any]) -> Any:
    """Return the type that an annotation stands for. Other annotations there may be unresolvable.

    Raises:
        ConfigurationError: it cannot be resolved; the message begins with `place`.
    """
    annotated = SimpleNamespace(__annotations__={name: annotation})
    try:
        return get_type_hints(annotated, globalns=dict(names), include_extras=True)[name]
    except Exception as error:  # an annotation may raise any error when it is evaluated
        raise ConfigurationError(f"{place}: the annotation cannot be resolved: {error}") from error


def adapter_for(place: str, annotation: Any) -> TypeAdapter[Any]:
    """Return what validates values of a type.

    Raises:
        ConfigurationError: pydantic cannot validate the type; the message begins with `place`.
    """
    try:
        return TypeAdapter(annotation)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise ConfigurationError(f"{place}: values cannot be validated: {error}") from error


def explain(error: ValidationError) -> str:
    """Return the first problem: its place (the client's names, shortened) and a reason without the client's values."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = "".join(f"[{shorten(part, 40)}]" for part in first["loc"])
    reason = "is not valid" if first["type"] in _WITH_INPUT else shorten(first["msg"], 200)[1:-1]
    return f"{place} {reason}".strip()
