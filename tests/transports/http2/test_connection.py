"""A connection: sequences of frames and their results, with a case for each rule of RFC 9113 for servers."""

from __future__ import annotations

import pytest

from anycable_rpc.transports.http2 import frames
from anycable_rpc.transports.http2.connection import H2Connection
from anycable_rpc.transports.http2.events import Cancelled, CompleteRequest
from anycable_rpc.transports.http2.frames import ACK, PADDED, PREFACE, PRIORITIZED, Setting, Type, frame, window_update
from anycable_rpc.transports.http2.grpc_framing import HEADERS, OK
from anycable_rpc.transports.http2.limits import Limits
from anycable_rpc.transports.http2.request_headers import RequestHeadReader

from .frames import (
    ACKNOWLEDGED,
    CALL,
    END_HEADERS,
    END_STREAM,
    HELLO,
    SETTINGS,
    Peer,
    block,
    call,
    data,
    describe,
    framed,
    headers,
    parsed,
    resized,
)

WHOLE = END_HEADERS | END_STREAM
PATH = "/anycable.RPC/Connect"
NONE = block([(":path", "/")])
OF_ONE = block([*CALL.items(), ("content-length", "1")])
LONG = block([*CALL.items(), ("x", "y" * 400)])
CANCEL = frames.reset(1, frames.ErrorCode.CANCEL)
PING = frame(Type.PING, 0, 0, bytes(8))


def goaway(*, last: int = 0, code: frames.ErrorCode = frames.ErrorCode.NO_ERROR) -> bytes:
    return frames.goaway(last, code)


class TestGreeting:
    def test_our_settings_come_first(self) -> None:
        settings, window = parsed(H2Connection().take())

        assert settings.settings == {1: 0, 3: 1000, 4: 4 * 2**20 + 5, 6: 16_384}  # type: ignore[attr-defined]
        assert window.window_increment == 16 * 2**20 - 65_535  # type: ignore[attr-defined]

    def test_the_peers_are_acknowledged(self) -> None:
        connection = H2Connection()
        connection.take()

        connection.receive(HELLO)

        assert describe(connection.take()) == ["Settings 0 ACK"]

    @pytest.mark.parametrize(
        "garbage",
        [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"\0" * 100, PREFACE[:-1] + b"x", b"PRI * HTTP/1"],
    )
    def test_other_protocols_end_at_once(self, garbage: bytes) -> None:
        connection = H2Connection()
        connection.take()

        connection.receive(garbage)

        assert describe(connection.take()) == ["GoAway 0 PROTOCOL_ERROR"]
        assert connection.is_closed
        assert connection.receive(HELLO) == []

    @pytest.mark.parametrize("first", [headers(1), ACKNOWLEDGED, frame(Type.PING, 0, 0, b"12345678"), frame(99, 0, 0)])
    def test_the_first_frame_is_settings(self, first: bytes) -> None:
        assert Peer(hello=PREFACE).send(first) == ["GoAway 0 PROTOCOL_ERROR"]


