"""Publishes with a POST to anycable-go's `/_broadcast` (anycable-go `broadcast/http.go`)."""

from __future__ import annotations

import logging
import os
from base64 import b64encode
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

from ..errors import BroadcastFailed, ConfigurationError
from .retries import DEADLINE, insist

__all__ = ["HTTPBroadcaster"]

_logger = logging.getLogger("anycable_rpc")

_ACCEPTED = (200, 201)
_KEPT_CONNECTIONS = 32

_CHECK_ADDRESS = (
    "is ANYCABLE_HTTP_BROADCAST_URL right? With a key or a secret anycable-go takes broadcasts on its main "
    "port (8080), without one on 8090"
)
_SEE_LOG = "see the log of the server there"
_STATUS_ADVICE = {
    401: "the keys differ: set the same ANYCABLE_SECRET or ANYCABLE_BROADCAST_KEY on both sides",
    404: "nothing takes broadcasts there: does anycable-go run with --broadcast_adapter=http, and " + _CHECK_ADDRESS,
    422: f"it does not take this for a broadcast: {_CHECK_ADDRESS}",
    429: "the server there wants fewer broadcasts",
    501: "anycable-go could not hand it to its broker: see anycable-go's log",
}
_ERRORS: tuple[tuple[type[HTTPError], str, bool], ...] = (
    (
        SSLError,
        "no trusted TLS connection: does it speak https, and does SSL_CERT_FILE name the authority of its certificate?",
        False,
    ),
    (ReadTimeoutError, "no answer in time: it may or may not have arrived; see anycable-go's log", False),
    (NameResolutionError, "no such host: is ANYCABLE_HTTP_BROADCAST_URL right?", True),
    (NewConnectionError, f"no connection: is anycable-go running, and {_CHECK_ADDRESS}", True),
    (ConnectTimeoutError, f"no connection in time: is anycable-go reachable, and {_CHECK_ADDRESS}", True),
    (HTTPError, f"the connection broke: {_SEE_LOG}", True),
)
"""What went wrong, in words, and whether the same may work later; the first that fits counts."""


class HTTPBroadcaster:
    """Publishes over kept connections, from any thread, with or without an event loop, also after a fork.

    What looks like a restart (no connection, 429, 5xx) is tried again until the deadline, so a payload may
    arrive twice; one that was sent and not answered is not. TLS certificates are verified against the
    system's authorities, or those in the file that `SSL_CERT_FILE` names.

    Args:
        url: where anycable-go takes broadcasts, for example `http://localhost:8090/_broadcast`.
        key: sent as `Authorization: Bearer`.
        deadline: seconds that `publish` may take in all (the system may take longer to look up a host).

    Raises:
        ConfigurationError: the URL or the key cannot be used.
    """

    def __init__(self, url: str, key: str | None = None, *, deadline: float = DEADLINE) -> None:
        parsed = _parse(url)
        self.address = parsed._replace(auth=None, query=None, fragment=None).url
        self.deadline = deadline
        self._path = parsed.request_uri
        self._headers = {"Content-Type": "application/json", **_authorization(key, parsed.auth)}
        self._owned = self._new_pool()

    def publish(self, payload: str) -> None:
        """Post the payload.

        Raises:
            BroadcastFailed: it was not accepted before the deadline; the text says what to check.
        """
        body = payload.encode()
        insist(lambda seconds: self._post(body, seconds), self.deadline)
        _logger.debug("published to %s: %s", self.address, payload)

    async def apublish(self, payload: str) -> None:
        """`publish` in a thread."""
        import asyncio

        await asyncio.to_thread(self.publish, payload)

    def close(self) -> None:
        """Close the kept connections; publishing again opens new ones."""
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

    def _post(self, body: bytes, seconds: float) -> None:
        try:
            status = self._request(body, seconds)
        except HTTPError as error:
            said, transient = next(row[1:] for row in _ERRORS if isinstance(error, row[0]))
            raise self._failed(said, transient) from error
        if status not in _ACCEPTED:
            advice = _STATUS_ADVICE.get(status, _SEE_LOG if status >= 500 else _CHECK_ADDRESS)
            raise self._failed(f"it answered {status}: {advice}", status == 429 or status >= 500)

    def _request(self, body: bytes, seconds: float) -> int:
        response = self._pool.request(
            "POST",
            self._path,
            body=body,
            headers=self._headers,
            timeout=Timeout(total=max(seconds, 0.001)),
            retries=False,
            preload_content=False,
        )
        if response.length_remaining == 0:
            response.read()  # gives the connection back
        else:
            response.close()  # a body could be endless, and nobody needs it
        return response.status

    def _failed(self, said: str, transient: bool) -> BroadcastFailed:
        return BroadcastFailed(f"cannot publish to {self.address}: {said}", self.address, transient)


def _parse(url: str) -> Url:
    try:
        parsed = parse_url(url)
        (parsed.host or "").encode("idna")
    except (LocationParseError, UnicodeError):
        parsed = Url()
    if parsed.scheme not in ("http", "https") or not parsed.host or " " in url or not url.isprintable():
        raise ConfigurationError(
            "the URL for broadcasts is not http://HOST:PORT/PATH or https://…: set "
            "ANYCABLE_HTTP_BROADCAST_URL, for example to http://localhost:8090/_broadcast"
        )
    return parsed


def _authorization(key: str | None, user: str | None) -> dict[str, str]:
    """The key; without one, the user and password of the URL, for a proxy."""
    if key and not (key.isascii() and key.isprintable()):
        raise ConfigurationError(
            "the broadcast key has a character that HTTP cannot carry, perhaps a line break at its end: "
            "check ANYCABLE_BROADCAST_KEY"
        )
    if key:
        return {"Authorization": f"Bearer {key}"}
    return {"Authorization": f"Basic {b64encode(unquote_to_bytes(user)).decode()}"} if user else {}
