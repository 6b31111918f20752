"""Header blocks: RFC 7541's own examples, and the `hpack` library as the judge."""

from __future__ import annotations

from contextlib import suppress

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycable_rpc.transports.http2 import huffman
from anycable_rpc.transports.http2.frames import ConnectionFault, ErrorCode
from anycable_rpc.transports.http2.header_blocks import BlockReader, literal

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=40)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)
COMMON = st.sampled_from(
    [(":method", "POST"), (":path", "/"), ("content-type", "application/grpc"), ("te", "trailers"), ("sid", "abc")]
)
FIELDS = st.lists(st.tuples(NAMES, VALUES) | COMMON, max_size=12)


def stateless(largest: int = 65_536) -> BlockReader:
    """A reader whose peer has emptied its table."""
    reader = BlockReader(largest)
    reader.acknowledge()
    reader.read(b"\x20")
    assert reader.is_stateless
    return reader


def pairs(fields: object) -> list[tuple[bytes, bytes]]:
    return [(bytes(name), bytes(value)) for name, value in fields]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("blocks", "fields"),
    [
        (  # C.2.1: a literal with indexing
            ["400a637573746f6d2d6b65790d637573746f6d2d686561646572"],
            [[(b"custom-key", b"custom-header")]],
        ),
        (["040c2f73616d706c652f70617468"], [[(b":path", b"/sample/path")]]),  # C.2.2
        (["100870617373776f726406736563726574"], [[(b"password", b"secret")]]),  # C.2.3
        (["82"], [[(b":method", b"GET")]]),  # C.2.4
        (  # C.4: requests with Huffman's code, and a table that grows
            [
                "828684418cf1e3c2e5f23a6ba0ab90f4ff",
                "828684be5886a8eb10649cbf",
                "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
            ],
            [
                [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")],
                [
                    (b":method", b"GET"),
                    (b":scheme", b"http"),
                    (b":path", b"/"),
                    (b":authority", b"www.example.com"),
                    (b"cache-control", b"no-cache"),
                ],
                [
                    (b":method", b"GET"),
                    (b":scheme", b"https"),
                    (b":path", b"/index.html"),
                    (b":authority", b"www.example.com"),
                    (b"custom-key", b"custom-value"),
                ],
            ],
        ),
    ],
)
def test_the_examples_of_rfc_7541(blocks: list[str], fields: list[list[tuple[bytes, bytes]]]) -> None:
    reader = BlockReader(65_536)

    assert [reader.read(bytes.fromhex(one)) for one in blocks] == fields


@pytest.mark.parametrize(
    "block", ["400a637573746f6d2d6b65790d637573746f6d2d686561646572", "82", "100870617373776f726406736563726574"]
)
def test_without_a_table_they_read_the_same(block: str) -> None:
    assert stateless().read(bytes.fromhex(block)) == BlockReader(65_536).read(bytes.fromhex(block))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(FIELDS, st.booleans(), st.booleans())
def test_we_read_what_hpack_writes(fields: list[tuple[str, str]], coded: bool, sensitive: bool) -> None:
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    written = [hpack.NeverIndexedHeaderTuple(*field) if sensitive else field for field in fields]
    block = encoder.encode(written, huffman=coded)

    assert stateless().read(block) == [(name.encode(), value.encode()) for name, value in fields]


@settings(max_examples=1_000, derandomize=True, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_as_hpack_reads_them_or_refused(block: bytes) -> None:
    decoder = hpack.Decoder()
    decoder.max_allowed_table_size = 0
    decoder.header_table_size = 0
    try:
        expected = pairs(decoder.decode(block, raw=True))
    except (hpack.HPACKError, ValueError, IndexError):
        expected = None
    with suppress(ConnectionFault):  # we take no integer beyond 2 million, and no odd encoding of one
        assert stateless().read(block) == expected


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.binary(max_size=200))
def test_any_text_survives_huffmans_code(text: bytes) -> None:
    from hpack.huffman import HuffmanEncoder
    from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

    coded = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(text)

    assert huffman.decode(coded) == text


@pytest.mark.parametrize("coded", [b"\xff\xff\xff\xfc", b"\xff\xff\xff\xff", b"\x00", b"\x1c\x64\xff\xff"])
def test_bad_padding_and_the_end_symbol_are_refused(coded: bytes) -> None:
    with pytest.raises(ValueError, match=r"padding|end symbol"):
        huffman.decode(coded)


@given(NAMES, st.text(max_size=300))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_what_we_write_hpack_reads(name: str, value: str) -> None:
    assert pairs(hpack.Decoder().decode(literal(name, value), raw=True)) == [(name.encode(), value.encode())]


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (b"\x82" * 65_536, ErrorCode.ENHANCE_YOUR_CALM),
        (b"\x7f" + b"\x80" * 60_000, ErrorCode.COMPRESSION_ERROR),
        (b"\x40\x01a\x7f\xff\xff\xff\xff\xff\x01", ErrorCode.COMPRESSION_ERROR),
        (b"\x80", ErrorCode.COMPRESSION_ERROR),
        (b"\xff\x00", ErrorCode.COMPRESSION_ERROR),
        (b"\x40\x05ab", ErrorCode.COMPRESSION_ERROR),
        (b"\x82\x20", ErrorCode.COMPRESSION_ERROR),
        (b"\x21", ErrorCode.COMPRESSION_ERROR),
        (b"\x20" * 3 + b"\x82", ErrorCode.COMPRESSION_ERROR),
    ],
)
@pytest.mark.parametrize("is_stateless", [True, False])
def test_bombs_and_broken_blocks(block: bytes, code: ErrorCode, is_stateless: bool) -> None:
    reader = stateless() if is_stateless else BlockReader(65_536)
    if not is_stateless:
        reader.acknowledge()
    with pytest.raises(ConnectionFault) as fault:
        reader.read(block)

    if is_stateless:
        assert fault.value.code is code


def test_a_peer_that_keeps_its_table_after_our_settings_is_refused() -> None:
    reader = BlockReader(65_536)
    reader.read(bytes.fromhex("400a637573746f6d2d6b65790d637573746f6d2d686561646572"))
    reader.acknowledge()

    with pytest.raises(ConnectionFault) as fault:
        reader.read(b"\xbe")

    assert fault.value.code is ErrorCode.COMPRESSION_ERROR


def test_a_table_that_we_allow_is_kept() -> None:
    reader = BlockReader(65_536, table=4096)
    reader.acknowledge()
    reader.read(bytes.fromhex("400a637573746f6d2d6b65790d637573746f6d2d686561646572"))

    assert reader.read(b"\xbe") == [(b"custom-key", b"custom-header")]
    assert not reader.is_stateless


def test_a_string_alone() -> None:
    assert stateless().string(b"\x03abc") == b"abc"
    for broken in (b"", b"\x05ab", b"\x82\xff\xff"):
        with pytest.raises(ConnectionFault):
            stateless().string(broken)
