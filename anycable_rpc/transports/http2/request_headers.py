"""What a request's header block says, checked (RFC 9113, 8.2 and 8.3); what many begin with is read once."""

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
_MOST_STARTS, _LONGEST_START = 16, 1024
_MOST_FIELDS = 8192
_SHORT = 127  # bytes of a text with its length, which then is one byte
_LITERALS = (0x40, 0x00, 0x10)  # in the table, not in it, never in one: to an empty table the same


_fields: dict[bytes, tuple[str, str, int]] = {}
"""Fields that have been read before. All connections share them: each would keep megabytes of its own."""

_new_head = tuple.__new__  # a NamedTuple's own takes twice as long


@dataclass(frozen=True, slots=True)
class RequestLine:
    """What many requests have in common; `is_grpc` says that they are calls, whatever is called."""

    method: str
    path: str
    is_grpc: bool


class RequestHead(NamedTuple):
    """A request's headers. `size` is counted as SETTINGS_MAX_HEADER_LIST_SIZE is; `length` is the content-length.

    `metadata` has every header of text, the last of those that come twice.
    """

    line: RequestLine
    metadata: dict[str, str]
    size: int
    length: int | None = None


class RequestHeadReader:
    """The heads of one connection's requests.

    Args:
        largest: how long the headers of a request should be, in bytes; beyond four times that nothing is read.
        table: how large a table we have let the peer have, in bytes.
    """

    def __init__(self, largest: int, table: int = 0) -> None:
        self.block_reader = BlockReader(largest * 4, table)
        self._largest = largest
        self._starts: dict[bytes, RequestHead] = {}
        self._lengths: tuple[int, ...] = ()

    def read(self, block: bytes) -> RequestHead:
        """The head that a block is.

        Raises:
            ConnectionFault: it is no header block.
            StreamFault: it is none of a request.
        """
        if not self.block_reader.is_stateless:
            return _head(self.block_reader.read(block))
        for length in self._lengths:
            start = self._starts.get(block[:length])
            if start is not None:
                return self._continued(start, block, length) or _head(self.block_reader.read(block))
        return self._first(block)

    def _first(self, block: bytes) -> RequestHead:
        """Read it in full, and keep what others will begin with."""
        fields = self.block_reader.read_from(block, 0)
        head = _head([one for one, _ in fields])
        shared: list[Field] = []
        length = 0
        for one, end in fields:
            if one[0] not in _SHARED:
                break
            shared.append(one)
            length = end
        if length <= _LONGEST_START:
            self._keep(block[:length], _head(shared))
        return head

    def _keep(self, start: bytes, head: RequestHead) -> None:
        if len(self._starts) >= _MOST_STARTS:
            self._starts.clear()
        self._starts[start] = head
        self._lengths = tuple({len(start) for start in self._starts})

    def _continued(self, start: RequestHead, block: bytes, position: int) -> RequestHead | None:
        """The head with the rest, if that is short fields that stand for themselves; those that come again are kept."""
        line, metadata, size, length = start
        metadata, end, known = metadata.copy(), len(block), _fields
        if end > self._largest:
            return None
        try:
            while position < end:
                middle = position + 2 + (block[position + 1] & 0x7F)
                after = middle + 1 + (block[middle] & 0x7F)
                coded = block[position:after]
                field = known.get(coded) or self._field(coded, middle - position)
                if field is None:
                    return None
                name, value, weight = field
                metadata[name] = value
                size += weight
                position = after
        except IndexError:
            return None
        return _new_head(RequestHead, (line, metadata, size, length))

    def _field(self, coded: bytes, middle: int) -> tuple[str, str, int] | None:
        """Name, value and what they count, of a literal field with a new name; none of what means something to HTTP."""
        if coded[0] not in _LITERALS or middle > _SHORT or len(coded) - middle > _SHORT:
            return None
        name, value = self.block_reader.text(coded[1:middle]), self.block_reader.text(coded[middle:])
        if name in _SPECIAL or name.endswith(b"-bin") or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            return None
        if len(_fields) >= _MOST_FIELDS:
            _fields.clear()
        field = name.decode(), value.decode("latin-1"), len(name) + len(value) + OVERHEAD
        _fields[coded] = field
        return field


def _head(fields: Iterable[Field]) -> RequestHead:
    said: dict[str, str] = {}
    metadata: dict[str, str] = {}
    size, regular = 0, False
    for name, value in fields:
        size += len(name) + len(value) + OVERHEAD
        pseudo = _PSEUDO.get(name, "")
        regular = regular or not pseudo
        _check(name, value, may_be_pseudo=not regular and pseudo not in said)
        if pseudo:
            said[pseudo] = value.decode("latin-1")
        elif not name.endswith(b"-bin"):
            metadata[name.decode()] = value.decode("latin-1")
    method, scheme, path = said.get(":method"), said.get(":scheme"), said.get(":path")
    if not (method and scheme and path):
        raise StreamFault(ErrorCode.PROTOCOL_ERROR)
    is_grpc = method == "POST" and bool(_GRPC.fullmatch(metadata.get("content-type", "")))
    return RequestHead(RequestLine(method, path, is_grpc), metadata, size, _length(metadata))


def _check(name: bytes, value: bytes, *, may_be_pseudo: bool) -> None:
    wrong = name in _FORBIDDEN or (name == b"te" and value != b"trailers")
    if wrong or not _VALUE.fullmatch(value) or not (may_be_pseudo or _NAME.fullmatch(name)):
        raise StreamFault(ErrorCode.PROTOCOL_ERROR)


def _length(metadata: dict[str, str]) -> int | None:
    text = metadata.get("content-length")
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,18}", text):
        raise StreamFault(ErrorCode.PROTOCOL_ERROR)
    return int(text)


def check_trailers(fields: Iterable[Field]) -> None:
    """Trailers are read for their faults alone.

    Raises:
        StreamFault: they may not be sent.
    """
    for name, value in fields:
        _check(name, value, may_be_pseudo=False)