class TestRequests:
    def test_a_call_and_its_answer(self) -> None:
        peer = Peer()
        peer.send(call(1))
        request = peer.events[0]
        assert isinstance(request, CompleteRequest)
        peer.connection.respond(1, HEADERS, framed(b"yes"), OK)

        assert (request.stream, request.head.line.path, request.body) == (1, PATH, framed(b"hi"))
        assert describe(peer.connection.take()) == [
            "Headers 1 END_HEADERS",
            "Data 1",
            "Headers 1 END_HEADERS END_STREAM",
        ]
        assert peer.is_clean

    def test_padding_priority_continuation_and_trailers(self) -> None:
        peer, one = Peer(), block()
        padded = bytes((3,)) + b"\0\0\0\0\x10" + one[:10] + b"\0\0\0"
        answers = peer.send(
            frame(Type.HEADERS, PADDED | PRIORITIZED, 1, padded),
            frame(Type.CONTINUATION, 0, 1, one[10:20]),
            frame(Type.CONTINUATION, END_HEADERS, 1, one[20:]),
            frame(Type.DATA, PADDED, 1, b"\x02" + framed(b"hello") + b"\0\0"),
            frame(Type.DATA, 0, 1, b""),
            headers(1, block([("x-checksum", "1")]), WHOLE),
        )

        assert answers == ["WindowUpdate 1"]  # what padding has taken
        assert [one.body for one in peer.events if isinstance(one, CompleteRequest)] == [framed(b"hello")]

    def test_a_message_in_many_frames(self) -> None:
        peer, message = Peer(), bytes(range(256)) * 200
        pieces = [framed(message)[start : start + 1000] for start in range(0, len(message) + 5, 1000)]
        peer.send(headers(1), *[data(1, piece, 0) for piece in pieces[:-1]], data(1, pieces[-1]))

        assert [one.body for one in peer.events if isinstance(one, CompleteRequest)] == [framed(message)]
        assert peer.connection.streams.buffered == 0

    def test_unknown_frame_is_ignored(self) -> None:
        assert Peer().send(frame(99, 0, 7, b"x")) == []

    def test_matching_content_length(self) -> None:
        peer = Peer()
        peer.send(headers(1, block([*CALL.items(), ("content-length", "7")])), data(1, framed(b"hi")))

        assert len(peer.events) == 1

    def test_headers_above_the_limit_are_marked_too_large(self) -> None:
        peer = Peer()
        peer.send(headers(1, block([*CALL.items(), ("x", "y" * 16_150)], huffman=False), WHOLE))

        assert [one.is_too_large for one in peer.events if isinstance(one, CompleteRequest)] == [True]

    @pytest.mark.parametrize(("size", "is_too_large"), [(100, False), (101, True)])
    def test_a_message_at_the_limit_and_beyond(self, size: int, is_too_large: bool) -> None:
        peer = Peer(Limits(message=100))
        peer.send(headers(1), data(1, framed(bytes(size))[:60], 0))
        if not is_too_large:
            peer.send(data(1, framed(bytes(size))[60:]))

        assert [one.is_too_large for one in peer.events if isinstance(one, CompleteRequest)] == [is_too_large]

    def test_rest_of_too_large_message_is_ignored(self) -> None:
        peer = Peer(Limits(message=100))
        peer.send(headers(1), data(1, framed(bytes(200))[:60], 0))
        peer.connection.refuse(1, HEADERS + OK)

        assert describe(peer.connection.take()) == ["Headers 1 END_HEADERS END_STREAM", "RstStream 1 NO_ERROR"]
        assert peer.send(data(1, b"more", 0), headers(1, block([("x", "y")]), WHOLE)) == []
        assert peer.is_clean

    def test_rest_is_ignored_even_after_many_other_calls(self) -> None:
        peer = Peer(Limits(message=100))
        peer.send(headers(1), data(1, framed(bytes(200))[:60], 0))
        peer.connection.refuse(1, HEADERS + OK)
        for stream in range(3, 1003, 2):
            peer.send(call(stream))
            peer.connection.respond(stream, HEADERS, b"x", OK)
        peer.connection.take()

        assert peer.send(data(1, b"more", 0)) == []

    def test_bytes_of_all_streams_are_bounded(self) -> None:
        peer = Peer(Limits(buffered=2000))
        peer.send(*[headers(stream) + data(stream, framed(bytes(600))[:500], 0) for stream in (1, 3, 5)])
        kept = 500 + RequestHeadReader(16_384).read(block()).size

        assert [one.stream for one in peer.events if isinstance(one, CompleteRequest) and one.is_too_large] == [5]
        assert peer.connection.streams.buffered == 2 * kept

    def test_headers_of_incomplete_requests_count(self) -> None:
        peer = Peer(Limits(buffered=1000))
        peer.send(headers(1, LONG), headers(3, LONG))

        assert [one.stream for one in peer.events if isinstance(one, CompleteRequest) and one.is_too_large] == [3]

    def test_a_stream_above_the_limit_is_refused(self) -> None:
        peer = Peer(Limits(streams=2))

        assert peer.send(headers(1), headers(3), headers(5)) == ["RstStream 5 REFUSED_STREAM"]
        assert peer.send(data(5, b"x", 0)) == []

    def test_the_connections_window_is_opened_again(self) -> None:
        peer = Peer(Limits(message=2**30, buffered=2**30, unproductive_frames=10**6))
        frames_of_16k = 16 * 2**20 // 2 // 16_384 + 1
        answers = peer.send(headers(1), *[data(1, bytes(16_384), 0)] * frames_of_16k)

        assert answers == ["WindowUpdate 0"]


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        pytest.param(headers(2), "GoAway 0 PROTOCOL_ERROR", id="an even stream"),
        pytest.param(headers(0), "GoAway 0 PROTOCOL_ERROR", id="headers on stream 0"),
        pytest.param(headers(5) + headers(3), "GoAway 0 PROTOCOL_ERROR", id="a stream below the last"),
        pytest.param(data(0, b"x"), "GoAway 0 PROTOCOL_ERROR", id="data on stream 0"),
        pytest.param(data(1, b"x"), "GoAway 0 PROTOCOL_ERROR", id="data before headers"),
        pytest.param(headers(1, flags=WHOLE) + data(1, b"x"), "RstStream 1 STREAM_CLOSED", id="data after the end"),
        pytest.param(headers(1, flags=WHOLE) * 2, "RstStream 1 STREAM_CLOSED", id="headers after the end"),
        pytest.param(headers(1) + headers(1, block([("x", "y")])), "RstStream 1 PROTOCOL_ERROR",
                     id="trailers that do not end"),
        pytest.param(headers(1) * 2, "RstStream 1 PROTOCOL_ERROR", id="trailers with a path"),
        pytest.param(frame(Type.RST_STREAM, 0, 1, bytes(4)), "GoAway 0 PROTOCOL_ERROR", id="reset of nothing"),
        pytest.param(frame(Type.RST_STREAM, 0, 0, bytes(4)), "GoAway 0 PROTOCOL_ERROR", id="reset of stream 0"),
        pytest.param(headers(1) + frame(Type.RST_STREAM, 0, 1, b"abc"), "GoAway 0 FRAME_SIZE_ERROR", id="short one"),
        pytest.param(headers(1) + CANCEL + data(1, b"x"), "GoAway 0 STREAM_CLOSED",
                     id="data after their reset"),
        pytest.param(headers(1) + CANCEL + headers(1), "GoAway 0 STREAM_CLOSED",
                     id="headers after their reset"),
        pytest.param(frame(Type.SETTINGS, 0, 1), "GoAway 0 PROTOCOL_ERROR", id="settings of a stream"),
        pytest.param(frame(Type.SETTINGS, 0, 0, bytes(5)), "GoAway 0 FRAME_SIZE_ERROR", id="settings of 5 bytes"),
        pytest.param(frame(Type.SETTINGS, ACK, 0, bytes(6)), "GoAway 0 FRAME_SIZE_ERROR", id="an ACK with settings"),
        pytest.param(frames.settings({Setting.ENABLE_PUSH: 2}), "GoAway 0 PROTOCOL_ERROR", id="push of 2"),
        pytest.param(resized(2**31), "GoAway 0 FLOW_CONTROL_ERROR", id="too large a window"),
        pytest.param(frames.settings({Setting.MAX_FRAME_SIZE: 16_383}), "GoAway 0 PROTOCOL_ERROR", id="small frames"),
        pytest.param(frames.settings({Setting.MAX_FRAME_SIZE: 2**24}), "GoAway 0 PROTOCOL_ERROR", id="large frames"),
        pytest.param(frame(Type.PUSH_PROMISE, 0, 1, bytes(4)), "GoAway 0 PROTOCOL_ERROR", id="a promise"),
        pytest.param(frame(Type.PING, 0, 1, bytes(8)), "GoAway 0 PROTOCOL_ERROR", id="ping of a stream"),
        pytest.param(frame(Type.PING, 0, 0, bytes(7)), "GoAway 0 FRAME_SIZE_ERROR", id="ping of 7 bytes"),
        pytest.param(frame(Type.GOAWAY, 0, 1, bytes(8)), "GoAway 0 PROTOCOL_ERROR", id="goaway of a stream"),
        pytest.param(frame(Type.GOAWAY, 0, 0, bytes(7)), "GoAway 0 FRAME_SIZE_ERROR", id="short goaway"),
        pytest.param(frame(Type.WINDOW_UPDATE, 0, 0, bytes(3)), "GoAway 0 FRAME_SIZE_ERROR", id="short window"),
        pytest.param(window_update(0, 0), "GoAway 0 PROTOCOL_ERROR", id="nothing more"),
        pytest.param(headers(1) + window_update(1, 0), "RstStream 1 PROTOCOL_ERROR", id="nothing more of a stream"),
        pytest.param(window_update(1, 1), "GoAway 0 PROTOCOL_ERROR", id="a window of nothing"),
        pytest.param(window_update(0, 2**31 - 1), "GoAway 0 FLOW_CONTROL_ERROR", id="overflow"),
        pytest.param(headers(1) + window_update(1, 2**31 - 1), "RstStream 1 FLOW_CONTROL_ERROR", id="of a stream"),
        pytest.param(headers(1) + window_update(1, 2**30) + resized(2**31 - 1), "GoAway 0 FLOW_CONTROL_ERROR",
                     id="overflow by settings"),
        pytest.param(frame(Type.PRIORITY, 0, 0, bytes(5)), "GoAway 0 PROTOCOL_ERROR", id="priority of stream 0"),
        pytest.param(headers(1) + frame(Type.PRIORITY, 0, 1, bytes(4)), "RstStream 1 FRAME_SIZE_ERROR", id="short"),
        pytest.param(headers(1) + frame(Type.PRIORITY, 0, 1, b"\0\0\0\1\0"), "RstStream 1 PROTOCOL_ERROR", id="self"),
        pytest.param(frame(Type.HEADERS, PRIORITIZED | WHOLE, 1, b"\0\0\0\1\0" + block()), "GoAway 0 PROTOCOL_ERROR",
                     id="headers of itself"),
        pytest.param(frame(Type.HEADERS, PRIORITIZED | WHOLE, 1, b"\0"), "GoAway 0 FRAME_SIZE_ERROR", id="cut"),
        pytest.param(frame(Type.HEADERS, PADDED | WHOLE, 1, b"\x05abc"), "GoAway 0 PROTOCOL_ERROR", id="all padding"),
        pytest.param(frame(Type.HEADERS, PADDED | WHOLE, 1, b""), "GoAway 0 PROTOCOL_ERROR", id="padding of nothing"),
        pytest.param(frame(Type.CONTINUATION, END_HEADERS, 1, b""), "GoAway 0 PROTOCOL_ERROR", id="no block begun"),
        pytest.param(headers(1, flags=0) + data(1, b""), "GoAway 0 PROTOCOL_ERROR", id="data in a block"),
        pytest.param(headers(1, flags=0) + frame(99, 0, 0), "GoAway 0 PROTOCOL_ERROR", id="anything in a block"),
        pytest.param(headers(1, flags=0) + frame(Type.CONTINUATION, 0, 3, b""), "GoAway 0 PROTOCOL_ERROR", id="wrong"),
        pytest.param(headers(1, b"\x80", WHOLE), "GoAway 0 COMPRESSION_ERROR", id="no block"),
        pytest.param(headers(1, NONE, WHOLE), "RstStream 1 PROTOCOL_ERROR", id="no request"),
        pytest.param(headers(1) + headers(1, NONE, WHOLE), "RstStream 1 PROTOCOL_ERROR", id="trailers"),
        pytest.param(headers(1, OF_ONE) + data(1, b"ab"), "RstStream 1 PROTOCOL_ERROR", id="another length"),
        pytest.param(b"\0\x40\x01\0\0\0\0\0\1" + bytes(16_385), "GoAway 0 FRAME_SIZE_ERROR", id="too large a frame"),
    ],
)  # fmt: skip
def test_a_broken_rule_has_its_code(sent: bytes, answer: str) -> None:
    peer = Peer()

    assert peer.send(sent)[-1] == answer
    assert peer.connection.is_closed is answer.startswith("GoAway")


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([call(3), call(5), call(7)], id="calls"),
        pytest.param([call(3), window_update(0, 9), call(5), PING, call(7)], id="with others between"),
        pytest.param([call(3), headers(5), headers(7), call(9), data(7, framed(b"7")), data(5, b"5")], id="mixed"),
        pytest.param([call(3), call(9), call(11), headers(5, flags=WHOLE)], id="a gap"),
        pytest.param([call(3), call(4)], id="an even number"),
        pytest.param([call(3), frame(Type.PRIORITY, 0, 5, b"x"), call(5), call(7)], id="one that was reset before"),
        pytest.param([call(3), call(3)], id="the same again"),
        pytest.param([call(3), call(1)], id="an older one"),
        pytest.param([call(stream) for stream in range(3, 15, 2)], id="too many"),
        pytest.param([call(3), headers(5, NONE) + data(5, b"x"), call(7)], id="no request"),
        pytest.param([call(3), headers(5, b"\x80") + data(5, b"x"), call(7)], id="no block"),
        pytest.param([call(3), headers(5, OF_ONE) + data(5, b"x"), call(7)], id="a length"),
        pytest.param([call(3), headers(5, OF_ONE) + data(5, b"xx"), call(7)], id="another length"),
        pytest.param([call(3), headers(5) + data(5, bytes(106)), call(7)], id="too much data"),
        pytest.param([call(3), headers(5) + data(5, b"x", 0), call(7), data(5, b"y")], id="data that goes on"),
        pytest.param([call(3), headers(5) + data(7, b"x"), call(7)], id="data of another stream"),
        pytest.param([call(3), headers(5, flags=0) + data(5, b"x"), call(7)], id="a block that goes on"),
        pytest.param([call(3), headers(5, flags=WHOLE), call(7)], id="no data"),
        pytest.param([call(3), headers(5, LONG) + data(5, b"x")], id="much to read"),
        pytest.param([call(3), b"\0\x40\x01\1\4\0\0\0\5" + bytes(16_385) + data(5, b"x")], id="too large a frame"),
    ],
)  # fmt: skip
def test_fast_path_and_slow_path_agree(pieces: list[bytes]) -> None:
    def outcome(*parts: bytes) -> tuple[list[CompleteRequest | Cancelled], bytes, int]:
        peer, output = Peer(Limits(message=100, streams=6, headers=500)), b""
        peer.send(call(1))
        peer.connection.respond(1, HEADERS, b"x", OK)
        peer.connection._requests._window = 9 * 2**20  # one half of it is not far
        for part in parts:
            peer.events += peer.connection.receive(part)
            output += peer.connection.take()
        return peer.events, output, peer.connection._requests._window

    whole = b"".join(pieces)

    assert outcome(whole) == outcome(*pieces) == outcome(*[whole[place : place + 1] for place in range(len(whole))])


