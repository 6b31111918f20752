"""Huffman's code of HPACK (RFC 7541, 5.2 and B), a byte at a time; the table is filled as bytes come."""

from __future__ import annotations

from typing import cast

from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

__all__ = ["decode"]

_END = 256
_Node = list["_Node | int | None"]


def _tree() -> _Node:
    root: _Node = [None, None]
    for symbol, (code, length) in enumerate(zip(REQUEST_CODES, REQUEST_CODES_LENGTH, strict=True)):
        node = root
        for place in range(length - 1, 0, -1):
            bit = code >> place & 1
            child = node[bit]
            if not isinstance(child, list):
                child = node[bit] = [None, None]
            node = child
        node[code & 1] = symbol
    return root


class _Steps(dict[int, tuple[int, bytes]]):
    """State (a node's number, times 256) plus a byte -> the next state and what was read; 65,536 at most."""

    def __init__(self) -> None:
        super().__init__()
        self._nodes: list[_Node] = []
        self._numbers: dict[int, int] = {}
        self.ends: frozenset[int] = frozenset()

    def __missing__(self, key: int) -> tuple[int, bytes]:
        if not self._nodes:
            self._start()
        node, read = self._nodes[key >> 8], bytearray()
        for place in range(7, -1, -1):
            child = node[key >> place & 1]
            if isinstance(child, int):
                if child == _END:
                    raise ValueError("the end symbol is inside a string")
                read.append(child)
                child = self._nodes[0]
            node = cast("_Node", child)
        self[key] = step = (self._numbers[id(node)] << 8, bytes(read))
        return step

    def _start(self) -> None:
        """Number the nodes; a string may end after up to seven ones of padding."""
        waiting: list[_Node] = [_tree()]
        while waiting:
            node = waiting.pop()
            self._numbers[id(node)] = len(self._nodes)
            self._nodes.append(node)
            waiting += [child for child in node if isinstance(child, list)]
        node, ends = self._nodes[0], [0]
        for _ in range(7):
            node = cast("_Node", node[1])
            ends.append(self._numbers[id(node)] << 8)
        self.ends = frozenset(ends)


_STEPS = _Steps()


def decode(data: bytes) -> bytes:
    """The string that was encoded.

    Raises:
        ValueError: it has the end symbol, or its padding is no padding.
    """
    state, read, steps = 0, [], _STEPS
    for byte in data:
        state, text = steps[state | byte]
        read.append(text)
    if state and state not in steps.ends:
        raise ValueError("the padding is wrong")
    return b"".join(read)
