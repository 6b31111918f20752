"""Objects as identifiers, written as Rails writes its models: by their GlobalID."""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from ..errors import ConfigurationError, InvalidData

__all__ = ["GlobalID"]

_SCHEME = "gid://"
_ENCODED_SCHEME = urlsafe_b64encode(_SCHEME.encode()).decode().rstrip("=")
_APP = re.compile(r"[A-Za-z0-9.-]+")
_MODEL = re.compile(r"[A-Z]\w*(?:::[A-Z]\w*)*")


class GlobalID:
    """A converter for `Cable(..., objects=...)`: base64url of `gid://app/Model/id`, which Rails puts into `ext`.

    A connection reads objects only from identifiers that are annotated with a class (`user: User`). A string there
    stays a string if it is not a GlobalID, is one of another app, or is one of a model that is not listed.

    >>> from fractions import Fraction
    >>> half = GlobalID("my-app", {"Fraction": (Fraction, Fraction)}, id_of=str)
    >>> half.dumps(Fraction(1, 2))
    'Z2lkOi8vbXktYXBwL0ZyYWN0aW9uLzElMkYy'
    >>> half.loads("Z2lkOi8vbXktYXBwL0ZyYWN0aW9uLzElMkYy")
    Fraction(1, 2)

    Args:
        app: the app in the fleet's GlobalIDs (in Rails, `GlobalID.app`).
        models: a dict of the model's name in Rails to a pair: the class here, and a function that returns an object
            for its id, a string.
        id_of: a function that returns the id of an object; by default, its attribute `id`.
    """

    def __init__(
        self,
        app: str,
        models: Mapping[str, tuple[type, Callable[[str], Any]]],
        *,
        id_of: Callable[[Any], object] = attrgetter("id"),
    ) -> None:
        if not _APP.fullmatch(app):
            raise ConfigurationError(f"{app!r} cannot be the app of a GlobalID: use letters, digits, hyphens and dots")
        for model in models:
            if not _MODEL.fullmatch(model):
                raise ConfigurationError(f"{model!r} is not the name of a model in Rails, such as Admin::User")
        self._names = {kind: model for model, (kind, _) in models.items()}
        self._finders = {model: find for model, (_, find) in models.items()}
        self._id_of = id_of
        self._uri = re.compile(rf"{_SCHEME}{re.escape(app)}/([^/?#]+)/([^/?#]+)")
        self._start = f"{_SCHEME}{app}/"

    def dumps(self, value: Any, /) -> str:
        """Return the GlobalID of an object.

        Raises:
            InvalidData: the object's class is not listed, or the object has no id yet.
        """
        model = next((self._names[kind] for kind in type(value).__mro__ if kind in self._names), None)
        if model is None:
            known = ", ".join(kind.__name__ for kind in self._names) or "no class"
            raise InvalidData(f"{type(value).__name__} is not a JSON type, and GlobalID knows {known}")
        identity = self._id_of(value)
        if identity is None or identity == "":
            raise InvalidData(f"this {model} has no id yet: save it first")
        uri = f"{self._start}{model}/{quote_plus(str(identity))}"
        return urlsafe_b64encode(uri.encode()).decode().rstrip("=")

    def loads(self, text: str, /) -> Any:
        """Return the object that a string names, or else the string."""
        found = self._uri.fullmatch(_uri(text))
        find = self._finders.get(found[1]) if found else None
        return find(unquote_plus(found[2])) if found and find else text


def _uri(text: str) -> str:
    """Return the decoded GlobalID, or an empty string when `text` is not one."""
    if text.startswith(_SCHEME):
        return text
    if not text.startswith(_ENCODED_SCHEME):
        return ""
    try:
        return b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        return ""