def test_stream_reset_before_it_was_opened_is_ignored() -> None:
    peer = Peer()
    peer.send(call(1))

    assert peer.send(frame(Type.PRIORITY, 0, 3, b"x"), call(3), call(5)) == ["RstStream 3 FRAME_SIZE_ERROR"]
    assert [event.stream for event in peer.events] == [1, 5]
    assert set(peer.connection.streams.open) == {1, 5}


def test_connection_ends_if_a_request_trickles_in() -> None:
    peer = Peer()
    peer.send(call(1))
    peer.connection.respond(1, HEADERS, b"x", OK)
    peer.send(call(3)[:9])

    for byte in range(9, 12):
        assert not peer.connection.is_closed
        peer.seconds(7)
        peer.send(call(3)[byte : byte + 1])

    assert peer.connection.is_closed


def test_the_window_is_opened_again_before_it_is_used_up() -> None:
    peer, answers = Peer(), list[str]()
    for stream in range(1, 2001, 2):
        answers += peer.send(headers(stream), data(stream, bytes(16_384)))
        peer.connection.respond(stream, HEADERS, b"x", OK)

    assert answers.count("WindowUpdate 0") == 1
    assert 8 * 2**20 <= peer.connection._requests._window <= 16 * 2**20


def test_skipped_stream_number_differs_from_ended_stream() -> None:
    left_out, ended = Peer(), Peer()
    for peer in (left_out, ended):
        for stream in range(1, 9000, 4):
            peer.send(call(stream))
            peer.connection.respond(stream, HEADERS, b"x", OK)
        peer.connection.take()

    assert left_out.send(headers(8995)) == ["GoAway 0 PROTOCOL_ERROR"]
    assert ended.send(headers(8997)) == ["GoAway 0 STREAM_CLOSED"]
    assert len(ended.connection.streams.closed.skipped) <= 128


