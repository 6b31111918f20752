"""Publishing with a POST to anycable-go's `/_broadcast` (anycable-go `broadcast/http.go`)."""

from __future__ import annotations

import logging

from ..errors import BroadcastFailed
from .http_client import CHECK_SERVER_LOG, COMMON_ADVICE, ErrorTexts, HTTPClient, NoResponse
from .retries import DEADLINE, retry_until

__all__ = ["HTTPBroadcaster"]

_logger = logging.getLogger("anycable_rpc")

_ACCEPTED = (200, 201)

_CHECK_ADDRESS = (
    "is ANYCABLE_HTTP_BROADCAST_URL right? With a key or a secret anycable-go takes broadcasts on its main "
    "port (8080), without one on 8090"
)
_TEXTS = ErrorTexts(
    "broadcasts",
    "ANYCABLE_HTTP_BROADCAST_URL",
    "ANYCABLE_BROADCAST_KEY",
    "http://localhost:8090/_broadcast",
    _CHECK_ADDRESS,
)
_STATUS_ADVICE = COMMON_ADVICE | {
    401: "the keys differ: set the same ANYCABLE_SECRET or ANYCABLE_BROADCAST_KEY on both sides",
    404: "there is no broadcast endpoint: does anycable-go run with --broadcast_adapter=http, and " + _CHECK_ADDRESS,
    422: f"it does not accept this as a broadcast: {_CHECK_ADDRESS}",
    429: "that server accepts fewer broadcasts at a time",
    501: "anycable-go could not pass it to its broker: see anycable-go's log",
}


class HTTPBroadcaster:
    """A broadcaster with kept connections, for any thread, with or without an event loop, also after a fork.

    After a failure that looks like a restart (no connection, 429, 5xx) it tries again until the deadline, so a
    payload may arrive twice. It does not repeat a request that was sent and not answered. TLS certificates are
    verified against the system's authorities, or those in the file that `SSL_CERT_FILE` names.

    Args:
        url: where anycable-go accepts broadcasts, for example `http://localhost:8090/_broadcast`.
        key: sent as `Authorization: Bearer`.
        deadline: seconds that `publish` may take in all (the system may take longer to look up a host).

    Raises:
        ConfigurationError: the URL or the key cannot be used.
    """

    def __init__(self, url: str, key: str | None = None, *, deadline: float = DEADLINE) -> None:
        self._client = HTTPClient(url, key, _TEXTS)
        self.address = self._client.address
        self.deadline = deadline

    def publish(self, payload: str) -> None:
        """Post the payload.

        Raises:
            BroadcastFailed: the payload was not accepted before the deadline. The message says what to check.
        """
        body = payload.encode()
        retry_until(self.deadline, lambda seconds: self._post(body, seconds))
        _logger.debug("published to %s: %s", self.address, payload)

    async def apublish(self, payload: str) -> None:
        """Run `publish` in a thread."""
        import asyncio

        await asyncio.to_thread(self.publish, payload)

    def close(self) -> None:
        """Close the kept connections. The next publication opens new ones."""
        self._client.close()

    def _post(self, body: bytes, seconds: float) -> None:
        try:
            status, _ = self._client.request("POST", self._client.path, body, seconds)
        except NoResponse as error:
            raise self._failed(error.reason, error.is_transient) from None
        if status not in _ACCEPTED:
            advice = _STATUS_ADVICE.get(status, CHECK_SERVER_LOG if status >= 500 else _CHECK_ADDRESS)
            raise self._failed(f"it answered {status}: {advice}", status == 429 or status >= 500)

    def _failed(self, reason: str, transient: bool) -> BroadcastFailed:
        return BroadcastFailed(f"cannot publish to {self.address}: {reason}", self.address, transient)
