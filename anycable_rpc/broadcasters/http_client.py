"""Requests to one server over kept connections, from any thread, with or without an event loop, also after a fork."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

__all__ = ["COMMON_ADVICE", "SEE_LOG", "HTTPClient", "NoAnswer", "Wording"]

SEE_LOG = "see the log of the server there"
_ELSEWHERE = "it sends elsewhere, and that is not followed: set the URL to where the server really is"
COMMON_ADVICE = {
    400: "is the URL right? For a port with TLS it begins with https://",
    **dict.fromkeys((301, 302, 303, 307, 308), _ELSEWHERE),
}
"""What to do about a status, whatever was asked for."""

_PLACE = re.compile(
    r"([\w-]{1,63}(\.[\w-]{1,63})*\.?|\[[0-9a-f.]*:[0-9a-f:.]+(%[\w.-]+)?\])(:[0-9]*)?", re.ASCII | re.IGNORECASE
)
_UNQUOTED = "%/?:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class Wording:
    """What errors say: what the URL and the key are for, which variables set them, an example, what to check."""

    purpose: str
    variable: str
    key_variable: str
    example: str
    check: str


class NoAnswer(Exception):
    """There is none: what went wrong, and whether the same may work later."""

    def __init__(self, said: str, is_transient: bool) -> None:
        super().__init__(said)
        self.said = said
        self.is_transient = is_transient


class HTTPClient:
    """One server. TLS certificates are verified against the system's authorities, or those in `SSL_CERT_FILE`.

    urllib3 is loaded with the first request: a program that only serves calls does without.

    Args:
        url: where the server is.
        key: sent as `Authorization: Bearer`.
        wording: for errors.

    Raises:
        ConfigurationError: the URL or the key cannot be used.
    """

    def __init__(self, url: str, key: str | None, wording: Wording) -> None:
        parsed, user = _parse(url, wording)
        self.address = parsed._replace(query="").geturl()
        self.path = (parsed.path or "/") + (f"?{parsed.query}" if parsed.query else "")
        self._wording = wording
        self._headers = {"Content-Type": "application/json", **_authorization(key, user, wording)}
        self._owned: tuple[int, HTTPConnectionPool] | None = None

    def request(self, method: str, path: str, body: bytes | None, seconds: float, limit: int = 0) -> tuple[int, bytes]:
        """The status, and the body up to so many bytes.

        Raises:
            NoAnswer: there is none.
        """
        from . import http_pool

        try:
            return http_pool.exchange(self._pool, method, path, body, self._headers, seconds, limit)
        except http_pool.HTTPError as error:
            said, is_transient = http_pool.explain(error)
            raise NoAnswer(
                said.format(variable=self._wording.variable, check=self._wording.check), is_transient
            ) from error

    def close(self) -> None:
        """Close the kept connections; the next request opens new ones."""
        owned, self._owned = self._owned, None
        if owned and owned[0] == os.getpid():
            owned[1].close()

    @property
    def _pool(self) -> HTTPConnectionPool:
        owned = self._owned
        if owned is None or owned[0] != os.getpid():  # a forked child must not write into its parent's connections
            from .http_pool import pool

            self._owned = owned = os.getpid(), pool(self.address)
        return owned[1]


def _parse(url: str, wording: Wording) -> tuple[SplitResult, str]:
    """Its parts, without the user and the fragment, and the user."""
    try:
        parsed = urlsplit(url if url.isascii() else _in_ascii(url))
        port = parsed.port
    except ValueError:
        parsed, port = urlsplit(""), None
    user, _, place = parsed.netloc.rpartition("@")
    if not _PLACE.fullmatch(place) or parsed.scheme not in ("http", "https") or " " in url or not url.isprintable():
        raise ConfigurationError(
            f"the URL for {wording.purpose} is not http://HOST:PORT/PATH or https://…: set "
            f"{wording.variable}, for example to {wording.example}"
        )
    host = parsed.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    place = host if port is None else f"{host}:{port}"
    path, query = quote(parsed.path, _UNQUOTED), quote(parsed.query, _UNQUOTED)
    return parsed._replace(netloc=place, path=path, query=query, fragment=""), user


def _in_ascii(url: str) -> str:
    """As urllib3 writes it, with the host by IDNA 2008.

    Raises:
        ValueError: it is no URL.
    """
    from urllib3.util import parse_url

    return parse_url(url).url


def _authorization(key: str | None, user: str, wording: Wording) -> dict[str, str]:
    """The key; without one, the user and password of the URL, for a proxy."""
    if key and not (key.isascii() and key.isprintable()):
        raise ConfigurationError(
            f"the key for {wording.purpose} has a character that HTTP cannot carry, perhaps a line break at its end: "
            f"check {wording.key_variable}"
        )
    if key:
        return {"Authorization": f"Bearer {key}"}
    return {"Authorization": f"Basic {b64encode(unquote_to_bytes(user)).decode()}"} if user else {}