def test_more_than_the_streams_window_ends_the_stream() -> None:
    peer = Peer(Limits(message=100))
    plain = block([(name, "text/plain" if name == "content-type" else value) for name, value in CALL.items()])

    assert peer.send(headers(1, plain), data(1, bytes(60), 0), data(1, bytes(60), 0)) == [
        "RstStream 1 FLOW_CONTROL_ERROR"
    ]


def test_more_than_the_connections_window_ends_it() -> None:
    peer = Peer()
    peer.connection._requests._window = 10

    assert peer.send(headers(1), data(1, bytes(11), 0)) == ["GoAway 0 FLOW_CONTROL_ERROR"]


OF_SEVEN = block([*CALL.items(), ("content-length", "7")])
TRAILERS = block([("x-checksum", "1")])
AFTER = {
    "its data": (data(1, b"7 bytes"), []),
    "its data, in two frames": (data(1, b"7", 0) + data(1, b" bytes"), []),
    "its trailers": (data(1, b"7 bytes", 0) + headers(1, TRAILERS, WHOLE), []),
    "less than its content-length": (data(1, b"6 byte"), ["RstStream 1 PROTOCOL_ERROR"]),
    "more than its content-length": (data(1, b"8", 0) + data(1, b"7 bytes"), ["RstStream 1 PROTOCOL_ERROR"]),
    "other headers": (headers(1, TRAILERS), ["RstStream 1 PROTOCOL_ERROR"]),
    "a path in its trailers": (headers(1, NONE, WHOLE), ["RstStream 1 PROTOCOL_ERROR"]),
    "data after its end": (data(1, b"7 bytes") + data(1, b"8"), ["GoAway 0 STREAM_CLOSED"]),
    "a reset": (CANCEL, []),
    "data after a reset": (CANCEL + data(1, b"7 bytes"), ["GoAway 0 STREAM_CLOSED"]),
    "headers after a reset": (CANCEL + headers(1, TRAILERS, WHOLE), ["GoAway 0 STREAM_CLOSED"]),
    "a window that is too large": (window_update(1, 2**31 - 1), ["RstStream 1 FLOW_CONTROL_ERROR"]),
    "more than half of its window": (data(1, bytes(60), 0) + data(1, bytes(60), 0), ["RstStream 1 NO_ERROR"]),
    "far more than its window": (data(1, bytes(60), 0) * 9, ["RstStream 1 NO_ERROR"]),
}


