"""Requests and heads of responses as bytes (RFC 9112). The status of an answer to a publication says all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Answer", "NotHTTP", "head_of", "read_answer"]

_LONGEST_HEAD = 2**16
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [^\r\n]*)?\r?\n")
_END = re.compile(rb"\n\r?\n")
"""The end of a head. A line may also end with a line feed alone (RFC 9112, 2.2)."""
_WITHOUT_BODY = (204, 304)


class NotHTTP(Exception):
    """The bytes are not a response of HTTP/1.0 or 1.1."""


class Answer(NamedTuple):
    """The status, and whether the connection may serve another request."""

    status: int
    is_reusable: bool


def head_of(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request up to the value of `Content-Length`, which is the last header."""
    lines = [f"{method} {path} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()]]
    return "\r\n".join([*lines, "Content-Length: "]).encode("latin-1")


def read_answer(received: bytes) -> Answer | None:
    """Return the answer, or None while the head is not complete. Interim responses (1xx) are skipped.

    A connection is reusable when the answer has arrived completely and nothing follows it. A longer body is not
    awaited, since it may never end.

    Raises:
        NotHTTP: the bytes are not an answer.
    """
    begin = 0
    while True:
        end = _END.search(received, begin)
        if end is None:
            if len(received) - begin > _LONGEST_HEAD or not b"HTTP/1.".startswith(received[begin : begin + 7]):
                raise NotHTTP
            return None
        line = _STATUS_LINE.match(received, begin)
        if line is None:
            raise NotHTTP
        begin, status = end.end(), int(line[2])
        if status == 101 or status >= 200:
            break
    headers = _fields(received[line.end() : end.start()])
    body = len(received) - begin
    length = b"0" if status in _WITHOUT_BODY else headers.get(b"content-length")
    is_kept = line[1] == b"1" and b"close" not in headers.get(b"connection", b"").lower()
    is_whole = length == b"%d" % body and b"transfer-encoding" not in headers
    return Answer(status, is_kept and is_whole)


def _fields(lines: bytes) -> dict[bytes, bytes]:
    pairs = (line.partition(b":") for line in lines.split(b"\n"))
    return {name.lower(): value.strip() for name, _, value in pairs}
