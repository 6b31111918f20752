"""Connection identifiers as JSON: the only place that writes the identifiers string.

anycable-go knows a connection only by this string. Connect returns it, a token's `ext` claim carries it, and a remote
disconnect names it (anycable-go `hub/hub.go` compares the strings), so all three are written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

from ..errors import ConfigurationError, InvalidData, InvalidIdentifiers, near, shorten
from ..protocol import json_text
from .dialect_writer import JSONWriter
from .dialects import DIALECTS
from .revival import Revival, held_object, revival_for

__all__ = ["RESERVED_NAMES", "IdentifiersCodec", "Objects"]

RESERVED_NAMES = frozenset({"ttl", "expires_at", "reconnect"})
"""Parameters of `Cable.token` and `Cable.disconnect`. Identifiers cannot have these names."""


class Objects(Protocol):
    """A converter for identifiers that are objects of your own classes, for example `GlobalID`."""

    def dumps(self, value: Any, /) -> Any:
        """Convert an object to a JSON value. Raise InvalidData for unsupported types."""

    def loads(self, text: str, /) -> Any:
        """Return the object that a string stands for, or else the string."""


class IdentifiersCodec:
    """A codec that writes the identifiers string, canonical or as another issuer writes it, and reads any issuer's.

    The string is one JSON object: the declared names in their order, compact separators, UTF-8. `None` is written as
    null. A missing name is an error, and so is a name that was not declared.

    >>> IdentifiersCodec(["user_id", "tenant"]).dumps({"tenant": None, "user_id": 42})
    '{"user_id":42,"tenant":null}'
    >>> IdentifiersCodec(["user_id", "tenant"], dialect="go").dumps({"tenant": "a&b", "user_id": 42})
    '{"tenant":"a\\\\u0026b","user_id":42}'

    Args:
        names: the declared names, in the order of the string (Go and JavaScript have an order of their own).
        dialect: "canonical", or the issuer to match byte for byte: "rails", "ruby", "js", "php", "go", "python".
        objects: a converter for values of your own classes.
        types: the annotation of each name that has one; a connection class gives its own. Only strings under a name
            that is annotated with a class are converted to objects when they are read. Without it objects are
            written and never read.
    """

    def __init__(
        self,
        names: Iterable[str] = (),
        *,
        dialect: str = "canonical",
        objects: Objects | None = None,
        types: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(names, str):
            raise ConfigurationError(f"identified_by takes a tuple of names: write ({names!r},)")
        self.names = tuple(names)
        _check_declaration(self.names)
        if dialect not in DIALECTS:
            raise ConfigurationError(f"unknown dialect {shorten(dialect)}: use one of {', '.join(DIALECTS)}")
        self.dialect = dialect
        self._declared = frozenset(self.names)
        self._objects = objects
        self._is_typed = objects is not None and types is not None
        self._revivals = _revivals(types or {}) if objects else {}
        self._writer = JSONWriter(DIALECTS[dialect], objects.dumps if objects else None)

    def dumps(self, identifiers: Mapping[str, Any]) -> str:
        """Write the identifiers string.

        Raises:
            InvalidIdentifiers: a name is missing or unknown, or a value is not a JSON value, or the dialect's language
                does not have it.
        """
        if identifiers.keys() != self._declared:
            raise self._misfit(identifiers)
        if not self.names:
            return "{}"
        try:
            text = self._writer.dumps({name: identifiers[name] for name in self.names})
        except InvalidData as error:
            raise InvalidIdentifiers(f"identifiers: {error}") from None
        if self._is_typed:
            self._check_objects(identifiers)
        return text

    def loads(self, text: str) -> Mapping[str, Any]:
        """Read the identifiers string of any issuer: any JSON object.

        With `objects`, an identifier whose `types` name a class is converted when it is first read.

        Raises:
            InvalidIdentifiers: the string is not a JSON object.
        """
        try:
            identifiers = json_text.loads(text)
        except InvalidData as error:
            raise InvalidIdentifiers(f"connection identifiers are {error}") from None
        if not isinstance(identifiers, dict):
            raise InvalidIdentifiers("connection identifiers are not a JSON object")
        values: dict[str, Any] = identifiers
        return _Lazy(values, self._objects.loads, self._revivals) if self._objects and self._revivals else values

    def check_chosen(self, identifiers: Mapping[str, Any]) -> None:
        """Check what `connect` has set: a string that names an object may be one that the client has chosen.

        Raises:
            InvalidIdentifiers: a string would come back as an object.
        """
        for name, revival in self._revivals.items():
            revival.revive(name, identifiers[name], partial(self._refuse_name, name))

    def _refuse_name(self, name: str, text: str) -> str:
        if self._objects and self._objects.loads(text) != text:
            raise InvalidIdentifiers(
                f"identifiers: {name} is or holds a string that would come back as an object, and a client may have "
                "chosen it: set the object itself"
            )
        return text

    def _check_objects(self, identifiers: Mapping[str, Any]) -> None:
        """Refuse an object that would come back as a string."""
        for name, value in identifiers.items():
            if name not in self._revivals and (found := held_object(value)) is not None:
                kind = type(found).__name__
                raise InvalidIdentifiers(
                    f"identifiers: {name} is or holds a {kind}, which would come back as a string: annotate it in the "
                    f"connection class, {name}: {kind}"
                )

    def _misfit(self, identifiers: Mapping[str, Any]) -> InvalidIdentifiers:
        missing = [name for name in self.names if name not in identifiers]
        unknown = [name for name in identifiers if name not in self._declared]
        problems = [f"missing: {', '.join(missing)}"] if missing else []
        problems += [f"unknown: {', '.join(map(str, unknown))}"] if unknown else []
        declared = ", ".join(self.names) or "none"
        similar = near(unknown[0], [*missing, *sorted(RESERVED_NAMES)]) if unknown else ""
        return InvalidIdentifiers(f"identifiers do not fit ({'; '.join(problems)}); declared: {declared}{similar}")


class _Lazy(Mapping[str, Any]):
    """Identifiers that convert the strings that stand for objects when they are first read."""

    def __init__(self, values: dict[str, Any], loads: Callable[[str], Any], revivals: Mapping[str, Revival]) -> None:
        self._values = values
        self._loads = loads
        self._revivals = revivals
        self._read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._revivals:
            return self._values[name]
        if name not in self._read:
            self._read[name] = self._revivals[name].revive(name, self._values[name], self._loads)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __repr__(self) -> str:
        return repr({**self._values, **self._read})


def _revivals(types: Mapping[str, Any]) -> dict[str, Revival]:
    """Return how to read the identifiers that name objects."""
    found: dict[str, Revival] = {}
    for name, annotation in types.items():
        try:
            revival = revival_for(annotation)
        except ConfigurationError as error:
            raise ConfigurationError(f"the identifier {name!r}: {error}") from None
        if revival:
            found[name] = revival
    return found


def _check_declaration(names: tuple[str, ...]) -> None:
    for name in names:
        if name in RESERVED_NAMES:
            raise ConfigurationError(
                f"{name!r} cannot be the name of an identifier: token() and disconnect() have a parameter of that name"
            )
    if len(set(names)) != len(names):
        raise ConfigurationError(f"an identifier is declared twice: {', '.join(names)}")
