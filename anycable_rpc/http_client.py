"""Requests to one server over kept connections, from any thread, with or without an event loop, also after a fork."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from urllib3 import HTTPConnectionPool, Timeout, connection_from_url
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Url, parse_url

from .errors import ConfigurationError

__all__ = ["SEE_LOG", "HTTPClient", "Wording"]

SEE_LOG = "see the log of the server there"

_KEPT_CONNECTIONS = 32
_ERRORS: tuple[tuple[type[HTTPError], str, bool], ...] = (
    (
        SSLError,
        "no trusted TLS connection: does it speak https, and does SSL_CERT_FILE name the authority of its certificate?",
        False,
    ),
    (ReadTimeoutError, "no answer in time: it may or may not have arrived; see anycable-go's log", False),
    (NameResolutionError, "no such host: is {variable} right?", True),
    (NewConnectionError, "no connection: is anycable-go running, and {check}", True),
    (ConnectTimeoutError, "no connection in time: is anycable-go reachable, and {check}", True),
    (HTTPError, f"the connection broke: {SEE_LOG}", True),
)
"""What went wrong, in words, and whether the same may work later; the first that fits counts."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What errors say: what the URL and the key are for, which variables set them, an example, what to check."""

    purpose: str
    variable: str
    key_variable: str
    example: str
    check: str


class HTTPClient:
    """One server. TLS certificates are verified against the system's authorities, or those in `SSL_CERT_FILE`.

    Args:
        url: where the server is.
        key: sent as `Authorization: Bearer`.
        wording: for errors.

    Raises:
        ConfigurationError: the URL or the key cannot be used.
    """

    def __init__(self, url: str, key: str | None, wording: Wording) -> None:
        parsed = _parse(url, wording)
        self.address = parsed._replace(auth=None, query=None, fragment=None).url
        self.path = parsed.request_uri
        self._wording = wording
        self._headers = {"Content-Type": "application/json", **_authorization(key, parsed.auth, wording)}
        self._owned = self._new_pool()

    def request(self, method: str, path: str, body: bytes | None, seconds: float, limit: int = 0) -> tuple[int, bytes]:
        """The status, and the body up to so many bytes.

        Raises:
            HTTPError: there is no answer; see `explain`.
        """
        response = self._pool.request(
            method,
            path,
            body=body,
            headers=self._headers,
            timeout=Timeout(total=max(seconds, 0.001)),
            retries=False,
            preload_content=False,
        )
        content = response.read(limit) if limit else b""
        if response.length_remaining == 0:
            response.read()  # gives the connection back
        else:
            response.close()  # the rest could be endless, and nobody needs it
        return response.status, content

    def explain(self, error: HTTPError) -> tuple[str, bool]:
        """What went wrong, and whether the same may work later."""
        said, transient = next(row[1:] for row in _ERRORS if isinstance(error, row[0]))
        return said.format(variable=self._wording.variable, check=self._wording.check), transient

    def close(self) -> None:
        """Close the kept connections; the next request opens new ones."""
        pool = self._pool
        self._owned = self._new_pool()
        pool.close()

    @property
    def _pool(self) -> HTTPConnectionPool:
        if self._owned[0] != os.getpid():  # a forked child must not write into its parent's connections
            self._owned = self._new_pool()
        return self._owned[1]

    def _new_pool(self) -> tuple[int, HTTPConnectionPool]:
        return os.getpid(), connection_from_url(self.address, maxsize=_KEPT_CONNECTIONS)


def _parse(url: str, wording: Wording) -> Url:
    try:
        parsed = parse_url(url)
        (parsed.host or "").encode("idna")
    except (LocationParseError, UnicodeError):
        parsed = Url()
    if parsed.scheme not in ("http", "https") or not parsed.host or " " in url or not url.isprintable():
        raise ConfigurationError(
            f"the URL for {wording.purpose} is not http://HOST:PORT/PATH or https://…: set "
            f"{wording.variable}, for example to {wording.example}"
        )
    return parsed


def _authorization(key: str | None, user: str | None, wording: Wording) -> dict[str, str]:
    """The key; without one, the user and password of the URL, for a proxy."""
    if key and not (key.isascii() and key.isprintable()):
        raise ConfigurationError(
            f"the key for {wording.purpose} has a character that HTTP cannot carry, perhaps a line break at its end: "
            f"check {wording.key_variable}"
        )
    if key:
        return {"Authorization": f"Bearer {key}"}
    return {"Authorization": f"Basic {b64encode(unquote_to_bytes(user)).decode()}"} if user else {}
