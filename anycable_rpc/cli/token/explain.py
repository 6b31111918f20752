"""A token explained: its content, who has signed it, and how anycable-go answers to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from ...errors import ConfigurationError, InvalidData
from ...identity.dialects import DIALECTS
from ...identity.identifiers import IdentifiersCodec
from . import verdicts
from .verdicts import Reading, Verdict
from .wording import MAX_NAMES, as_json, kind, listed, moment, shown

if TYPE_CHECKING:
    from ...settings.model import Settings

__all__ = ["CURRENT", "OLD", "UNUSED", "Explanation", "Key", "explain", "keys_of"]

CURRENT, OLD, UNUSED = "current", "old", "unused"
"""The roles of a key: anycable-go should have it, it verifies here alone, it does not verify at all."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_ANSWERS = {
    verdicts.WELCOME: "welcome, with these identifiers; Connect is not called",
    verdicts.UNAUTHORIZED: "unauthorized; the client must not reconnect",
    verdicts.TOKEN_EXPIRED: "token_expired; the client may fetch a new token and reconnect",
    verdicts.ERROR: "close code 1011 without a message, so the client cannot know why",
}
_HINTS = (
    ("://", "It looks like a URL: give the value of its parameter, jid, alone."),
    ("jid=", "It has the name of the parameter: give the value alone."),
    ("Bearer ", "It begins with the word Bearer: give what follows."),
    ('"', "There are quotes around it: take them off."),
    (" ", "There is a space in it."),
)
"""Marks and hints; the first mark that is in the token counts."""


@dataclass(frozen=True, slots=True)
class Key:
    """A secret, and a name that may be printed."""

    name: str
    secret: str
    role: str = CURRENT


@dataclass(frozen=True, slots=True)
class Explanation:
    """Titles with their lines, and whether anycable-go 1.6 would accept the token."""

    rows: Mapping[str, Sequence[str]]
    is_welcome: bool

    def __str__(self) -> str:
        width = max(map(len, self.rows))
        cells = ((title * (not place), line) for title, lines in self.rows.items() for place, line in enumerate(lines))
        return "\n".join(f"{title:{width}}  {line}" for title, line in cells)


def keys_of(settings: Settings) -> tuple[Key, ...]:
    """Return the secrets of the settings, and those that do not count but explain a wrong signature."""
    secrets = settings.keys.jwt_verifying
    if not secrets:
        return ()
    name = "jwt_secret" if settings.jwt_secret else "secret"
    keys = [Key(name, secrets[0]), *(Key(f"old secret {n}", old, OLD) for n, old in enumerate(secrets[1:], 1))]
    general = settings.secret.get_secret_value() if settings.secret else ""
    if settings.jwt_secret and general:
        keys.append(Key("secret, which does not count, because there is a jwt_secret", general, UNUSED))
    if bare := secrets[0].strip():
        keys.append(Key(f"{name} without the white space around it", bare, UNUSED))
    return tuple(keys)


def explain(token: str, keys: Sequence[Key], now: float, codec: IdentifiersCodec | None = None) -> Explanation:
    """Explain a token.

    Args:
        token: any string.
        keys: the secrets that may have signed it; without one the signature is not checked.
        now: epoch seconds.
        codec: the codec of the app, if it is known.
    """
    reading = verdicts.read(token)
    signer = next((key for key in keys if verdicts.is_signed_by(token, key.secret, now)), None)
    newer = _newer(token, keys, now)
    rows = {
        "token": _problem(token, reading),
        "algorithm": _algorithm(reading),
        "signature": _signature(reading, signer, keys),
        "expires": _time(reading, "exp", now) or _never(reading),
        "not before": _time(reading, "nbf", now),
        "identifiers": tuple(_identifiers(reading, codec)),
        "ignored": _ignored(reading),
        "anycable-go": () if keys else ("without a secret it asks Connect, whatever the token; with the right one:",),
        "anycable-go 1.6": (_answer(newer),),
        "anycable-go 1.5.1": (_older(token, not keys or _is_current(signer), now, newer),),
        "Connect, dev": _here(token, keys, signer, now),
    }
    return Explanation({title: lines for title, lines in rows.items() if lines}, newer.answer == verdicts.WELCOME)


def _newer(token: str, keys: Sequence[Key], now: float) -> Verdict:
    current = [key.secret for key in keys if key.role == CURRENT]
    return verdicts.judge(token, current, now) if current else verdicts.judge_signed(token, now)


def _is_current(signer: Key | None) -> bool:
    return signer is not None and signer.role == CURRENT


def _older(token: str, is_signed: bool, now: float, newer: Verdict) -> str:
    verdict = verdicts.judge_by_1_5(token, is_signed, now)
    return "the same" if verdict.answer == newer.answer else _answer(verdict)


def _answer(verdict: Verdict) -> str:
    why = "" if verdict.answer == verdicts.WELCOME else f" ({verdict.why})"
    return _ANSWERS[verdict.answer] + why


def _here(token: str, keys: Sequence[Key], signer: Key | None, now: float) -> tuple[str, ...]:
    """Return the answer of RPC Connect and of the gateway of `dev`, if old secrets make a difference."""
    if signer is None or signer.role != OLD:
        return ()
    verdict = verdicts.judge(token, [key.secret for key in keys if key.role != UNUSED], now)
    answer = "welcome" if verdict.answer == verdicts.WELCOME else _answer(verdict)
    return (f"{answer}: they accept old secrets too; anycable-go has one secret, and must still have the old one",)


