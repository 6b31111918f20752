"""Read the words of the command `token`, and issue the token."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from time import time
from typing import TYPE_CHECKING, Any

from ...errors import ConfigurationError, InvalidData
from ...identity.identifiers import RESERVED_NAMES, IdentifiersCodec
from ...identity.tokens import TokenSigner, expiry
from ...protocol import json_text
from ...settings.kinds import seconds

if TYPE_CHECKING:
    from ...settings.model import Settings

__all__ = ["identifiers", "issue"]


def identifiers(words: Iterable[str]) -> dict[str, Any]:
    """Read `name=text` and `name:=json`, in their order.

    Raises:
        ConfigurationError: a word is neither, or a name is given twice. The word is not quoted: it may be part of a
            secret with a space in it.
    """
    found: dict[str, Any] = {}
    for place, word in enumerate(words, 1):
        name, value = _pair(place, word)
        if name in found:
            raise ConfigurationError(f"the identifier {name!r} is given twice")
        if name in RESERVED_NAMES:
            raise ConfigurationError(f"{name!r} cannot be an identifier; for the time there are --ttl and --expires-at")
        found[name] = value
    return found


def _pair(place: int, word: str) -> tuple[str, Any]:
    name, equals, text = word.partition("=")
    if not equals or not name.removesuffix(":"):
        raise ConfigurationError(f"identifier {place} is neither NAME=TEXT (user_id=42) nor NAME:=JSON (user_id:=42)")
    if not name.endswith(":"):
        return name, text
    try:
        return name[:-1], json_text.loads(text)
    except InvalidData as error:
        raise ConfigurationError(f"the identifier {name[:-1]!r} is {error}; a string is {name[:-1]}=TEXT") from None


def issue(
    settings: Settings, codec: IdentifiersCodec, named: dict[str, Any], ttl: str | None, expires_at: str | None
) -> tuple[str, int | None]:
    """Issue a token that lasts until `expires_at` or for `ttl`, else for `jwt_ttl` of the settings.

    Returns:
        The token, and when it expires (epoch seconds; None is never).

    Raises:
        ConfigurationError: there is no secret, or a time makes no sense.
        InvalidIdentifiers: the names are not those of the codec.
    """
    if ttl is not None and expires_at is not None:
        raise ConfigurationError("give --ttl or --expires-at, not both")
    signer = TokenSigner(settings.keys.jwt or "")
    lifetime = settings.jwt_ttl if ttl is None else _lifetime(ttl)
    exp = expiry(lifetime, None, time()) if expires_at is None else expiry(None, _moment(expires_at), 0)
    return signer.sign(codec.dumps(named), exp), exp


def _lifetime(text: str) -> float | None:
    try:
        return seconds(text)
    except ValueError as error:
        raise ConfigurationError(f"--ttl: {error}") from None


def _moment(text: str) -> float | datetime:
    """Read epoch seconds, or an ISO date with a time zone."""
    if text.isdecimal():
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min
    if moment.tzinfo is None:
        raise ConfigurationError(
            "--expires-at: must be epoch seconds, or a date with a time zone like 2030-01-01T00:00:00Z"
        )
    return moment
