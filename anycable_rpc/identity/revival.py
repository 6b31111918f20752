"""Objects out of identifiers: an annotation says which strings name one, never the string itself.

A client may have chosen the string under another name. If it were converted because it looks like a GlobalID, the
client could choose an object of the app.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any, Union, cast, get_args, get_origin

from ..errors import ConfigurationError, InvalidIdentifiers

__all__ = ["TEXT", "Revival", "held_object", "revival_for"]

_JSON = (str, int, float, list, dict, type(None))  # a TypedDict is a dict


@dataclass(frozen=True)
class Revival:
    """The strings of one identifier that name objects.

    Attributes:
        classes: the classes that a string may name; with none it stays a string.
        items: the same for the items of a list.
        members: the same for the values of a dict.
        has_text: True when the annotation allows plain strings.
    """

    classes: tuple[type, ...] = ()
    items: Revival | None = None
    members: Revival | None = None
    has_text: bool = False

    def __bool__(self) -> bool:
        return bool(self.classes or self.items or self.members)

    def revive(self, name: str, value: Any, loads: Callable[[str], Any]) -> Any:
        """Return the value of the identifier `name` with objects for the strings that name one.

        Raises:
            InvalidIdentifiers: a string names an object of another class.
        """
        if isinstance(value, str) and self.classes:
            return self._checked(name, loads(value))
        if isinstance(value, list) and self.items:
            return [self.items.revive(name, item, loads) for item in value]
        if isinstance(value, dict) and self.members:
            pairs = cast("dict[str, Any]", value).items()
            return {key: self.members.revive(name, item, loads) for key, item in pairs}
        return value

    def _checked(self, name: str, found: Any) -> Any:
        """Return what a string stands for: an object, None if it is gone, or a string that names none."""
        if found is None or isinstance(found, (str, *self.classes)):
            return found
        expected = " or ".join(kind.__name__ for kind in self.classes)
        raise InvalidIdentifiers(f"the identifier {name!r} names a {type(found).__name__}; it is annotated {expected}")


TEXT = Revival(has_text=True)


def revival_for(annotation: Any) -> Revival:
    """Return which strings under an annotation name objects.

    >>> from fractions import Fraction
    >>> revival_for(list[Fraction] | None).items.classes
    (<class 'fractions.Fraction'>,)

    Raises:
        ConfigurationError: the annotation allows both an object and a string, which nobody can tell apart.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return revival_for(arguments[0])
    if origin in (Union, types.UnionType):
        return _checked(annotation, reduce(_both, map(revival_for, arguments)))
    if isinstance(origin, type):
        return _of_container(origin, arguments)
    alias = getattr(annotation, "__value__", None) or getattr(
        annotation, "__supertype__", None
    )  # `type X = …`, NewType
    return revival_for(alias) if alias else _of_class(annotation)


def _of_class(annotation: Any) -> Revival:
    if annotation is Any or annotation is object or not isinstance(annotation, type):
        return TEXT
    if issubclass(annotation, _JSON):
        return TEXT if issubclass(annotation, str) else Revival()
    return Revival(classes=(annotation,))


def _of_container(origin: type, arguments: tuple[Any, ...]) -> Revival:
    is_mapping = issubclass(origin, Mapping)
    if not is_mapping and not issubclass(origin, Collection):
        return Revival(classes=(origin,))
    if is_mapping:
        return Revival(members=revival_for(arguments[-1])) if arguments else Revival()
    kinds = [revival_for(argument) for argument in arguments if argument is not ...]
    return Revival(items=_checked(origin, reduce(_both, kinds))) if kinds else Revival()


def _both(one: Revival, other: Revival) -> Revival:
    return Revival(
        (*one.classes, *other.classes),
        _either(one.items, other.items),
        _either(one.members, other.members),
        one.has_text or other.has_text,
    )


def _either(one: Revival | None, other: Revival | None) -> Revival | None:
    if one is None or other is None:
        return other if one is None else one
    return _checked("a union of lists or dicts", _both(one, other))


def _checked(annotation: Any, found: Revival) -> Revival:
    if found.classes and found.has_text:
        raise ConfigurationError(
            f"{annotation} allows an object and a string: a string that a client has chosen could name an object. Use "
            "two identifiers"
        )
    return found


def held_object(value: Any) -> Any:
    """Return an object of no JSON type that the value is or holds, or None."""
    return next(_objects(value), None)


def _objects(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _objects(item)
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item)
    elif not isinstance(value, _JSON):
        yield value
