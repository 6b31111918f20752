"""Header blocks (HPACK, RFC 7541): read without a dynamic table, or by the `hpack` library while a peer has one.

We ask peers for a table of size 0. Once they have one, a block means the same wherever it comes.
"""

from __future__ import annotations

import hpack
from hpack.table import HeaderTable

from . import huffman
from .frames import ConnectionFault, ErrorCode

__all__ = ["OVERHEAD", "BlockReader", "Field", "literal"]

Field = tuple[bytes, bytes]

OVERHEAD = 32
"""What a field counts beyond its text (RFC 9113, 6.5.2)."""

_STATIC: tuple[Field, ...] = ((b"", b""), *((bytes(name), bytes(value)) for name, value in HeaderTable.STATIC_TABLE))
_MOST_RESIZES = 2
_TABLE_SIZE = 4096  # what every connection starts with


class BlockReader:
    """The fields of one connection's blocks, in order.

    `is_stateless` says that the peer's table is empty and stays so: then `read_from` reads the end of a block alone.

    Args:
        largest: how long a block's fields may be in all, in bytes.
        table: how large a table we have let the peer have, in bytes.
    """

    def __init__(self, largest: int, table: int = 0) -> None:
        self.is_stateless = False
        self._largest = largest
        self._decoder = hpack.Decoder(max_header_list_size=largest)
        self._decoder.max_allowed_table_size = _TABLE_SIZE
        self._is_acknowledged = False
        self._table = table

    def acknowledge(self) -> None:
        """The peer has our settings; its next block must begin with shrinking a larger table (RFC 9113, 4.3.1)."""
        self._is_acknowledged = True
        self._decoder.max_allowed_table_size = self._table

    def read(self, block: bytes) -> list[Field]:
        """The fields of a block.

        Raises:
            ConnectionFault: it is no block, or one of too many fields.
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
        """The fields of a block from there on, each with where it ends; for a peer with an empty table.

        Raises:
            ConnectionFault: it is no block, or one of too many fields.
        """
        try:
            return self._fields(block, position)
        except (ValueError, IndexError):
            raise _broken() from None

    def text(self, coded: bytes) -> bytes:
        """One string, with its length before it.

        Raises:
            ConnectionFault: it is none.
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
                position = _empty_table(block, position, bool(read) or position >= _MOST_RESIZES)
                continue
            field, position = _field(block, position, first)
            read.append((field, position))
            left -= len(field[0]) + len(field[1]) + OVERHEAD
            if left < 0:
                raise _too_many()
        return read


def _broken() -> ConnectionFault:
    return ConnectionFault(ErrorCode.COMPRESSION_ERROR, "a header block cannot be read")


def _too_many() -> ConnectionFault:
    return ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many headers")


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


def _empty_table(block: bytes, position: int, is_late: bool) -> int:
    size, position = _integer(block, position, 0x1F)
    if size or is_late:
        raise ValueError("a table of another size, or not at the start of the block")
    return position


def _check_resizes(block: bytes) -> None:
    """A block begins with two changes of the table's size at most (RFC 7541, 4.2): each costs more than its byte."""
    position = count = 0
    while position < len(block) and block[position] & 0xE0 == 0x20:
        _, position = _integer(block, position, 0x1F)
        count += 1
        if count > _MOST_RESIZES:
            raise ValueError("too many sizes of the table")


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
        raise ValueError("the string is cut")
    text = block[position:end]
    return (huffman.decode(text) if coded else text), end


def literal(name: str, value: str) -> bytes:
    """A field as it is written: as it is, in no table."""
    return b"\x00" + _prefixed(name.encode()) + _prefixed(value.encode())


def _prefixed(text: bytes) -> bytes:
    size = len(text)
    if size < 127:
        return bytes((size,)) + text
    size -= 127
    written = [127]
    while size >= 128:
        written.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((*written, size)) + text
