"""Headers of requests: malformed ones are refused, and the caches do not change results."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycable_rpc.transports.http2 import request_headers as heads
from anycable_rpc.transports.http2.frames import ErrorCode, StreamFault
from anycable_rpc.transports.http2.header_blocks import literal
from anycable_rpc.transports.http2.request_headers import RequestHead, RequestHeadReader, RequestLine, check_trailers

from .frames import CALL, block

Pairs = list[tuple[str, str]]
BASE: Pairs = list(CALL.items())


def reader(*, seen: bool = False) -> RequestHeadReader:
    """Return a reader whose peer has no table. `seen`: the peer has made such a call before."""
    made = RequestHeadReader(16_384)
    made.block_reader.acknowledge()
    made.block_reader.read(b"\x20")
    if seen:
        made.read(raw(BASE))
    return made


def raw(pairs: Pairs) -> bytes:
    return b"".join(literal(name, value) for name, value in pairs)


def without(name: str) -> Pairs:
    return [pair for pair in BASE if pair[0] != name]


@pytest.mark.parametrize("seen", [False, True])
class TestRequests:
    def test_a_call(self, seen: bool) -> None:
        head = reader(seen=seen).read(raw([*BASE, ("sid", "abc"), ("protov", "v1")]))

        assert head.line == RequestLine("POST", "/anycable.RPC/Connect", is_grpc=True)
        assert (head.metadata["sid"], head.metadata["protov"], head.length) == ("abc", "v1", None)
        assert head.size == sum(len(name) + len(value) + 32 for name, value in BASE) + 6 + 8 + 2 * 32

    @pytest.mark.parametrize(
        "pairs",
        [
            without(":method"),
            without(":scheme"),
            without(":path"),
            [*without(":path"), (":path", "")],
            [*BASE, (":path", "/twice")],
            [(":path", "/twice"), *BASE],
            [*BASE, (":unknown", "x")],
            [(":status", "200"), *BASE],
            [*without(":path"), ("x", "y"), (":path", "/late")],
            [*BASE, ("Sid", "upper case")],
            [*BASE, ("", "no name")],
            [*BASE, ("a b", "space")],
            [*BASE, ("a\0", "nul")],
            [*BASE, ("é", "not ASCII")],
            [*BASE, ("x", "a\r\nb")],
            [*BASE, ("x", "a\nb")],
            [*BASE, ("x", "a\0b")],
            [*BASE, ("te", "gzip")],
            [*BASE, ("connection", "close")],
            [*BASE, ("keep-alive", "1")],
            [*BASE, ("proxy-connection", "x")],
            [*BASE, ("transfer-encoding", "chunked")],
            [*BASE, ("upgrade", "h2c")],
            [*BASE, ("content-length", "x")],
            [*BASE, ("content-length", "-1")],
            [*BASE, ("content-length", "")],
            [*BASE, ("content-length", "9" * 19)],
            [],
        ],
    )
    def test_malformed_headers(self, seen: bool, pairs: Pairs) -> None:
        with pytest.raises(StreamFault) as fault:
            reader(seen=seen).read(raw(pairs))

        assert fault.value.code is ErrorCode.PROTOCOL_ERROR

    @pytest.mark.parametrize(
        ("method", "content_type", "is_grpc"),
        [
            ("POST", "application/grpc", True),
            ("POST", "application/grpc+proto", True),
            ("POST", "application/grpc;charset=utf-8", True),
            ("POST", "Application/GRPC", True),
            ("GET", "application/grpc", False),
            ("POST", "application/grpc-web", False),
            ("POST", "application/json", False),
            ("POST", "", False),
        ],
    )
    def test_which_requests_are_grpc_calls(self, seen: bool, method: str, content_type: str, is_grpc: bool) -> None:
        pairs = [*without("content-type"), ("content-type", content_type)]
        pairs = [(name, method if name == ":method" else value) for name, value in pairs]

        assert reader(seen=seen).read(raw(pairs)).line.is_grpc is is_grpc

    def test_binary_metadata_is_left_out_and_last_duplicate_wins(self, seen: bool) -> None:
        extra = [("x-bin", "AAA="), ("sid", "1"), ("sid", "2"), ("content-length", "7")]
        head = reader(seen=seen).read(raw([*BASE, *extra]))

        assert "x-bin" not in head.metadata
        assert (head.metadata["sid"], head.length) == ("2", 7)

    def test_request_without_further_headers(self, seen: bool) -> None:
        one = reader(seen=seen)

        assert one.read(raw(BASE)) == one.read(raw(BASE))

    def test_a_long_path_is_read_each_time(self, seen: bool) -> None:
        pairs = [(name, "/" + "x" * 2000 if name == ":path" else value) for name, value in BASE]
        one = reader(seen=seen)

        assert [len(one.read(raw(pairs)).line.path) for _ in range(2)] == [2001, 2001]

    def test_a_long_block_is_read_in_full(self, seen: bool) -> None:
        many = [(f"x-{number}", "v" * 100) for number in range(200)]

        head = reader(seen=seen).read(raw([*BASE, *many]))

        assert head.size > 16_384
        assert head.metadata["x-199"] == "v" * 100

    def test_long_headers_are_read_too(self, seen: bool) -> None:
        head = reader(seen=seen).read(raw([*BASE, ("n" * 200, "v" * 300), ("sid", "s" * 126), ("x", "y" * 127)]))

        assert head.metadata["n" * 200] == "v" * 300
        assert (len(head.metadata["sid"]), len(head.metadata["x"])) == (126, 127)


NAMES = st.sampled_from(
    ["sid", "protov", "grpc-timeout", "x-request-id", "te", "user-agent", "a-bin", "content-length"]
)
EXTRA = st.lists(st.tuples(NAMES, st.sampled_from(["v1", "trailers", "7", "3S", "x" * 130, "é"])), max_size=6)


def outcome(one: RequestHeadReader, data: bytes) -> RequestHead | ErrorCode:
    try:
        return one.read(data)
    except StreamFault as fault:
        return fault.code


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.permutations(BASE), EXTRA, st.booleans()), min_size=1, max_size=5))
def test_caches_do_not_change_results(requests: list[tuple[Pairs, Pairs, bool]]) -> None:
    one = reader(seen=True)
    for base, extra, huffman in requests:
        pairs = [*sorted(base, key=lambda pair: not pair[0].startswith(":")), *extra]
        data = block(pairs, huffman=huffman)

        assert outcome(one, data) == outcome(reader(), data)
        assert outcome(one, data) == outcome(reader(), data)


def test_caches_are_bounded() -> None:
    one = reader()
    for number in range(20_000):
        one.read(raw(_varied(number)))

    assert len(one._starts) <= 16
    assert len(heads._fields) <= 8192


def _varied(number: int) -> Pairs:
    path = (":path", f"/{number // 400}")
    pseudo = [path if name == ":path" else (name, value) for name, value in BASE]
    return [*pseudo, (f"x{number % 1000}", f"value {number}")]


@pytest.mark.parametrize("pair", [(b":path", b"/"), (b"connection", b"x"), (b"A", b"x"), (b"x", b"\n")])
def test_bad_trailers(pair: tuple[bytes, bytes]) -> None:
    check_trailers([(b"x-checksum", b"1")])
    with pytest.raises(StreamFault):
        check_trailers([pair])
