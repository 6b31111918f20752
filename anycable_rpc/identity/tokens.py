"""Tokens: signing and verification.

The verdict on a token is anycable-go's (1.6, `identity/jwt.go` on golang-jwt v5). The decoder of PyJWT has other
rules: it refuses `crit`, a future `iat` or a PEM-like secret, and accepts padding and `exp` as a string. So PyJWT only
computes and compares signatures, and the rules are here. Base64 and JSON are read as Go reads them: line breaks in
base64 are skipped, and bytes that are not Unicode become U+FFFD.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from math import ceil
from time import time
from typing import TYPE_CHECKING, Any, cast

from ..errors import (
    ConfigurationError,
    ExpiredToken,
    InvalidData,
    InvalidToken,
    MissingIdentifiers,
    shorten,
)
from ..protocol import go_json, json_text

if TYPE_CHECKING:
    from jwt.algorithms import HMACAlgorithm

__all__ = ["TokenSigner", "TokenVerifier", "expiry", "without_line_breaks"]


_ALGORITHMS = {"HS256": "SHA256", "HS384": "SHA384", "HS512": "SHA512"}
_TOKEN = re.compile(r"([\w\r\n-]*)\.([\w\r\n-]*)\.([\w\r\n-]*)", re.ASCII)
_END_OF_TIME = 2**63 - 62135596800  # Go counts from the year 1: a later second wraps round into the past


@cache
def _algorithm(name: str) -> HMACAlgorithm:
    """Return PyJWT's algorithm. The first token loads PyJWT, which costs the time and the memory of an HTTP client."""
    from jwt.algorithms import HMACAlgorithm

    return HMACAlgorithm(getattr(HMACAlgorithm, _ALGORITHMS[name]))


def _base64url(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


_HEADER = _base64url(b'{"alg":"HS256"}')  # the header of the Ruby and JS SDKs


def expiry(ttl: float | timedelta | None, expires_at: float | datetime | None, now: float) -> int | None:
    """Return the `exp` claim in epoch seconds: `now` plus `ttl` (seconds), or `expires_at`, or None for never.

    Raises:
        ConfigurationError: both are given, one is not positive, or a datetime has no time zone.
    """
    if ttl is not None and expires_at is not None:
        raise ConfigurationError("give ttl or expires_at, not both")
    if isinstance(expires_at, datetime):
        if expires_at.tzinfo is None:
            raise ConfigurationError("expires_at has no time zone: use datetime.now(UTC) + …")
        expires_at = expires_at.astimezone(UTC).timestamp()
    if isinstance(ttl, timedelta):
        ttl = ttl.total_seconds()
    moment = expires_at if ttl is None else now + _positive("ttl", ttl)
    return None if moment is None else ceil(_positive("expires_at", moment))


def _positive(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _END_OF_TIME:
        raise ConfigurationError(f"{name} must be a positive number of seconds, got {shorten(value)}")
    return value


class TokenSigner:
    """An issuer of tokens: HS256, claims `ext` and `exp`."""

    def __init__(self, secret: str) -> None:
        if not secret:
            raise ConfigurationError("tokens need a secret: set ANYCABLE_SECRET or ANYCABLE_JWT_SECRET")
        self._key = secret.encode()

    def sign(self, ext: str, exp: int | None = None) -> str:
        """Issue a token. `ext` is the identifiers string, `exp` is in epoch seconds, or None for never."""
        claims = {"ext": ext} if exp is None else {"ext": ext, "exp": exp}
        signing_input = _HEADER + b"." + _base64url(json_text.dumps(claims).encode())
        signature = _algorithm("HS256").sign(signing_input, self._key)
        return (signing_input + b"." + _base64url(signature)).decode()


class TokenVerifier:
    """A verifier of tokens signed with one of the secrets, with anycable-go's verdicts."""

    def __init__(self, secrets: Iterable[str], clock: Callable[[], float] = time) -> None:
        self._keys = [secret.encode() for secret in secrets if secret]
        self._clock = clock
        if not self._keys:
            raise ConfigurationError("tokens need a secret: set ANYCABLE_SECRET or ANYCABLE_JWT_SECRET")

    def verify(self, token: str) -> str:
        """Return the `ext` claim, as it was signed.

        Raises:
            ExpiredToken: the token has expired.
            MissingIdentifiers: the token is valid, but `ext` is missing or not a string.
            InvalidToken: any other defect. No error message holds the token.
        """
        claims = self._claims(token)
        self._check_times(claims)
        ext = claims.get("ext")
        if not isinstance(ext, str):
            raise MissingIdentifiers("the token has no identifiers: its claim 'ext' is missing or not a string")
        return go_json.readable(ext)

    def _claims(self, token: str) -> dict[str, Any]:
        segments = _TOKEN.fullmatch(token)
        if segments is None:
            raise InvalidToken("the token is malformed: it is not three segments of base64url")
        header, claims, signature = segments.groups()
        algorithm = _json_object(header, "header").get("alg")
        if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
            raise InvalidToken("the token is not signed with HS256, HS384 or HS512")
        payload = _json_object(claims, "payload")
        signed, given = f"{header}.{claims}".encode(), _decode(signature, "signature")
        if not any(_algorithm(algorithm).verify(signed, key, given) for key in self._keys):
            raise InvalidToken("the token's signature is invalid: it was signed with another secret")
        return payload

    def _check_times(self, claims: dict[str, Any]) -> None:
        now = self._clock()
        expires = _numeric_date(claims, "exp")
        if expires is not None and now >= expires:
            raise ExpiredToken("the token has expired")
        starts = _numeric_date(claims, "nbf")
        if starts is not None and now < starts:
            raise InvalidToken("the token is not valid yet: see its claim 'nbf'")


def _numeric_date(claims: dict[str, Any], name: str) -> float | None:
    """Return a claim in epoch seconds, or None when it is absent or 0, which means no limit."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken(f"the token's claim {name!r} is not a number")
    if value == 0:
        return None
    return float("-inf") if abs(value) >= _END_OF_TIME else int(value)


def _json_object(segment: str, name: str) -> dict[str, Any]:
    try:
        value = go_json.loads_bytes(_decode(segment, name))
    except InvalidData:
        raise InvalidToken(f"the token's {name} is not JSON") from None
    if value is None:  # Go reads null into an empty map
        return {}
    if not isinstance(value, dict):
        raise InvalidToken(f"the token's {name} is not a JSON object")
    return cast("dict[str, Any]", value)


def _decode(segment: str, name: str) -> bytes:
    segment = without_line_breaks(segment)
    if len(segment) % 4 == 1:
        raise InvalidToken(f"the token's {name} is not base64url")
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def without_line_breaks(base64: str) -> str:
    """Return base64 without line breaks, which Go's decoder skips."""
    return base64.replace("\r", "").replace("\n", "")
