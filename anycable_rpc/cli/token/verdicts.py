"""The answers of anycable-go to a token, by version, and a reader for tokens whose signature is not right."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ...errors import ExpiredToken, InvalidData, InvalidToken, MissingIdentifiers
from ...identity.tokens import TokenVerifier
from ...protocol import go_json

__all__ = [
    "ERROR", "TOKEN_EXPIRED", "UNAUTHORIZED", "WELCOME", "Reading", "Verdict", "is_signed_by", "judge", "judge_by_1_5",
    "judge_signed", "read",
]  # fmt: skip

WELCOME, UNAUTHORIZED, TOKEN_EXPIRED, ERROR = "welcome", "unauthorized", "token_expired", "1011"

_BY_ERROR = ((ExpiredToken, TOKEN_EXPIRED), (MissingIdentifiers, ERROR), (InvalidToken, UNAUTHORIZED))
"""Errors and answers; the first error that fits counts."""

_DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_BASE64URL = re.compile(r"[\w-]*", re.ASCII)
_ANY_KEY = "any key: tokens signed with it never leave this module"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer, and the reason for it; for a welcome `why` is the identifiers."""

    answer: str
    why: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The content of a token, whoever has signed it; `problem` says why a part cannot be read."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    problem: str = ""

    @property
    def alg(self) -> Any:
        """The field `alg` of the header: the algorithm of the signature."""
        return self.header.get("alg")

    @property
    def is_known_alg(self) -> bool:
        """Return whether anycable-go accepts the algorithm."""
        return isinstance(self.alg, str) and self.alg in _DIGESTS

    @property
    def is_taken(self) -> bool:
        """Return whether anycable-go gets as far as checking the signature and the claims."""
        return not self.problem and self.is_known_alg


def read(token: str) -> Reading:
    """Read any string as a token."""
    dots = token.count(".")
    if dots != 2:
        return Reading({}, {}, f"it has {dots + 1} {'segments' if dots else 'segment'}, not three with dots between")
    header, payload, _ = token.split(".")
    parts: list[Mapping[str, Any]] = []
    problems: list[str] = []
    for name, segment in (("header", header), ("payload", payload)):
        try:
            parts.append(_json_object(segment))
        except InvalidData as error:
            parts.append({})
            problems.append(f"its {name} is {error}")
    return Reading(parts[0], parts[1], "; ".join(problems))


def _json_object(segment: str) -> Mapping[str, Any]:
    text = segment.replace("\r", "").replace("\n", "")
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise InvalidData("not base64url without padding")
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    value = go_json.loads(data.decode("utf-8", "replace"))
    if not isinstance(value, dict | None):
        raise InvalidData("not a JSON object")
    return cast("dict[str, Any]", value or {})


def judge(token: str, secrets: Iterable[str], now: float) -> Verdict:
    """Return the verdict of an anycable-go 1.6 with these secrets. This package gives the same one."""
    try:
        return Verdict(WELCOME, TokenVerifier(secrets, lambda: now).verify(token))
    except InvalidToken as error:
        answer = next(answer for kind, answer in _BY_ERROR if isinstance(error, kind))
        return Verdict(answer, str(error))


def judge_signed(token: str, now: float) -> Verdict:
    """Return the verdict of anycable-go 1.6 for the same token with a right signature."""
    return judge(_signed_again(token), [_ANY_KEY], now)


def is_signed_by(token: str, secret: str, now: float) -> bool:
    """Return whether the secret has signed the token: then its verdict is the same as with a right signature."""
    return read(token).is_taken and judge(token, [secret], now) == judge_signed(token, now)


def _signed_again(token: str) -> str:
    signed = token.rpartition(".")[0]
    digest = _DIGESTS.get(str(read(token).alg), "sha256")
    signature = hmac.digest(_ANY_KEY.encode(), signed.encode(errors="replace"), digest)
    return f"{signed}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


def judge_by_1_5(token: str, is_signed: bool, now: float) -> Verdict:
    """Return the verdict of anycable-go 1.5.1 (golang-jwt v3): it checks times before the signature, and `iat` too."""
    reading = read(token)
    if not reading.is_taken:
        return Verdict(UNAUTHORIZED, judge_signed(token, now).why)
    claims, second = reading.claims, int(now)
    exp, iat, nbf = (_seconds(claims, name) for name in ("exp", "iat", "nbf"))
    refusals = (
        (exp is None, TOKEN_EXPIRED, "its claim 'exp' is not a number"),
        (exp and second > exp, TOKEN_EXPIRED, "the token has expired"),
        (iat is None, UNAUTHORIZED, "its claim 'iat' is not a number"),
        (iat and second < iat, UNAUTHORIZED, "its claim 'iat' is in the future"),
        (nbf is None, UNAUTHORIZED, "its claim 'nbf' is not a number"),
        (nbf and second < nbf, UNAUTHORIZED, "its claim 'nbf' is in the future"),
        (not is_signed, UNAUTHORIZED, "the token's signature is not right"),
        (not isinstance(claims.get("ext"), str), ERROR, "its claim 'ext' is missing or not a string"),
    )
    verdicts = (Verdict(answer, why) for applies, answer, why in refusals if applies)
    return next(verdicts, Verdict(WELCOME, str(claims.get("ext"))))


def _seconds(claims: Mapping[str, Any], name: str) -> int | None:
    """Return a time as 1.5.1 reads it: 0 for a claim without effect, also a missing one; None for a wrong type."""
    value = claims.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if abs(value) < 2**63 else -(2**63)
