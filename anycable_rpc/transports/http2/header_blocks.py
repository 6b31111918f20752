"""Header blocks (HPACK, RFC 7541): decoded here without a dynamic table, by the `hpack` library while a peer has one.

Our settings ask peers for a table of size 0. Then a block does not depend on those before it, and the same bytes always
mean the same fields.
"""

from __future__ import annotations

import hpack
from hpack.table import HeaderTable

from . import huffman
from .frames import ConnectionFault, ErrorCode

__all__ = ["OVERHEAD", "BlockReader", "Field", "literal"]

Field = tuple[bytes, bytes]

OVERHEAD = 32
"""The bytes that a field counts beyond its name and value (RFC 9113, 6.5.2)."""

_STATIC: tuple[Field, ...] = ((b"", b""), *((bytes(name), bytes(value)) for name, value in HeaderTable.STATIC_TABLE))
_MAX_RESIZES = 2  # at the start of a block (RFC 7541, 4.2)
_TABLE_SIZE = 4096  # bytes of the table that every connection starts with


class BlockReader:
    """Decode the header blocks of one connection, in order.

    `is_stateless` is True once the peer's table is empty and stays empty. Then `read_from` may read the end of a block
    alone.

    Args:
        largest: how large the fields of a block may be together, in bytes.
        table: the size of the table that our settings allow, in bytes.
    """

    def __init__(self, largest: int, table: int = 0) -> None:
        self.is_stateless = False
        self._largest = largest
        self._decoder = hpack.Decoder(max_header_list_size=largest)
        self._decoder.max_allowed_table_size = _TABLE_SIZE
        self._is_acknowledged = False
        self._table = table

    def acknowledge(self) -> None:
        """Note that the peer has our settings: its next block must begin with shrinking its table (RFC 9113, 4.3.1)."""
        self._is_acknowledged = True
        self._decoder.max_allowed_table_size = self._table

    def read(self, block: bytes) -> list[Field]:
        """Return the fields of a block.

        Raises:
            ConnectionFault: the block cannot be decoded, or its fields are too large.
        """
        if self.is_stateless:
            return [field for field, _ in self.read_from(block, 0)]
        try:
            _check_resizes(block)
            fields = self._decoder.decode(block, raw=True)
        except hpack.OversizedHeaderListError:
            raise _too_many() from None
        except (hpack.HPACKError, ValueError, IndexError):
            raise _broken() from None
        self.is_stateless = self._is_acknowledged and not self._table and self._decoder.header_table_size == 0
        return [(bytes(name), bytes(value)) for name, value in fields]

    def read_from(self, block: bytes, position: int) -> list[tuple[Field, int]]:
        """Return the fields from `position` on, each with the position of its end; only for a stateless peer.

        Raises:
            ConnectionFault: the block cannot be decoded, or its fields are too large.
        """
        try:
            return self._fields(block, position)
        except (ValueError, IndexError):
            raise _broken() from None

    def string(self, coded: bytes) -> bytes:
        """Decode one string, which begins with its length.

        Raises:
            ConnectionFault: the string cannot be decoded.
        """
        try:
            return _string(coded, 0)[0]
        except (ValueError, IndexError):
            raise _broken() from None

    def _fields(self, block: bytes, position: int) -> list[tuple[Field, int]]:
        read: list[tuple[Field, int]] = []
        end, left = len(block), self._largest
        while position < end:
            first = block[position]
            if first & 0xE0 == 0x20:
                position = _read_resize(block, position, bool(read) or position >= _MAX_RESIZES)
                continue
            field, position = _field(block, position, first)
            read.append((field, position))
            left -= len(field[0]) + len(field[1]) + OVERHEAD
            if left < 0:
                raise _too_many()
        return read


def _broken() -> ConnectionFault:
    return ConnectionFault(ErrorCode.COMPRESSION_ERROR, "a header block cannot be decoded")


def _too_many() -> ConnectionFault:
    return ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "the headers are too large")


def _field(block: bytes, position: int, first: int) -> tuple[Field, int]:
    if first & 0x80:
        index, position = _integer(block, position, 0x7F)
        return _STATIC[index or len(_STATIC)], position
    index, position = _integer(block, position, 0x3F if first & 0x40 else 0x0F)
    if index:
        name = _STATIC[index][0]
    else:
        name, position = _string(block, position)
    value, position = _string(block, position)
    return (name, value), position


def _read_resize(block: bytes, position: int, is_late: bool) -> int:
    size, position = _integer(block, position, 0x1F)
    if size or is_late:
        raise ValueError("a table that is not empty, or a resize after the start of the block")
    return position


def _check_resizes(block: bytes) -> None:
    """Raise ValueError if a block resizes the table more than twice: each resize costs more than its one byte."""
    position = count = 0
    while position < len(block) and block[position] & 0xE0 == 0x20:
        _, position = _integer(block, position, 0x1F)
        count += 1
        if count > _MAX_RESIZES:
            raise ValueError("too many resizes of the table")


def _integer(block: bytes, position: int, mask: int) -> tuple[int, int]:
    value = block[position] & mask
    position += 1
    if value < mask:
        return value, position
    for shift in (0, 7, 14):
        byte = block[position]
        position += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("the number is too large")


def _string(block: bytes, position: int) -> tuple[bytes, int]:
    coded = block[position] & 0x80
    size, position = _integer(block, position, 0x7F)
    end = position + size
    if end > len(block):
        raise ValueError("the string is longer than the block")
    string = block[position:end]
    return (huffman.decode(string) if coded else string), end


def literal(name: str, value: str) -> bytes:
    """Encode a field as it is: without Huffman coding, and not put into a table."""
    return b"\x00" + _prefixed(name.encode()) + _prefixed(value.encode())


def _prefixed(string: bytes) -> bytes:
    size = len(string)
    if size < 127:
        return bytes((size,)) + string
    size -= 127
    written = [127]
    while size >= 128:
        written.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((*written, size)) + string
