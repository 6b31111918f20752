"""anycable-go's REST API (1.6 and later, `api/server.go`): publishing, and the members of a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..errors import InvalidData, RequestFailed
from ..protocol import json_text
from ..protocol.messages import stream_name
from .http_carriers import PostingBroadcaster, Refusal, may_be_about_content
from .http_messages import head_of
from .http_problems import CHECK_SERVER_LOG, COMMON_ADVICE, NoResponse
from .http_sync import Connections
from .http_url import ErrorTexts, Target
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


class RestAPI(PostingBroadcaster):
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
        self._target = target = Target.parse(url.rstrip("/"), key, _TEXTS)
        super().__init__(target, f"{target.path}/publish", _TEXTS, _refusal_to_publish, deadline)

    def presence(self, stream: str) -> Presence:
        """Return the members of the stream.

        Raises:
            InvalidData: the name of the stream is empty, or has a slash, which the path of the API cannot carry.
            RequestFailed: there was no valid response before the deadline. The message says what to check.
        """
        if "/" in stream_name(stream):
            raise InvalidData(f"the REST API cannot be asked about {stream!r}: the stream name has a slash")
        path = f"{self._target.path}/presence/{quote(stream, safe='')}/users"
        bodies: list[bytes] = []
        retry_until(self.deadline, lambda seconds: bodies.append(self._get(path, seconds)))
        return self._read(bodies[0])

    def _get(self, path: str, seconds: float) -> bytes:
        request = head_of("GET", path, {**self._target.headers, "Accept": "application/json", "Connection": "close"})
        try:
            status, body = Connections(self._target).fetch(request + b"0\r\n\r\n", seconds, _MAX_BODY)
        except NoResponse as error:
            reason = error.reason.format(variable=_TEXTS.variable, check=_TEXTS.check)
            raise self._unanswered(reason, error.is_transient) from None
        if status != 200:
            raise self._unanswered(*_refused(status, _OF_PRESENCE))
        return body

    def _read(self, body: bytes) -> Presence:
        try:
            value = json_text.loads(body.decode())
            records = tuple(
                PresenceRecord(_string(item["id"]), item.get("info")) for item in value.get("records") or ()
            )
            return Presence(_count(value["total"]), records)
        except (InvalidData, UnicodeDecodeError, AttributeError, KeyError, TypeError):
            raise self._unanswered(f"its answer is not that of the API: {_CHECK}", False) from None

    def _unanswered(self, reason: str, transient: bool) -> RequestFailed:
        return RequestFailed(f"cannot ask {self.address}: {reason}", self.address, transient)


def _refusal_to_publish(status: int) -> Refusal | None:
    if status in (200, 201):
        return None
    return Refusal(*_refused(status, _OF_PUBLISHING), may_be_about_content(status))


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
