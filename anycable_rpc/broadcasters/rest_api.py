"""anycable-go's REST API (1.6 and later, `api/server.go`): publishing, and the members of a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..errors import BroadcastFailed, InvalidData, RequestFailed
from ..protocol import json_text
from ..protocol.messages import stream_name
from .http_client import CHECK_SERVER_LOG, COMMON_ADVICE, ErrorTexts, HTTPClient, NoResponse
from .retries import DEADLINE, retry_until

__all__ = ["Presence", "PresenceRecord", "RestAPI"]

_MAX_BODY = 16 * 2**20
"""Bytes of a response that are read: more than 100,000 records."""

_CHECK = "is ANYCABLE_API_URL right? It is on anycable-go's main port (8080), unless --api_port says another"
_TEXTS = ErrorTexts("the REST API", "ANYCABLE_API_URL", "ANYCABLE_API_SECRET", "http://localhost:8080/api", _CHECK)
_ADVICE = COMMON_ADVICE | {
    401: "the keys differ: set the same ANYCABLE_SECRET or ANYCABLE_API_SECRET on both sides",
    404: "there is no API: does anycable-go (1.6 or later) run with a secret or --api_secret, and " + _CHECK,
}
_OF_PRESENCE = _ADVICE | {501: "it keeps no presence: run anycable-go with --broker=memory or --presets=broker"}
_OF_PUBLISHING = _ADVICE | {
    413: "it is too large for that server",
    422: f"it does not accept this as a broadcast: {_CHECK}",
    429: "that server accepts fewer broadcasts at a time",
    501: "anycable-go could not pass it to its broker: see anycable-go's log",
}


@dataclass(frozen=True, slots=True)
class PresenceRecord:
    """A member of a stream: the id that joined, and the info given with it, a JSON value."""

    id: str
    info: Any = None


@dataclass(frozen=True, slots=True)
class Presence:
    """The members of a stream, in no order."""

    total: int
    records: tuple[PresenceRecord, ...] = ()


class RestAPI:
    """A client with kept connections, for any thread, with or without an event loop, also after a fork.

    It is a broadcaster too, for programs that can reach only the API: `Cable(…, broadcaster=RestAPI(url, key))`.

    Args:
        url: the address of the API, for example `http://localhost:8080/api`.
        key: sent as `Authorization: Bearer`.
        deadline: seconds that a call may take in all.

    Raises:
        ConfigurationError: the URL or the key cannot be used.
    """

    def __init__(self, url: str, key: str | None = None, *, deadline: float = DEADLINE) -> None:
        self._client = HTTPClient(url.rstrip("/"), key, _TEXTS)
        self.address = self._client.address
        self.deadline = deadline

    def publish(self, payload: str) -> None:
        """Post a payload: the JSON text of a publication, of an array of publications, or of a remote command.

        Raises:
            BroadcastFailed: the payload was not accepted before the deadline. The message says what to check.
        """
        body = payload.encode()
        retry_until(self.deadline, lambda seconds: self._post(body, seconds))

    async def apublish(self, payload: str) -> None:
        """Run `publish` in a thread."""
        import asyncio

        await asyncio.to_thread(self.publish, payload)

    def presence(self, stream: str) -> Presence:
        """Return the members of the stream.

        Raises:
            InvalidData: the name of the stream is empty, or has a slash, which the path of the API cannot carry.
            RequestFailed: there was no valid response before the deadline. The message says what to check.
        """
        if "/" in stream_name(stream):
            raise InvalidData(f"the REST API cannot be asked about {stream!r}: the stream name has a slash")
        path = f"{self._client.path}/presence/{quote(stream, safe='')}/users"
        bodies: list[bytes] = []
        retry_until(self.deadline, lambda seconds: bodies.append(self._get(path, seconds)))
        return self._read(bodies[0])

    def close(self) -> None:
        """Close the kept connections. The next request opens new ones."""
        self._client.close()

    def _get(self, path: str, seconds: float) -> bytes:
        try:
            status, body = self._client.request("GET", path, None, seconds, _MAX_BODY)
        except NoResponse as error:
            raise self._failed(error.reason, error.is_transient) from None
        if status != 200:
            raise self._failed(*_refused(status, _OF_PRESENCE))
        return body

    def _post(self, body: bytes, seconds: float) -> None:
        try:
            status, _ = self._client.request("POST", f"{self._client.path}/publish", body, seconds)
        except NoResponse as error:
            raise self._not_published(error.reason, error.is_transient) from None
        if status not in (200, 201):
            raise self._not_published(*_refused(status, _OF_PUBLISHING))

    def _read(self, body: bytes) -> Presence:
        try:
            value = json_text.loads(body.decode())
            records = tuple(
                PresenceRecord(_string(item["id"]), item.get("info")) for item in value.get("records") or ()
            )
            return Presence(_count(value["total"]), records)
        except (InvalidData, UnicodeDecodeError, AttributeError, KeyError, TypeError):
            raise self._failed(f"its answer is not that of the API: {_CHECK}", False) from None

    def _failed(self, reason: str, transient: bool) -> RequestFailed:
        return RequestFailed(f"cannot ask {self.address}: {reason}", self.address, transient)

    def _not_published(self, reason: str, transient: bool) -> BroadcastFailed:
        return BroadcastFailed(f"cannot publish to {self.address}: {reason}", self.address, transient)


def _refused(status: int, advice: Mapping[int, str]) -> tuple[str, bool]:
    """Return what a status means, and whether the same request may work later."""
    meaning = advice.get(status, CHECK_SERVER_LOG if status >= 500 else _CHECK)
    return f"it answered {status}: {meaning}", status == 429 or status in range(502, 600)


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value