class TestRefusedByItsHeaders:
    """A request that is not served is answered before its end. Its further frames are checked, but not kept."""

    @pytest.mark.parametrize("after", AFTER)
    def test_frames_after_the_answer(self, after: str) -> None:
        peer = Peer(Limits(message=100), serves=lambda line: False)
        peer.send(headers(1, OF_SEVEN))
        peer.connection.refuse(1, HEADERS + OK)
        answer = describe(peer.connection.take())
        pieces, faults = AFTER[after]

        assert answer == ["Headers 1 END_HEADERS END_STREAM"]
        assert peer.send(pieces) == faults
        assert [type(event) for event in peer.events] == [CompleteRequest]
        assert not peer.connection.streams.open

    @pytest.mark.parametrize("after", [name for name, (_, faults) in AFTER.items() if faults])
    def test_frames_before_the_answer(self, after: str) -> None:
        """Frames may come in the same read as the headers."""
        peer = Peer(Limits(message=100), serves=lambda line: False)
        pieces, faults = AFTER[after]
        words = peer.send(headers(1, OF_SEVEN), pieces)
        peer.connection.refuse(1, HEADERS + OK)
        words += describe(peer.connection.take())

        expected = ["RstStream 1 STREAM_CLOSED"] if after == "data after its end" else faults
        assert [word for word in words if not word.startswith("Headers")] == expected

    def test_number_of_remembered_streams_is_bounded(self) -> None:
        peer = Peer(serves=lambda line: False)
        streams = range(1, 301, 2)
        words: list[str] = []
        for stream in streams:
            peer.send(headers(stream))
            peer.connection.refuse(stream, HEADERS + OK)
            words += describe(peer.connection.take())

        assert [word for word in words if "Rst" in word] == [f"RstStream {stream} NO_ERROR" for stream in streams[128:]]


