"""Connection identifiers and their text: the one place that makes it.

anycable-go knows a connection by this text alone. Connect returns it, a token's `ext` claim carries it and a
remote disconnect names it (anycable-go `hub/hub.go` compares the strings), so all three are made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from . import json_text
from .errors import ConfigurationError, InvalidData, InvalidIdentifiers, shorten

__all__ = ["RESERVED_NAMES", "IdentifiersCodec"]

RESERVED_NAMES = frozenset({"ttl", "expires_at", "reconnect"})
"""Parameters of `Cable.token` and `Cable.disconnect`, which therefore cannot be names of identifiers."""


class IdentifiersCodec:
    """Writes identifiers as canonical text and reads any issuer's.

    The text is one JSON object: the declared names in their order, compact separators, UTF-8. `None` is
    written as null. A name that is missing, or one that was not declared, is an error.

    >>> IdentifiersCodec(["user_id", "tenant"]).dumps({"tenant": None, "user_id": 42})
    '{"user_id":42,"tenant":null}'
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        if isinstance(names, str):
            raise ConfigurationError(f"identified_by takes a tuple of names: write ({names!r},)")
        self.names = tuple(names)
        for name in self.names:
            if name in RESERVED_NAMES:
                raise ConfigurationError(
                    f"{name!r} cannot be the name of an identifier: token() and disconnect() have a "
                    "parameter of that name"
                )
        if len(set(self.names)) != len(self.names):
            raise ConfigurationError(f"an identifier is declared twice: {', '.join(self.names)}")

    def dumps(self, identifiers: Mapping[str, Any]) -> str:
        """Write identifiers as text.

        Raises:
            InvalidIdentifiers: a name is missing or unknown, or a value is not a JSON value.
        """
        self._check_names(identifiers)
        ordered = {name: identifiers[name] for name in self.names}
        try:
            for value in ordered.values():
                _check_value(value)
            return json_text.dumps(ordered)
        except RecursionError:
            raise InvalidIdentifiers("identifiers are nested too deeply") from None
        except InvalidData as error:
            raise InvalidIdentifiers(f"identifiers: {error}") from None

    def loads(self, text: str) -> dict[str, Any]:
        """Read the identifiers that any issuer wrote: any JSON object.

        Raises:
            InvalidIdentifiers: the text is not a JSON object.
        """
        try:
            identifiers = json_text.loads(text)
        except InvalidData as error:
            raise InvalidIdentifiers(f"connection identifiers are {error}") from None
        if not isinstance(identifiers, dict):
            raise InvalidIdentifiers("connection identifiers are not a JSON object")
        return cast("dict[str, Any]", identifiers)

    def _check_names(self, identifiers: Mapping[str, Any]) -> None:
        missing = [name for name in self.names if name not in identifiers]
        unknown = [name for name in identifiers if name not in self.names]
        if missing or unknown:
            said = [f"missing: {', '.join(missing)}"] if missing else []
            said += [f"unknown: {', '.join(map(str, unknown))}"] if unknown else []
            declared = ", ".join(self.names) or "none"
            raise InvalidIdentifiers(f"identifiers do not fit ({'; '.join(said)}); declared: {declared}")


def _check_value(value: object) -> None:
    """Refuse what `json` would write, but `loads` would not give back: tuples, and keys that are no text."""
    if value is None or isinstance(value, str | int | float):
        return
    if isinstance(value, list):
        for item in cast("list[object]", value):
            _check_value(item)
    elif isinstance(value, dict):
        for key, item in cast("dict[object, object]", value).items():
            if not isinstance(key, str):
                raise InvalidData(f"a key is not a text: {shorten(key)}")
            _check_value(item)
    else:
        raise InvalidData(f"{type(value).__name__} is not a JSON type; convert it first, for example with str()")
