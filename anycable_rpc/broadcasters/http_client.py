"""Requests to one server over kept connections, from any thread, with or without an event loop, also after a fork."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

from ..errors import ConfigurationError
from . import tls_errors

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool
    from urllib3.exceptions import HTTPError

__all__ = ["CHECK_SERVER_LOG", "COMMON_ADVICE", "ErrorTexts", "HTTPClient", "NoResponse"]

CHECK_SERVER_LOG = "see the log of that server"
_REDIRECT = "it redirects, and redirects are not followed: set the URL to where the server really is"
COMMON_ADVICE = {
    400: "is the URL right? For a port with TLS it begins with https://",
    **dict.fromkeys((301, 302, 303, 307, 308), _REDIRECT),
}
"""Advice by status that fits every request."""

_KEPT_CONNECTIONS = 32
_ERRORS = (
    ("ReadTimeoutError", "no answer in time: it may or may not have arrived; see anycable-go's log", False),
    ("NameResolutionError", "no such host: is {variable} right?", True),
    ("NewConnectionError", "no connection: is anycable-go running, and {check}", True),
    ("ConnectTimeoutError", "no connection in time: is anycable-go reachable, and {check}", True),
    (
        "HTTPError",
        "the connection broke: see the log of that server (with TLS the URL in {variable} begins with https://)",
        True,
    ),
)
"""Classes of `urllib3.exceptions`, by name, since urllib3 is loaded late. The first that matches counts.

Beside each: what went wrong, and whether the same request may work later.
"""

_PLACE = re.compile(
    r"([\w-]{1,63}(\.[\w-]{1,63})*\.?|\[[0-9a-f.]*:[0-9a-f:.]+(%[\w.-]+)?\])(:[0-9]*)?", re.ASCII | re.IGNORECASE
)
_UNQUOTED = "%/?:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class ErrorTexts:
    """Parts of error sentences: what the URL and the key are for, their variables, an example URL, what to check."""

    purpose: str
    variable: str
    key_variable: str
    example: str
    check: str


class NoResponse(Exception):
    """A request got no response. If `is_transient`, the same request may work later."""

    def __init__(self, reason: str, is_transient: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_transient = is_transient


class HTTPClient:
    """A client of one server. TLS certificates are verified against the system's authorities or `SSL_CERT_FILE`.

    The first request loads urllib3. A program that only serves calls never loads it.

    Args:
        url: where the server is.
        key: sent as `Authorization: Bearer`.
        texts: parts of the error sentences.

    Raises:
        ConfigurationError: the URL or the key cannot be used.
    """

    def __init__(self, url: str, key: str | None, texts: ErrorTexts) -> None:
        parsed, user = _parse(url, texts)
        self.address = parsed._replace(query="").geturl()
        self.path = (parsed.path or "/") + (f"?{parsed.query}" if parsed.query else "")
        self._texts = texts
        self._headers = {"Content-Type": "application/json", **_authorization(key, user, texts)}
        self._owned: tuple[int, HTTPConnectionPool] | None = None

    def request(self, method: str, path: str, body: bytes | None, seconds: float, limit: int = 0) -> tuple[int, bytes]:
        """Return the status, and at most `limit` bytes of the body.

        Raises:
            NoResponse: the server did not answer.
        """
        from urllib3.exceptions import HTTPError

        try:
            return self._exchange(method, path, body, seconds, limit)
        except HTTPError as error:
            reason, is_transient = _describe(error)
            reason = reason.format(variable=self._texts.variable, check=self._texts.check)
            raise NoResponse(reason, is_transient) from error

    def close(self) -> None:
        """Close the kept connections. The next request opens new ones."""
        owned, self._owned = self._owned, None
        if owned and owned[0] == os.getpid():
            owned[1].close()

    def _exchange(self, method: str, path: str, body: bytes | None, seconds: float, limit: int) -> tuple[int, bytes]:
        from urllib3 import Timeout

        timeout = Timeout(total=max(seconds, 0.001))
        response = self._pool.request(
            method, path, body=body, headers=self._headers, timeout=timeout, retries=False, preload_content=False
        )
        content = response.read(limit) if limit else b""
        if response.length_remaining == 0:
            response.read()  # gives the connection back to the pool
        else:
            response.close()  # the rest is not needed and could be endless
        return response.status, content

    @property
    def _pool(self) -> HTTPConnectionPool:
        owned = self._owned
        if owned is None or owned[0] != os.getpid():  # a forked child must not write into its parent's connections
            from urllib3 import connection_from_url

            self._owned = owned = os.getpid(), connection_from_url(self.address, maxsize=_KEPT_CONNECTIONS)
        return owned[1]


def _describe(error: HTTPError) -> tuple[str, bool]:
    """Return what went wrong, and whether the same request may work later."""
    from urllib3 import exceptions

    about_tls = tls_errors.explain(error)
    if about_tls:
        return about_tls, False
    return next(row[1:] for row in _ERRORS if isinstance(error, getattr(exceptions, row[0])))


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
    """Return the URL as urllib3 writes it, with the host encoded by IDNA 2008.

    Raises:
        ValueError: the string is not a URL.
    """
    from urllib3.util import parse_url

    return parse_url(url).url


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