class TestAnswers:
    def answered(self, peer: Peer, size: int) -> list[str]:
        peer.connection.respond(1, HEADERS, framed(bytes(size)), OK)
        return describe(peer.connection.take())

    def test_large_answer_is_sent_as_far_as_the_windows_allow(self) -> None:
        peer = Peer()
        peer.send(call(1))

        assert self.answered(peer, 100_000) == ["Headers 1 END_HEADERS", *["Data 1"] * 4]
        assert peer.send(window_update(1, 10)) == []  # the connection's is shut too
        assert peer.send(window_update(0, 100_000)) == ["Data 1"]
        assert peer.send(window_update(1, 50_000)) == ["Data 1", "Data 1", "Data 1", "Headers 1 END_HEADERS END_STREAM"]
        assert peer.is_clean

    def test_frame_size_follows_the_peers_setting(self) -> None:
        peer = Peer()
        peer.send(frames.settings({Setting.MAX_FRAME_SIZE: 65_536}), call(1))

        assert self.answered(peer, 60_000) == ["Headers 1 END_HEADERS", "Data 1", "Headers 1 END_HEADERS END_STREAM"]

    def test_a_window_may_be_negative(self) -> None:
        peer = Peer()
        peer.send(call(1))
        self.answered(peer, 70_000)

        assert peer.send(resized(10), window_update(0, 10**6)) == ["Settings 0 ACK"]
        assert peer.send(window_update(1, 65_000)) == []
        assert peer.send(window_update(1, 10**6)) == ["Data 1", "Headers 1 END_HEADERS END_STREAM"]

    def test_settings_may_open_the_window(self) -> None:
        peer = Peer(hello=PREFACE + resized(0) + ACKNOWLEDGED)
        peer.send(call(1), call(3))
        self.answered(peer, 10)
        peer.connection.respond(3, HEADERS, framed(b""), OK)
        peer.connection.take()

        answers = peer.send(resized(100))

        assert answers[0] == "Settings 0 ACK"
        assert answers[1:] == [
            "Data 1",
            "Headers 1 END_HEADERS END_STREAM",
            "Data 3",
            "Headers 3 END_HEADERS END_STREAM",
        ]
        assert peer.is_clean

    def test_streamed_answer_ends_with_trailers(self) -> None:
        peer = Peer()
        peer.send(call(1))
        for _ in range(2):
            peer.connection.respond(1, HEADERS, b"more", None)
        peer.connection.respond(1, HEADERS, b"last", OK)

        answers = describe(peer.connection.take())
        assert answers == ["Headers 1 END_HEADERS", *["Data 1"] * 3, "Headers 1 END_HEADERS END_STREAM"]

    def test_answer_without_trailers_ends_with_its_data(self) -> None:
        peer = Peer()
        peer.send(call(1))
        peer.connection.respond(1, HEADERS, b"text", b"")

        assert describe(peer.connection.take()) == ["Headers 1 END_HEADERS", "Data 1 END_STREAM"]

    def test_answer_to_a_cancelled_stream_is_dropped(self) -> None:
        peer = Peer()
        peer.send(call(1), CANCEL)
        peer.connection.respond(1, HEADERS, b"x", OK)
        peer.connection.refuse(1, HEADERS)

        assert peer.connection.take() == b""
        assert peer.events[-1] == Cancelled(1)
        assert peer.send(window_update(1, 5)) == []

    def test_unread_answers_are_bounded(self) -> None:
        peer = Peer(Limits(buffered=1000), PREFACE + resized(0) + ACKNOWLEDGED)
        peer.send(call(1), call(3), call(5))
        for stream in (1, 3, 5):
            peer.connection.respond(stream, HEADERS, bytes(400), OK)

        assert peer.connection.is_closed
        assert describe(peer.connection.take())[-1] == "GoAway 0 ENHANCE_YOUR_CALM"

    def test_reset_drops_waiting_data(self) -> None:
        peer = Peer(hello=PREFACE + resized(0) + ACKNOWLEDGED)
        peer.send(call(1))
        self.answered(peer, 10)
        peer.send(CANCEL)

        assert peer.is_clean


class TestDrain:
    def test_peer_gets_goaway_twice_and_open_streams_are_served(self) -> None:
        peer = Peer()
        peer.send(call(1))
        peer.connection.drain()
        peer.connection.drain()
        announced = parsed(peer.connection.take())
        peer.send(call(3))
        final = peer.send(frame(Type.PING, ACK, 0, b"draining"))
        late = peer.send(call(5), data(5, b"x", 0))
        for stream in (1, 3):
            assert not peer.connection.is_closed
            peer.connection.respond(stream, HEADERS, b"x", OK)

        assert [type(one).__name__ for one in announced] == ["GoAwayFrame", "PingFrame"]
        assert announced[0].last_stream_id == 2**31 - 1  # type: ignore[attr-defined]
        assert (final, late) == (["GoAway 0 NO_ERROR"], [])
        assert [one.stream for one in peer.events if isinstance(one, CompleteRequest)] == [1, 3]
        assert peer.connection.is_closed

    def test_drain_continues_without_an_answer_to_the_ping(self) -> None:
        peer = Peer()
        peer.connection.drain()
        peer.connection.take()

        assert peer.seconds(4) == []
        assert peer.seconds(2) == ["GoAway 0 NO_ERROR"]
        assert peer.connection.is_closed

    def test_drained_connection_ends_although_a_request_is_incomplete(self) -> None:
        peer = Peer()
        peer.send(headers(1), data(1, b"\0\0", 0), data(1, b"cut")[:-1])
        peer.connection.refuse_new()
        peer.connection.refuse_new()

        assert peer.seconds(100) == ["GoAway 0 NO_ERROR", "RstStream 1 CANCEL"]
        assert peer.connection.is_closed

    def test_answer_to_another_ping_is_ignored(self) -> None:
        peer = Peer()

        assert peer.send(frame(Type.PING, ACK, 0, b"draining")) == []
        assert not peer.connection.is_closed

    def test_peer_that_sends_goaway_is_served_to_the_end(self) -> None:
        peer = Peer()

        assert peer.send(call(1), goaway()) == []
        assert not peer.connection.is_closed