def _problem(token: str, reading: Reading) -> tuple[str, ...]:
    if not reading.problem:
        return ()
    hints = [hint for mark, hint in _HINTS if mark in token][:1]
    if token.count(".") == 4:
        hints = ["Five segments make an encrypted token (JWE), which anycable-go does not read."]
    return (f"{len(token)} characters that are no token: {reading.problem}", *hints)


def _algorithm(reading: Reading) -> tuple[str, ...]:
    if reading.is_known_alg:
        return (f"{reading.alg}, which anycable-go takes",)
    if "alg" not in reading.header:
        return () if reading.problem else ("none is named: the header has no alg",)
    return (f"{as_json(reading.alg)}, which anycable-go refuses: it takes HS256, HS384 and HS512",)


def _signature(reading: Reading, signer: Key | None, keys: Sequence[Key]) -> tuple[str, ...]:
    if not reading.is_taken:
        return ()
    if not keys:
        return ("not checked: there is no secret (set ANYCABLE_SECRET or ANYCABLE_JWT_SECRET), or it is none",)
    if signer:
        return (f"made with {signer.name}",)
    tried = ", ".join(key.name for key in keys if key.role != UNUSED)
    return (f"made with none of the secrets here ({tried}): its issuer has another one",)


def _never(reading: Reading) -> tuple[str, ...]:
    return () if reading.problem else ("never: there is no claim exp",)


def _time(reading: Reading, name: str, now: float) -> tuple[str, ...]:
    if reading.problem or name not in reading.claims:
        return ()
    value = reading.claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return (f"the claim {name} is {kind(value)}, not a number",)
    return moment(value, now) if value else (f"{name} is 0, which has no effect",)


def _ignored(reading: Reading) -> tuple[str, ...]:
    """List what anycable-go ignores: names only, since values may be anything."""
    groups = {
        "in the header": [name for name in reading.header if name != "alg"],
        "claims": [name for name in reading.claims if name not in ("ext", "exp", "nbf")],
    }
    return tuple(f"{title}: {listed(names)}" for title, names in groups.items() if names)


def _identifiers(reading: Reading, codec: IdentifiersCodec | None) -> Iterator[str]:
    if reading.problem:
        return
    ext = reading.claims.get("ext")
    if not isinstance(ext, str):
        yield f"none: the claim ext is {kind(ext)}" if "ext" in reading.claims else "none: there is no claim ext"
        yield "Identifiers are a JSON string in the claim ext, as in {'ext': json.dumps({'user_id': 42})}."
        return
    ext = _SURROGATE.sub("\ufffd", ext)
    yield shown(ext)
    try:
        identifiers = IdentifiersCodec().loads(ext)  # not the app's, which may look objects up
    except InvalidData as error:
        yield f"{error}: anycable-go does not mind, but the app cannot read them, and each command will fail"
        return
    yield from islice((f"{shown(name, 60)} = {as_json(value)}" for name, value in identifiers.items()), MAX_NAMES)
    if len(identifiers) > MAX_NAMES:
        yield f"… and {len(identifiers) - MAX_NAMES} more"
    yield from _fit(identifiers, codec) if codec else ()
    yield from _bytes(ext, identifiers, codec)


def _fit(identifiers: Mapping[str, Any], codec: IdentifiersCodec) -> Iterator[str]:
    missing = [name for name in codec.names if name not in identifiers]
    unknown = [name for name in identifiers if name not in codec.names]
    if missing:
        yield f"Missing: {listed(missing)}. The app declares it, and reading it will be an error."
    if unknown:
        yield f"Unknown: {listed(unknown)}. The app does not declare it; it is in connection.identifiers only."
    if not missing and not unknown:
        yield "The names are those that the app declares."


def _bytes(ext: str, identifiers: Mapping[str, Any], codec: IdentifiersCodec | None) -> Iterator[str]:
    """Say whether a remote disconnect would name the same bytes."""
    try:
        own = (codec or IdentifiersCodec(identifiers)).dumps(identifiers)
    except (InvalidData, ConfigurationError) as error:
        yield f"cable.disconnect(…) cannot name them: {shown(str(error))}"
        return
    whose = "the app" if codec else "IdentifiersCodec"
    if own == ext:
        yield f"Byte for byte what {whose} writes: cable.disconnect(…) reaches the client."
        return
    differences = (n for n, (one, other) in enumerate(zip(own, ext, strict=False)) if one != other)
    place = next(differences, min(len(own), len(ext)))
    yield f"Not what {whose} writes, from character {place + 1} on, so cable.disconnect(…) would miss the client:"
    width = len(whose)
    yield f"{'token':{width}}  {shown(ext, around=place)}"
    yield f"{whose}  {shown(own, around=place)}"
    dialects = _dialects(ext, identifiers, codec.names if codec else tuple(identifiers))
    if dialects:
        yield f"Cable(…, dialect={' or '.join(map(repr, dialects))}) would write what is in the token."


def _dialects(ext: str, identifiers: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return the dialects that write the same string."""
    found: list[str] = []
    for dialect in DIALECTS:
        with suppress(InvalidData):
            if IdentifiersCodec(names, dialect=dialect).dumps(identifiers) == ext:
                found.append(dialect)
    return found
