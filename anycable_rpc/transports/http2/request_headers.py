"""Request headers: decoded, checked (RFC 9113, 8.2 and 8.3) and made into strings.

Two caches make this fast, because a client's calls differ little. Each connection remembers how header blocks begin
(the pseudo-headers and what comes with them), and all connections share the fields that follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .frames import ErrorCode, StreamFault
from .header_blocks import OVERHEAD, BlockReader, Field

__all__ = ["RequestHead", "RequestHeadReader", "RequestLine", "check_trailers"]

_PSEUDO = {b":method": ":method", b":scheme": ":scheme", b":path": ":path", b":authority": ":authority"}
_FORBIDDEN = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
_SHARED = {*_PSEUDO, b"content-type", b"user-agent", b"te", b"grpc-accept-encoding"}
_SPECIAL = {*_FORBIDDEN, b"te", b"content-length", b"content-type"}
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"[^\x00\r\n]*")
_GRPC = re.compile(r"application/grpc(?:[+;].*)?", re.IGNORECASE)
_MAX_STARTS, _LONGEST_START = 16, 1024
_MAX_FIELDS = 8192
_SHORT = 127  # bytes of a string and its length, which is one byte then
_LITERALS = (0x40, 0x00, 0x10)  # indexed, not indexed, never indexed: without a table there is no difference


_fields: dict[bytes, tuple[str, str, int]] = {}
"""Encoded fields that have been decoded before: name, value and size. Shared: each connection would keep megabytes."""

_new_head = tuple.__new__  # fast path: a NamedTuple's own constructor takes twice as long


@dataclass(frozen=True, slots=True)
class RequestLine:
    """The part of the headers that many requests have in common. `is_grpc`: a gRPC call, of whatever method."""

    method: str
    path: str
    is_grpc: bool


class RequestHead(NamedTuple):
    """The headers of one request.

    `metadata` has all headers but pseudo-headers and binary ones (`-bin`); of repeated ones the last. `size` is counted
    like SETTINGS_MAX_HEADER_LIST_SIZE. `length` is the content-length.
    """

    line: RequestLine
    metadata: dict[str, str]
    size: int
    length: int | None = None


class RequestHeadReader:
    """Read the headers of one connection's requests.

    Args:
        largest: the size that headers should not exceed, in bytes; above four times that the connection ends.
        table: the size of the header table that our settings allow, in bytes.
    """

    def __init__(self, largest: int, table: int = 0) -> None:
        self.block_reader = BlockReader(largest * 4, table)
        self._largest = largest
        self._starts: dict[bytes, RequestHead] = {}
        self._lengths: tuple[int, ...] = ()

    def read(self, block: bytes) -> RequestHead:
        """Decode and check a header block.

        Raises:
            ConnectionFault: the block cannot be decoded.
            StreamFault: its fields are not those of a request.
        """
        if not self.block_reader.is_stateless:
            return _head(self.block_reader.read(block))
        # fast path: the beginning is known, only the rest is decoded
        for length in self._lengths:
            start = self._starts.get(block[:length])
            if start is not None:
                return self._continue(start, block, length) or _head(self.block_reader.read(block))
        return self._read_first(block)

    def _read_first(self, block: bytes) -> RequestHead:
        """Decode a whole block, and keep the beginning that others will share."""
        fields = self.block_reader.read_from(block, 0)
        head = _head([field for field, _ in fields])
        shared: list[Field] = []
        length = 0
        for field, end in fields:
            if field[0] not in _SHARED:
                break
            shared.append(field)
            length = end
        if length <= _LONGEST_START:
            self._keep(block[:length], _head(shared))
        return head

    def _keep(self, start: bytes, head: RequestHead) -> None:
        if len(self._starts) >= _MAX_STARTS:
            self._starts.clear()
        self._starts[start] = head
        self._lengths = tuple({len(start) for start in self._starts})

    def _continue(self, start: RequestHead, block: bytes, position: int) -> RequestHead | None:
        """Add the fields after a known beginning; return None if one of them needs the whole block to be checked.

        Short literal fields can be cut out without decoding them: each string begins with its length, in one byte. The
        same bytes always mean the same field, so a field that came before is looked up.
        """
        line, metadata, size, length = start
        metadata, end, known = metadata.copy(), len(block), _fields
        if end > self._largest:
            return None
        try:
            while position < end:
                middle = position + 2 + (block[position + 1] & 0x7F)
                after = middle + 1 + (block[middle] & 0x7F)
                coded = block[position:after]
                field = known.get(coded) or self._decode_field(coded, middle - position)
                if field is None:
                    return None
                name, value, weight = field
                metadata[name] = value
                size += weight
                position = after
        except IndexError:
            return None
        return _new_head(RequestHead, (line, metadata, size, length))

    def _decode_field(self, coded: bytes, middle: int) -> tuple[str, str, int] | None:
        """Return name, value and size of a short literal field; None for other forms, and for names with rules."""
        if coded[0] not in _LITERALS or middle > _SHORT or len(coded) - middle > _SHORT:
            return None
        name, value = self.block_reader.string(coded[1:middle]), self.block_reader.string(coded[middle:])
        if name in _SPECIAL or name.endswith(b"-bin") or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            return None
        if len(_fields) >= _MAX_FIELDS:
            _fields.clear()
        field = name.decode(), value.decode("latin-1"), len(name) + len(value) + OVERHEAD
        _fields[coded] = field
        return field


def _head(fields: Iterable[Field]) -> RequestHead:
    pseudo_headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    size, regular = 0, False
    for name, value in fields:
        size += len(name) + len(value) + OVERHEAD
        pseudo = _PSEUDO.get(name, "")
        regular = regular or not pseudo
        _check(name, value, may_be_pseudo=not regular and pseudo not in pseudo_headers)
        if pseudo:
            pseudo_headers[pseudo] = value.decode("latin-1")
        elif not name.endswith(b"-bin"):
            metadata[name.decode()] = value.decode("latin-1")
    method, scheme, path = (pseudo_headers.get(name) for name in (":method", ":scheme", ":path"))
    if not (method and scheme and path):
        raise StreamFault(ErrorCode.PROTOCOL_ERROR)
    is_grpc = method == "POST" and bool(_GRPC.fullmatch(metadata.get("content-type", "")))
    return RequestHead(RequestLine(method, path, is_grpc), metadata, size, _length(metadata))


def _check(name: bytes, value: bytes, *, may_be_pseudo: bool) -> None:
    wrong = name in _FORBIDDEN or (name == b"te" and value != b"trailers")
    if wrong or not _VALUE.fullmatch(value) or not (may_be_pseudo or _NAME.fullmatch(name)):
        raise StreamFault(ErrorCode.PROTOCOL_ERROR)


def _length(metadata: dict[str, str]) -> int | None:
    length = metadata.get("content-length")
    if length is None:
        return None
    if not re.fullmatch("[0-9]{1,18}", length):
        raise StreamFault(ErrorCode.PROTOCOL_ERROR)
    return int(length)


def check_trailers(fields: Iterable[Field]) -> None:
    """Check the trailers of a request; nothing else is done with them.

    Raises:
        StreamFault: a field may not be sent.
    """
    for name, value in fields:
        _check(name, value, may_be_pseudo=False)