class TestSlowPeers:
    def test_a_request_that_does_not_end_is_reset(self) -> None:
        peer = Peer()
        peer.send(headers(1), data(1, b"\0\0", 0))

        assert peer.seconds(20) == []
        assert peer.seconds(1) == ["RstStream 1 CANCEL"]
        assert peer.events == [Cancelled(1)]
        assert peer.is_clean

    def test_unread_answer_is_reset(self) -> None:
        peer = Peer(hello=PREFACE + resized(0) + ACKNOWLEDGED)
        peer.send(call(1))
        peer.connection.respond(1, HEADERS, b"x", OK)
        peer.connection.take()

        assert peer.seconds(21) == ["RstStream 1 CANCEL"]

    def test_streamed_answer_is_not_reset(self) -> None:
        peer = Peer()
        peer.send(call(1))
        peer.connection.respond(1, HEADERS, b"x", None)
        peer.connection.take()

        assert peer.seconds(100) == []

    @pytest.mark.parametrize(
        "hello",
        [b"", PREFACE, PREFACE[:5], HELLO + b"\0\0", HELLO + headers(1, flags=0), HELLO + headers(1)[:-1]],
        ids=["nothing", "preface", "half a preface", "half a frame", "half a block", "all but a byte"],
    )
    def test_incomplete_frame_or_block_ends_the_connection(self, hello: bytes) -> None:
        peer = Peer(hello=hello)

        assert peer.seconds(20) == []
        assert peer.seconds(1) == ["GoAway 0 ENHANCE_YOUR_CALM"]
        assert peer.seconds(100) == []

    def test_a_byte_a_second_does_not_help(self) -> None:
        peer = Peer()
        for byte in headers(1)[:25]:
            peer.connection.receive(bytes((byte,)))
            peer.seconds(1)

        assert peer.connection.is_closed

    def test_silent_peer_is_pinged_and_then_dropped(self) -> None:
        peer = Peer()

        assert peer.seconds(119) == []
        assert peer.seconds(1) == ["Ping 0"]
        assert peer.seconds(20) == []
        assert peer.seconds(1) == ["GoAway 0 NO_ERROR"]

    def test_peer_that_answers_the_ping_stays(self) -> None:
        peer = Peer()
        peer.seconds(120)
        peer.send(frame(Type.PING, ACK, 0, b"are you?"))

        assert peer.seconds(119) == []
        assert not peer.connection.is_closed


FLOODS = {
    "settings": SETTINGS,
    "acknowledgements": ACKNOWLEDGED,
    "pings": PING,
    "answers to no ping": frame(Type.PING, ACK, 0, bytes(8)),
    "priority": frame(Type.PRIORITY, 0, 1, b"\0\0\0\3\0"),
    "window of 1": window_update(0, 1),
    "unknown frames": frame(99, 0, 0),
    "goaway": goaway(),
}


