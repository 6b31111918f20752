"""URLs and keys of HTTP servers: what a request is sent to, and what errors may show."""

from __future__ import annotations

import re
import ssl
from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import SplitResult, quote, unquote, unquote_to_bytes, urlsplit

from ..errors import ConfigurationError

__all__ = ["ErrorTexts", "Target"]

_PLACE = re.compile(
    r"([\w-]{1,63}(\.[\w-]{1,63})*\.?|\[[0-9a-f.]*:[0-9a-f:.]+(%[\w.-]+)?\])(:[0-9]*)?", re.ASCII | re.IGNORECASE
)
_UNQUOTED = "%/?:@!$&'()*+,;=~"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ErrorTexts:
    """Parts of error sentences: what the URL and the key are for, their variables, an example URL, what to check."""

    purpose: str
    variable: str
    key_variable: str
    example: str
    check: str


@dataclass(frozen=True)
class Target:
    """A server, and the header that identifies us there.

    `address` is the URL as errors may show it: without user and query. `path` has the query.
    """

    address: str
    host: str
    port: int
    is_tls: bool
    path: str
    headers: dict[str, str]

    @property
    def name_in_certificate(self) -> str:
        """The host without the dot of an absolute name, and without the zone of an IPv6 address."""
        return self.host.partition("%")[0].removesuffix(".")

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """The TLS context, or None without TLS. It trusts the system's authorities, or those of `SSL_CERT_FILE`."""
        return ssl.create_default_context() if self.is_tls else None

    @classmethod
    def parse(cls, url: str, key: str | None, texts: ErrorTexts) -> Target:
        """Read a URL and a key.

        Raises:
            ConfigurationError: one of them cannot be used.
        """
        parsed, user = _parse(url, texts)
        return cls(
            address=parsed._replace(query="").geturl(),
            host=unquote(parsed.hostname or ""),  # "%25" stands before the zone of an IPv6 address (RFC 6874)
            port=parsed.port or _PORTS[parsed.scheme],
            is_tls=parsed.scheme == "https",
            path=(parsed.path or "/") + (f"?{parsed.query}" if parsed.query else ""),
            headers={"Host": parsed.netloc, "User-Agent": "anycable_rpc", **_authorization(key, user, texts)},
        )


def _parse(url: str, texts: ErrorTexts) -> tuple[SplitResult, str]:
    """Return the parts of the URL without user and fragment, and the user (with the password)."""
    try:
        parsed = urlsplit(url if url.isascii() else _in_ascii(url))
        port = parsed.port
    except ValueError:
        parsed, port = urlsplit(""), None
    user, _, place = parsed.netloc.rpartition("@")
    if not _PLACE.fullmatch(place) or parsed.scheme not in ("http", "https") or " " in url or not url.isprintable():
        raise ConfigurationError(
            f"the URL for {texts.purpose} is not http://HOST:PORT/PATH or https://…: set "
            f"{texts.variable}, for example to {texts.example}"
        )
    host = parsed.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    place = host if port is None else f"{host}:{port}"
    path, query = quote(parsed.path, _UNQUOTED), quote(parsed.query, _UNQUOTED)
    return parsed._replace(netloc=place, path=path, query=query, fragment=""), user


def _in_ascii(url: str) -> str:
    """Return the URL with the host encoded by IDNA 2008, which needs the package idna.

    Raises:
        ValueError: the string is not a URL, or the package is missing.
    """
    parsed = urlsplit(url)
    if (parsed.hostname or "").isascii():
        return url
    try:
        import idna
    except ModuleNotFoundError:
        raise ValueError("no package for such a host") from None
    host = idna.encode(parsed.hostname or "", uts46=True).decode()
    user, at, place = parsed.netloc.rpartition("@")
    port = place.rpartition(":")[2] if parsed.port is not None else ""
    return parsed._replace(netloc=f"{user}{at}{host}{':' if port else ''}{port}").geturl()


def _authorization(key: str | None, user: str, texts: ErrorTexts) -> dict[str, str]:
    """Return the header with the key, or else with user and password of the URL, which are for a proxy."""
    if key and not (key.isascii() and key.isprintable()):
        raise ConfigurationError(
            f"the key for {texts.purpose} has a character that HTTP cannot carry, perhaps a line break at its end: "
            f"check {texts.key_variable}"
        )
    if key:
        return {"Authorization": f"Bearer {key}"}
    return {"Authorization": f"Basic {b64encode(unquote_to_bytes(user)).decode()}"} if user else {}
