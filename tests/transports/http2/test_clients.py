"""A connection beside a client's state machine that is not ours (`h2`), and in pieces of any size."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycable_rpc.transports.http2.connection import H2Connection
from anycable_rpc.transports.http2.events import Cancelled, CompleteRequest
from anycable_rpc.transports.http2.grpc_framing import HEADERS, OK

from .frames import CALL, HELLO, call, framed, headers


@dataclass
class Client:
    """`h2` at one end and ours at the other; bytes go between them in random pieces."""

    random: random.Random
    server: H2Connection = field(default_factory=H2Connection)
    asked: dict[int, bytes] = field(default_factory=dict[int, bytes])
    heard: dict[int, bytes] = field(default_factory=dict[int, bytes])
    answers: dict[int, bytes] = field(default_factory=dict[int, bytes])
    ended: set[int] = field(default_factory=set[int])
    got: dict[int, bytes] = field(default_factory=dict[int, bytes])
    waiting: dict[int, bytes] = field(default_factory=dict[int, bytes])

    def __post_init__(self) -> None:
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.client.initiate_connection()

    def ask(self) -> None:
        """Start a request."""
        stream = self.client.get_next_available_stream_id()
        extra = [(f"x-{number}", "v" * self.random.randrange(300)) for number in range(self.random.randrange(4))]
        self.client.send_headers(stream, [*CALL.items(), *extra])
        self.asked[stream] = self.waiting[stream] = framed(
            self.random.randbytes(self.random.choice([0, 10, 3000, 90_000]))
        )

    def push(self) -> None:
        """Send request bodies as far as the windows allow."""
        for stream, body in list(self.waiting.items()):
            size = min(self.client.local_flow_control_window(stream), self.client.max_outbound_frame_size)
            size = min(size, self.random.choice([1, 100, 100_000]), len(body))
            padding = self.random.choice([None, None, 7]) if size > 10 else None
            self.client.send_data(stream, body[: max(0, size - 8)], pad_length=padding)
            self.waiting[stream] = body[max(0, size - 8) :]
            if len(self.waiting[stream]) <= 8:
                self.client.send_data(stream, self.waiting.pop(stream), end_stream=True)

    def answer(self) -> None:
        """Let the server answer some of its requests."""
        for stream in [stream for stream in self.got if stream not in self.answers and self.random.random() < 0.5]:
            self.answers[stream] = framed(self.random.randbytes(self.random.choice([0, 50, 20_000, 200_000])))
            self.server.respond(stream, HEADERS, self.answers[stream], OK)

    def exchange(self) -> None:
        """Exchange bytes in both directions, in pieces."""
        sent = self.client.data_to_send()
        while sent:
            size = self.random.choice([1, 9, 50, 5_000, len(sent)])
            for event in self.server.receive(sent[:size]):
                assert isinstance(event, CompleteRequest)
                assert event.stream not in self.got
                self.got[event.stream] = event.body
            sent = sent[size:]
        for heard in self.client.receive_data(self.server.take()):
            self._hear(heard)

    def _hear(self, event: h2.events.Event) -> None:
        assert not isinstance(event, h2.events.ConnectionTerminated | h2.events.StreamReset), event
        if isinstance(event, h2.events.DataReceived):
            assert event.stream_id is not None
            self.heard[event.stream_id] = self.heard.get(event.stream_id, b"") + (event.data or b"")
            if event.flow_controlled_length:
                self.client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if isinstance(event, h2.events.StreamEnded):
            assert event.stream_id is not None
            self.ended.add(event.stream_id)


@pytest.mark.parametrize("seed", range(25))
def test_every_request_and_every_answer_arrives_whole_and_nothing_is_left(seed: int) -> None:
    one = Client(random.Random(seed))
    for _ in range(30):
        one.ask()
        for step in (one.push, one.exchange, one.answer, one.exchange):
            step()
    for _ in range(400):
        if len(one.ended) == 30:
            break
        for step in (one.push, one.exchange, one.answer, one.exchange):
            step()

    assert one.got == one.asked
    assert one.heard == one.answers
    assert one.ended == set(one.asked)
    streams, out = one.server.streams, one.server._send_queue
    assert [streams.open, streams.buffered, out.waiting, out.held, out._credit] == [{}, 0, {}, 0, {}]


STREAM = HELLO + call(1) + headers(3)[:-1] + headers(3)[-1:] + call(5, b"x" * 500) + b"\0\0\4\3\0\0\0\0\3\0\0\0\x08"


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12), st.binary(max_size=30))
def test_any_pieces_of_the_same_bytes_mean_the_same(places: list[int], tail: bytes) -> None:
    def outcome(cuts: list[int]) -> tuple[list[CompleteRequest | Cancelled], bytes]:
        connection, events = H2Connection(), list[CompleteRequest | Cancelled]()
        whole = STREAM + tail
        for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            events += connection.receive(whole[start:end])
        return events, connection.take()

    assert outcome(sorted(places)) == outcome([])
