"""The kinds of values that settings have: how each is read from a string, and the error when it cannot be."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints

from ..errors import shorten
from ..protocol.messages import MESSAGE_SIZE

__all__ = [
    "Address",
    "Arguments",
    "Attribute",
    "Broker",
    "Bytes",
    "Count",
    "File",
    "Group",
    "Host",
    "Kind",
    "Length",
    "Level",
    "Lifetime",
    "Names",
    "OptionalParameter",
    "Parameter",
    "Paths",
    "Port",
    "RedisURL",
    "Seconds",
    "Secret",
    "Secrets",
    "Sentinels",
    "ServerURLs",
    "Switch",
    "Text",
    "WebAPI",
    "WebURL",
    "seconds",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: its name in `--help` (empty where a flag takes no value), and its description in an error."""

    name: str
    expected: str
    secret: bool = False
    several: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that stand together in `--help`, and the commands that take them as flags."""

    title: str
    commands: frozenset[str]


_EXAMPLE = "give HOST:PORT, for example 127.0.0.1:50051"
_HOST_NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_IN_BRACKETS = re.compile(r"\[([^\[\]]+)\]")
_PARAMETER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_PATHS = re.compile(r"/[^\s,?#\x00]*(,/[^\s,?#\x00]*)*")
_URL = re.compile(r"https?://[^\s/?#\x00][^\s\x00]*")
_REDIS_URL = re.compile(r"rediss?://[^\s/?#\x00][^\s\x00]*|unix://(?:[^\s/@\x00]*@)?/[^\s\x00]+")
_SENTINEL = r"(?:rediss?://)?(?:[^\s@/,\x00]*@)?(?:[^\s@/,:\[\]\x00]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}/?"
_SENTINELS = re.compile(rf"{_SENTINEL}(?:\s*,\s*{_SENTINEL})*")
_NATS_URLS = re.compile(r"(?:nats|tls|wss?)://[^\s,/?#\x00]+(?:\s*,\s*(?:nats|tls|wss?)://[^\s,/?#\x00]+)*")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_PART = re.compile(rf"({_NUMBER.pattern})([{''.join(_UNITS)}])")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_NO_LIFETIME = "must be seconds above 0, a duration like 90s, 10m or 1h30m, or none, which is for ever"
_LONGEST = 2**31 // 1000  # gRPC counts milliseconds in a C int
_LEVELS = {"warn": "warning", "fatal": "critical"} | {
    level: level for level in ("debug", "info", "warning", "error", "critical")
}


def seconds(text: str) -> float | None:
    """Read a lifetime: seconds, a duration like `90s`, `10m` or `1h30m`, or `none`, which is forever (None).

    Raises:
        ValueError: the string is not one of these, is 0, or is longer than 3000 years.
    """
    if text == "none":
        return None
    if _NUMBER.fullmatch(text):
        total = float(text)
    elif _DURATION.fullmatch(text):
        total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    else:
        raise ValueError(_NO_LIFETIME)
    if total > 1e11:
        raise ValueError("must be less than 3000 years")
    if not total:
        raise ValueError(_NO_LIFETIME)
    return total


def _lifetime(value: Any) -> Any:
    if isinstance(value, str):
        return seconds(value.strip())
    return _no_switch(value)


def _no_switch(value: Any) -> Any:
    """Refuse true and false, which pydantic reads as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


def _address(text: str) -> str:
    if "://" in text:
        raise ValueError(
            f"an address with {shorten(text.split('//')[0])} is for anycable-go, which connects to it; "
            f"this server listens: {_EXAMPLE} (where both read the same variable, give this one --rpc-host)"
        )
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        every = "or 0.0.0.0:50051 to listen on every interface"
        raise ValueError(f"{shorten(text)} is not HOST:PORT: {_EXAMPLE}, {every}")
    if ":" in host and not _IN_BRACKETS.fullmatch(host):
        raise ValueError(f"{shorten(text)} is not HOST:PORT: write IPv6 in brackets, for example [::1]:50051")
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError(f"{shorten(text)} does not end in a port from 0 to 65535: {_EXAMPLE}")
    _host(host)
    return text


def _host(text: str) -> str:
    """Check a name or an IP address, and return it without the brackets of IPv6."""
    brackets = _IN_BRACKETS.fullmatch(text)
    bare = brackets[1] if brackets else text
    if brackets or ":" in bare:
        try:
            IPv6Address(bare)
        except ValueError:
            raise ValueError(f"{shorten(text)} is not an IPv6 address, or has a port") from None
    elif not _HOST_NAME.fullmatch(bare):
        raise ValueError(f"{shorten(text)} is not a host name or an IP address")
    return bare


def _matching(pattern: re.Pattern[str]) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError
        return text

    return AfterValidator(check)


def _level(text: str) -> str:
    if text.lower() not in _LEVELS:
        raise ValueError
    return _LEVELS[text.lower()]


def _json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError("must be valid JSON") from None


