"""anycable-go's REST API (1.6 and later, `api/server.go`): publishing, and who is present in a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..errors import BroadcastFailed, InvalidData, RequestFailed
from ..protocol import json_text
from ..protocol.messages import stream_name
from .http_client import COMMON_ADVICE, SEE_LOG, HTTPClient, NoAnswer, Wording
from .retries import DEADLINE, insist

__all__ = ["Presence", "PresenceRecord", "RestAPI"]

_MOST = 16 * 2**20
"""Bytes of an answer: more than 100,000 records."""

_CHECK = "is ANYCABLE_API_URL right? It is on anycable-go's main port (8080), unless --api_port says another"
_WORDING = Wording("the REST API", "ANYCABLE_API_URL", "ANYCABLE_API_SECRET", "http://localhost:8080/api", _CHECK)
_ADVICE = COMMON_ADVICE | {
    401: "the keys differ: set the same ANYCABLE_SECRET or ANYCABLE_API_SECRET on both sides",
    404: "there is no API: does anycable-go (1.6 or later) run with a secret or --api_secret, and " + _CHECK,
}
_OF_PRESENCE = _ADVICE | {501: "it keeps no presence: run anycable-go with --broker=memory or --presets=broker"}
_OF_PUBLISHING = _ADVICE | {
    413: "it is too big for the server there",
    422: f"it does not take this for a broadcast: {_CHECK}",
    429: "the server there wants fewer broadcasts",
    501: "anycable-go could not hand it to its broker: see anycable-go's log",
}


@dataclass(frozen=True, slots=True)
class PresenceRecord:
    """Somebody who is present: the id that joined, and the info given with it, a JSON value."""

    id: str
    info: Any = None


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is present in a stream, in no order."""

    total: int
    records: tuple[PresenceRecord, ...] = ()


class RestAPI:
    """Asks over kept connections, from any thread, with or without an event loop, also after a fork.

    It is a broadcaster too, for when the API is all that can be reached: `Cable(…, broadcaster=RestAPI(url, key))`.

    Args:
        url: where the API is, for example `http://localhost:8080/api`.
        key: sent as `Authorization: Bearer`.
        deadline: seconds that a call may take in all.

    Raises:
        ConfigurationError: the URL or the key cannot be used.
    """

    def __init__(self, url: str, key: str | None = None, *, deadline: float = DEADLINE) -> None:
        self._client = HTTPClient(url.rstrip("/"), key, _WORDING)
        self.address = self._client.address
        self.deadline = deadline

    def publish(self, payload: str) -> None:
        """Post a publication: the JSON text of a broadcast, of an array of them, or of a remote command.

        Raises:
            BroadcastFailed: it was not accepted before the deadline; the text says what to check.
        """
        body = payload.encode()
        insist(lambda seconds: self._post(body, seconds), self.deadline)

    async def apublish(self, payload: str) -> None:
        """`publish` in a thread."""
        import asyncio

        await asyncio.to_thread(self.publish, payload)

    def presence(self, stream: str) -> Presence:
        """Who is present in the stream.

        Raises:
            InvalidData: the stream has no name, or one with a slash, which the API cannot be asked about.
            RequestFailed: there was no answer to use before the deadline; the text says what to check.
        """
        if "/" in stream_name(stream):
            raise InvalidData(f"the REST API cannot be asked about {stream!r}: the name of the stream has a slash")
        path = f"{self._client.path}/presence/{quote(stream, safe='')}/users"
        answers: list[bytes] = []
        insist(lambda seconds: answers.append(self._answer(path, seconds)), self.deadline)
        return self._read(answers[0])

    def close(self) -> None:
        """Close the kept connections; asking again opens new ones."""
        self._client.close()

    def _answer(self, path: str, seconds: float) -> bytes:
        try:
            status, body = self._client.request("GET", path, None, seconds, _MOST)
        except NoAnswer as error:
            raise self._failed(error.said, error.is_transient) from None
        if status != 200:
            raise self._failed(*_refused(status, _OF_PRESENCE))
        return body

    def _post(self, body: bytes, seconds: float) -> None:
        try:
            status, _ = self._client.request("POST", f"{self._client.path}/publish", body, seconds)
        except NoAnswer as error:
            raise self._not_published(error.said, error.is_transient) from None
        if status not in (200, 201):
            raise self._not_published(*_refused(status, _OF_PUBLISHING))

    def _read(self, body: bytes) -> Presence:
        try:
            value = json_text.loads(body.decode())
            records = tuple(PresenceRecord(_text(item["id"]), item.get("info")) for item in value.get("records") or ())
            return Presence(_count(value["total"]), records)
        except (InvalidData, UnicodeDecodeError, AttributeError, KeyError, TypeError):
            raise self._failed(f"its answer is not understood: {_CHECK}", False) from None

    def _failed(self, said: str, transient: bool) -> RequestFailed:
        return RequestFailed(f"cannot ask {self.address}: {said}", self.address, transient)

    def _not_published(self, said: str, transient: bool) -> BroadcastFailed:
        return BroadcastFailed(f"cannot publish to {self.address}: {said}", self.address, transient)


def _refused(status: int, advice: Mapping[int, str]) -> tuple[str, bool]:
    """What a status means, and whether the same may work later."""
    said = advice.get(status, SEE_LOG if status >= 500 else _CHECK)
    return f"it answered {status}: {said}", status == 429 or status in range(502, 600)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value
