"""gRPC's rules on messages, deadlines and statuses."""

from __future__ import annotations

import gzip
import zlib
from math import inf

import hpack
import pytest

from anycable_rpc.transports.http2 import grpc_framing as messages
from anycable_rpc.transports.http2.grpc_framing import (
    GrpcError,
    GrpcStatus,
    http_refusal,
    parse_timeout,
    refusal,
    trailers,
    unframe_message,
)

from .frames import framed


def compressed(message: bytes) -> bytes:
    data = gzip.compress(message)
    return b"\1" + len(data).to_bytes(4, "big") + data


def fields(block: bytes) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in hpack.Decoder().decode(block, raw=True)]


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [
        ("1H", 3600),
        ("2M", 120),
        ("3S", 3),
        ("250m", 0.25),
        ("99999999u", 99.999999),
        ("5n", 5e-9),
        ("0S", 0),
        (None, inf),
    ],
)
def test_timeout(timeout: str, expected: float) -> None:
    assert parse_timeout(timeout) == pytest.approx(expected)


def test_timeout_is_infinite_without_the_header() -> None:
    assert parse_timeout(None) == inf


@pytest.mark.parametrize(
    "timeout", ["", "S", "1", "1s", "-1S", "+1S", "1.5S", "123456789S", "１S", " 1S", "1 S", "1SS", "x" * 10_000]
)
def test_malformed_timeout(timeout: str) -> None:
    with pytest.raises(GrpcError) as refused:
        parse_timeout(timeout)

    assert refused.value.status is GrpcStatus.INTERNAL


@pytest.mark.parametrize("message", [b"", b"x", bytes(1000)])
def test_a_message(message: bytes) -> None:
    assert unframe_message(messages.frame_message(message), "", 1000) == message
    assert unframe_message(compressed(message), "gzip", 1000) == message


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"", "", GrpcStatus.UNIMPLEMENTED),
        (b"\0\0", "", GrpcStatus.INTERNAL),
        (framed(b"abc")[:-1], "", GrpcStatus.INTERNAL),
        (framed(b"a") * 2, "", GrpcStatus.UNIMPLEMENTED),
        (framed(bytes(1001)), "", GrpcStatus.INVALID_ARGUMENT),
        (b"\0\xff\xff\xff\xff", "", GrpcStatus.INVALID_ARGUMENT),
        (b"\2\0\0\0\0", "", GrpcStatus.INTERNAL),
        (compressed(b"x"), "", GrpcStatus.INTERNAL),
        (compressed(b"x"), "identity", GrpcStatus.INTERNAL),
        (compressed(b"x"), "snappy", GrpcStatus.UNIMPLEMENTED),
        (compressed(bytes(1001)), "gzip", GrpcStatus.INVALID_ARGUMENT),
        (compressed(bytes(50_000_000)), "gzip", GrpcStatus.INVALID_ARGUMENT),
        (b"\1" + framed(b"no gzip")[1:], "gzip", GrpcStatus.INTERNAL),
        (b"\1" + framed(gzip.compress(b"cut")[:-9])[1:], "gzip", GrpcStatus.INTERNAL),
        (b"\1" + framed(gzip.compress(b"more") + b"x")[1:], "gzip", GrpcStatus.INTERNAL),
        (b"\1" + framed(zlib.compress(b"deflate"))[1:], "gzip", GrpcStatus.INTERNAL),
    ],
)
def test_malformed_message(body: bytes, encoding: str, status: GrpcStatus) -> None:
    with pytest.raises(GrpcError) as refused:
        unframe_message(body, encoding, 65_536 if len(body) > 40_000 else 1000)

    assert refused.value.status is status


@pytest.mark.parametrize(
    ("text", "written"), [("plain text!", "plain text!"), ("100 %", "100 %25"), ("é\n", "%C3%A9%0A"), ("", None)]
)
def test_a_status_with_its_text(text: str, written: str | None) -> None:
    expected = [("grpc-status", "14"), *([("grpc-message", written)] if written else [])]

    assert fields(trailers(GrpcStatus.UNAVAILABLE, text)) == expected


def test_a_refusal_is_an_answer_of_headers_alone() -> None:
    assert fields(refusal(GrpcStatus.NOT_FOUND, "no such service")) == [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-accept-encoding", "identity,gzip"),
        ("grpc-status", "5"),
        ("grpc-message", "no such service"),
    ]


@pytest.mark.parametrize(("method", "status"), [("GET", "405"), ("HEAD", "405"), ("POST", "415")])
def test_other_requests_get_http_statuses(method: str, status: str) -> None:
    assert fields(http_refusal(method))[0] == (":status", status)