class TestFloods:
    @pytest.mark.parametrize("flood", FLOODS)
    def test_unproductive_frames_end_the_connection(self, flood: str) -> None:
        assert Peer().send(FLOODS[flood] * 3000)[-1] == "GoAway 0 ENHANCE_YOUR_CALM"

    @pytest.mark.parametrize("flood", FLOODS)
    def test_a_few_are_accepted(self, flood: str) -> None:
        peer = Peer()
        for _ in range(60):
            peer.send(FLOODS[flood] * 40)
            peer.seconds(1)

        assert not peer.connection.is_closed

    def test_rapid_reset(self) -> None:
        peer = Peer()
        answers = peer.send(
            *[call(stream) + frames.reset(stream, frames.ErrorCode.CANCEL) for stream in range(1, 9001, 2)]
        )

        assert answers == ["GoAway 0 ENHANCE_YOUR_CALM"]
        assert len([one for one in peer.events if isinstance(one, CompleteRequest)]) <= 201
        assert peer.is_clean

    def test_resets_of_older_calls_are_accepted(self) -> None:
        peer = Peer()
        for first in range(1, 2001, 200):
            streams = range(first, first + 200, 2)
            peer.send(*[call(stream) for stream in streams])
            peer.seconds(3)
            peer.send(*[frames.reset(stream, frames.ErrorCode.CANCEL) for stream in streams])

        assert not peer.connection.is_closed

    def test_resets_of_answered_calls_are_accepted(self) -> None:
        peer = Peer()
        for stream in range(1, 2001, 2):
            peer.send(call(stream))
            peer.connection.respond(stream, HEADERS, b"x", OK)
            peer.send(frames.reset(stream, frames.ErrorCode.CANCEL))

        assert not peer.connection.is_closed

    def test_refused_calls_pay_for_unproductive_frames(self) -> None:
        peer = Peer()
        for stream in range(1, 4001, 2):
            peer.send(call(stream), PING, window_update(0, 100), PING)
            peer.connection.refuse(stream, HEADERS + OK)

        assert not peer.connection.is_closed

    def test_an_answer_does_not_pay_for_a_reset_of_a_young_call(self) -> None:
        peer = Peer()
        for stream in range(1, 8001, 4):
            peer.send(call(stream), call(stream + 2), frames.reset(stream, frames.ErrorCode.CANCEL))
            peer.connection.refuse(stream + 2, HEADERS + OK)

        assert peer.connection.is_closed

    def test_malformed_requests(self) -> None:
        answers = Peer().send(*[headers(stream, NONE, WHOLE) for stream in range(1, 9001, 2)])

        assert answers[-1] == "GoAway 0 ENHANCE_YOUR_CALM"
        assert len(answers) <= 202

    @pytest.mark.parametrize("piece", [b"", b"\x82" * 10, b"\0\1a\1b" * 3000])
    def test_a_block_without_end(self, piece: bytes) -> None:
        answers = Peer().send(headers(1, flags=0), frame(Type.CONTINUATION, 0, 1, piece) * 3000)

        assert answers == ["GoAway 0 ENHANCE_YOUR_CALM"]

    @pytest.mark.parametrize("piece", [b"", b"x"])
    def test_tiny_data_frames(self, piece: bytes) -> None:
        assert Peer().send(headers(1), data(1, piece, 0) * 3000) == ["GoAway 0 ENHANCE_YOUR_CALM"]

    def test_padding_alone(self) -> None:
        flood = frame(Type.DATA, PADDED, 1, b"\xff" + bytes(255)) * 3000

        assert Peer().send(headers(1), flood)[-1] == "GoAway 0 ENHANCE_YOUR_CALM"

    def test_data_for_streams_that_have_ended(self) -> None:
        peer = Peer(Limits(message=100))
        peer.send(headers(1), data(1, framed(bytes(200))[:60], 0))
        peer.connection.refuse(1, HEADERS + OK)

        assert peer.send(data(1, b"x", 0) * 3000)[-1] == "GoAway 0 ENHANCE_YOUR_CALM"

    def test_streams_above_the_last_one(self) -> None:
        peer = Peer()
        peer.send(headers(1))
        peer.connection.refuse_new()
        peer.connection.take()

        assert peer.send(*[headers(stream) for stream in range(3, 9001, 2)])[-1] == "GoAway 0 ENHANCE_YOUR_CALM"

    @pytest.mark.parametrize("key", [Setting.INITIAL_WINDOW_SIZE, 99])
    def test_settings_of_many_values(self, key: int) -> None:
        peer, many = Peer(), (key.to_bytes(2, "big") + (70_000).to_bytes(4, "big")) * 2730

        answers = peer.send(frame(Type.SETTINGS, 0, 0, many) * 100)

        assert answers[-1] == "GoAway 0 ENHANCE_YOUR_CALM"
        assert len(answers) < 10

    def test_the_last_window_of_a_frame_counts_and_each_is_checked(self) -> None:
        peer = Peer(hello=PREFACE + resized(0) + ACKNOWLEDGED)
        peer.send(call(1))
        peer.connection.respond(1, HEADERS, bytes(60), OK)
        peer.connection.take()
        low, high = ((4).to_bytes(2, "big") + size.to_bytes(4, "big") for size in (10, 2**31 - 1))

        assert peer.send(frame(Type.SETTINGS, 0, 0, high + low)) == ["Settings 0 ACK", "Data 1"]
        assert peer.send(window_update(1, 2**31 - 1), frame(Type.SETTINGS, 0, 0, high + low)) == [
            "Data 1", "Headers 1 END_HEADERS END_STREAM", "Settings 0 ACK",
        ]  # fmt: skip
        assert peer.send(call(3), window_update(3, 1), frame(Type.SETTINGS, 0, 0, high + low)) == [
            "GoAway 0 FLOW_CONTROL_ERROR"
        ]

    @pytest.mark.parametrize(
        "piece", [window_update(0, 1), resized(1)], ids=["windows of the connection", "windows of all streams"]
    )
    def test_each_read_looks_at_waiting_streams_once(self, piece: bytes) -> None:
        peer = Peer(hello=PREFACE + resized(0) + ACKNOWLEDGED)
        for stream in range(1, 11, 2):
            peer.send(call(stream))
            peer.connection.respond(stream, HEADERS, bytes(60), OK)
        looks = list[int]()
        again = peer.connection._send_queue._again
        peer.connection._send_queue._again = lambda stream: looks.append(stream) or again(stream)  # type: ignore[func-returns-value, method-assign]

        peer.send(piece * 100)

        assert len(looks) == 5

    def test_resizing_all_windows_again_and_again_while_many_wait(self) -> None:
        peer = Peer(hello=PREFACE + resized(0) + ACKNOWLEDGED)
        for stream in range(1, 1001, 2):
            peer.send(call(stream))
            peer.connection.respond(stream, HEADERS, bytes(600), OK)
        peer.connection.take()

        for size in range(1, 100):
            peer.send(resized(size))

        assert peer.connection.is_closed

    def test_a_large_answer_is_not_copied_for_each_byte_of_a_window(self) -> None:
        peer = Peer(hello=PREFACE + resized(0) + ACKNOWLEDGED)
        peer.send(call(1))
        peer.connection.respond(1, HEADERS, bytes(2**20), OK)
        whole = peer.connection._send_queue.waiting[1][0].obj

        peer.send(window_update(1, 1) * 100)
        after_little = peer.connection._send_queue.waiting[1][0].obj
        peer.send(window_update(0, 2**20), window_update(1, 2**20 - 200))
        after_most = peer.connection._send_queue.waiting[1][0].obj

        assert after_little is whole
        assert after_most is not whole
        assert peer.send(window_update(1, 2**20))[-1] == "Headers 1 END_HEADERS END_STREAM"
        assert peer.is_clean

    def test_calls_pay_for_unproductive_frames(self) -> None:
        peer = Peer()
        for stream in range(1, 20_001, 2):
            peer.send(call(stream), PING, window_update(0, 100), FLOODS["unknown frames"])
            peer.connection.respond(stream, HEADERS, b"x", OK)

        assert not peer.connection.is_closed