def _split_commas(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _one_is_several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _split(items: tuple[str, ...]) -> tuple[str, ...]:
    """Split each item at its commas: a flag may be repeated, and each time name several."""
    return tuple(part for item in items for part in _split_commas(item))


def _secrets(value: Any) -> Any:
    """Split a string at its commas. A list, or a JSON list in a string, stays: its secrets may have commas in them."""
    if isinstance(value, str):
        value = _json(value) if value.lstrip().startswith("[") else _split_commas(value)
    if isinstance(value, list | tuple):
        return [item for item in cast("list[Any]", value) if item != ""]
    return value


def _empty_is_unset(value: Any) -> Any:
    return None if value == "" else value


def _utf8(value: Any) -> Any:
    """Refuse bytes that are not UTF-8, which a variable may have: signing would fail on them later."""
    try:
        return value.encode().decode() if isinstance(value, str) else value
    except UnicodeEncodeError:
        raise ValueError from None


def _argument(value: Any) -> Any:
    """Return a number for a string of digits: a variable cannot hold numbers."""
    if isinstance(value, str) and re.fullmatch("-?[0-9]{1,10}", value):
        return int(value)
    return int(value) if isinstance(value, bool) else value


_Line = Annotated[str, StringConstraints(strip_whitespace=True)]
_Verbatim = Annotated[SecretStr, BeforeValidator(_utf8)]
Text = Annotated[_Line, Kind("NAME", "a string")]
File = Annotated[_Line | None, BeforeValidator(_empty_is_unset), Kind("FILE", "the name of a file")]
Attribute = Annotated[_Line | None, BeforeValidator(_empty_is_unset), Kind("MODULE:ATTR", "module:attr")]
Level = Annotated[_Line, AfterValidator(_level), Kind("LEVEL", "debug, info, warn or error")]
Switch = Annotated[bool, Kind("", "true or false")]
Count = Annotated[
    int, BeforeValidator(_no_switch), Field(ge=1, le=10_000), Kind("NUMBER", "a whole number from 1 to 10000")
]
Length = Annotated[
    int, BeforeValidator(_no_switch), Field(ge=1, le=10**9), Kind("NUMBER", "a whole number from 1 to 1000000000")
]
Bytes = Annotated[
    int,
    BeforeValidator(_no_switch),
    Field(ge=0, lt=2**30),
    AfterValidator(lambda size: size or MESSAGE_SIZE),
    Kind("BYTES", "a number of bytes up to 1073741823; 0 is gRPC's default, 4 MiB"),
]
Seconds = Annotated[
    float,
    BeforeValidator(_no_switch),
    Field(ge=0, le=_LONGEST, allow_inf_nan=False),
    Kind("SECONDS", f"a number of seconds from 0 to {_LONGEST}"),
]
Lifetime = Annotated[
    Annotated[float, Field(gt=0, le=1e11, allow_inf_nan=False)] | None,
    BeforeValidator(_lifetime),
    Kind("SECONDS", "a number of seconds above 0, a duration like 10m, or none, which is for ever"),
]
Address = Annotated[_Line, AfterValidator(_address), Kind("HOST:PORT", "HOST:PORT")]
Host = Annotated[_Line, AfterValidator(_host), Kind("HOST", "a host name or an IP address")]
Port = Annotated[int, BeforeValidator(_no_switch), Field(ge=0, le=65535), Kind("PORT", "a port from 0 to 65535")]
Paths = Annotated[_Line, _matching(_PATHS), Kind("PATH", "a path that begins with /, or several with commas between")]
WebURL = Annotated[
    Annotated[_Line, _matching(_URL)] | None, Kind("URL", "an address like http://localhost:8090/_broadcast")
]
WebAPI = Annotated[Annotated[_Line, _matching(_URL)] | None, Kind("URL", "an address like http://localhost:8080/api")]
RedisURL = Annotated[_Line, _matching(_REDIS_URL), Kind("URL", "an address like redis://localhost:6379")]
Sentinels = Annotated[
    Annotated[_Line, _matching(_SENTINELS)] | None,
    BeforeValidator(_empty_is_unset),
    Kind("HOST:PORT,…", "addresses like localhost:26379, with commas between"),
]
ServerURLs = Annotated[
    _Line, _matching(_NATS_URLS), Kind("URL,…", "addresses like nats://localhost:4222, with commas between")
]
Parameter = Annotated[_Line, _matching(_PARAMETER), Kind("NAME", "a name without spaces")]
OptionalParameter = Annotated[
    Annotated[_Line, _matching(_PARAMETER)] | None,
    BeforeValidator(_empty_is_unset),
    Kind("NAME", "a name without spaces"),
]
Engine = Annotated[_Line, _matching(re.compile("grpcio|asyncio")), Kind("NAME", "grpcio or asyncio")]
Broker = Annotated[
    Annotated[_Line, _matching(re.compile("memory|nats|none"))] | None,
    BeforeValidator(_empty_is_unset),
    Kind("NAME", "memory or none (or nats, which is for anycable-go alone)"),
]
Names = Annotated[
    tuple[_Line, ...],
    BeforeValidator(_one_is_several),
    AfterValidator(_split),
    Kind("A,B,…", "names with commas between", several=True),
]
Secret = Annotated[_Verbatim | None, BeforeValidator(_empty_is_unset), Kind("KEY", "a string", secret=True)]
Secrets = Annotated[
    tuple[_Verbatim, ...],
    BeforeValidator(_secrets),
    Kind("KEY", "a string or a list of strings", secret=True, several=True),
]
Arguments = Annotated[
    dict[str, Annotated[int | str, BeforeValidator(_argument)]],
    BeforeValidator(_json),
    Kind("JSON", "an object with numbers and strings"),
]
