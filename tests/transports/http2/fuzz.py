"""Feed a connection with changed bytes of real clients, and look for broken rules.

`python -m tests.transports.http2.fuzz --seconds N [--seed S]` runs it. An input that breaks a rule is
written as hex to `fuzz-found.hex`; add it to the corpus.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import monotonic

from hpack import Encoder
from hyperframe.frame import GoAwayFrame

from anycable_rpc.transports.http2.connection import H2Connection
from anycable_rpc.transports.http2.events import Cancelled, CompleteRequest
from anycable_rpc.transports.http2.grpc_framing import HEADERS, OK, frame_message
from anycable_rpc.transports.http2.limits import Limits
from anycable_rpc.transports.http2.request_headers import RequestLine

from .frames import CALL, HELLO, parsed

CORPUS = Path(__file__).parent / "corpus"
FOUND = Path("fuzz-found.hex")
LIMITS = Limits(message=5_000, streams=10, buffered=20_000, unproductive_frames=200)


def corpus() -> list[bytes]:
    """Return the recorded bytes of real clients."""
    return [bytes.fromhex(path.read_text()) for path in sorted(CORPUS.glob("*.hex"))]


def check(data: bytes, chooser: random.Random) -> None:
    """Feed a connection with bytes, in pieces.

    Raises:
        AssertionError: a rule is broken. Any other exception is a defect too.
    """
    connection = H2Connection(LIMITS, serves=_is_grpc)
    output = bytearray(connection.take())
    asked: set[int] = set()
    seen: set[int] = set()
    for piece in _pieces(data, chooser):
        was_closed = connection.is_closed
        events = connection.receive(piece)
        assert connection._budget.held == connection.streams.buffered + connection._send_queue.held + _begun(connection)
        assert not (was_closed and events), "a closed connection asks for something"
        for event in events:
            _note(event, asked, seen)
        _answer(connection, asked, chooser)
        if chooser.random() < 0.1:
            for event in connection.tick():
                _note(event, asked, seen)
        if chooser.random() < 0.02:
            connection.drain()
        written = connection.take()
        assert not (was_closed and written), "bytes after the end"
        output += written
        _check_bounds(connection)
        assert connection.is_closed or not was_closed, "a closed connection is open again"
    _check_output(bytes(output))
    connection.abandon()
    assert not connection._budget.held, "something is kept of a connection that is gone"
    assert _unanswered([data]) == _unanswered(_pieces(data, chooser)), "pieces mean something else than the whole"


def _is_grpc(line: RequestLine) -> bool:
    return line.is_grpc


def _is_served(event: CompleteRequest | Cancelled) -> bool:
    return isinstance(event, CompleteRequest) and _is_grpc(event.head.line)


def _begun(connection: H2Connection) -> int:
    return len(connection._block[2]) if connection._block else 0


def _unanswered(pieces: Iterable[bytes]) -> tuple[list[CompleteRequest | Cancelled], bytes]:
    """Return events and output when no request is answered. Of requests that are not served, only the stream counts:
    such an event may come before the end of the request, or with its data.
    """
    connection, events = H2Connection(LIMITS, serves=_is_grpc), list[CompleteRequest | Cancelled]()
    for piece in pieces:
        events += connection.receive(piece)
    return [event if _is_served(event) else Cancelled(event.stream) for event in events], connection.take()


def _note(event: CompleteRequest | Cancelled, asked: set[int], seen: set[int]) -> None:
    if isinstance(event, CompleteRequest):
        assert event.stream % 2, "an even stream"
        assert event.stream not in seen, "asked twice"
        seen.add(event.stream)
        assert len(event.body) <= LIMITS.message + 5, "too long a body"
        asked.add(event.stream)
    else:
        asked.discard(event.stream)


def _answer(connection: H2Connection, asked: set[int], chooser: random.Random) -> None:
    for stream in [stream for stream in asked if chooser.random() < 0.7]:
        how: Callable[[], None] = chooser.choice(
            [
                lambda stream=stream: connection.respond(
                    stream, HEADERS, frame_message(bytes(chooser.randrange(40_000))), OK
                ),
                lambda stream=stream: connection.refuse(stream, HEADERS + OK),
                lambda stream=stream: connection.respond(stream, HEADERS, b"text", b""),
            ]
        )
        how()
        asked.discard(stream)


def _check_bounds(connection: H2Connection) -> None:
    streams, out = connection.streams, connection._send_queue
    assert len(streams.open) <= LIMITS.streams
    assert streams.buffered == sum(one.kept for one in streams.open.values())
    assert all(len(one.body) <= one.kept for one in streams.open.values()), "bytes that nobody counts"
    assert streams.buffered <= LIMITS.buffered + 16_384
    assert out.held == sum(len(held) for held, _ in out.waiting.values())
    assert set(out.waiting) <= set(streams.open) or connection.is_closed
    assert max(len(streams.closed.skipped), len(streams.closed.cut), len(streams.closed.refused)) <= 128
    assert not set(streams.closed.refused) & {*streams.open, *streams.closed.cut}
    assert len(connection._unparsed) <= 16_384 + 9 or connection.is_closed


def _check_output(output: bytes) -> None:
    """Check that the output is HTTP/2, and that at most one GOAWAY is for a fault."""
    written = parsed(output)
    faults = [one for one in written if isinstance(one, GoAwayFrame) and one.error_code]
    assert len(faults) <= 1, "two faults"
    if faults:
        assert written[-1] is faults[0], "frames after the last GOAWAY"


def _pieces(data: bytes, chooser: random.Random) -> Iterator[bytes]:
    while data:
        size = chooser.choice([1, 9, 40, 1000, len(data)])
        yield data[:size]
        data = data[size:]


def changed(data: bytes, others: list[bytes], chooser: random.Random) -> bytes:
    """Return the bytes with a few changes: some respect frames, others do not."""
    for _ in range(chooser.randrange(1, 8)):
        data = chooser.choice(_CHANGES)(data, others, chooser)
    return data[:60_000]


def _frames(data: bytes) -> list[bytes]:
    position, found = 24, [data[:24]]
    while position < len(data):
        end = position + 9 + int.from_bytes(data[position : position + 3], "big")
        found.append(data[position:end])
        position = end
    return found


def _bit(data: bytes, _: list[bytes], chooser: random.Random) -> bytes:
    if not data:
        return data
    place = chooser.randrange(len(data))
    return data[:place] + bytes((data[place] ^ 1 << chooser.randrange(8),)) + data[place + 1 :]


def _cut(data: bytes, _: list[bytes], chooser: random.Random) -> bytes:
    start = chooser.randrange(len(data) + 1)
    return data[:start] + data[start + chooser.randrange(20) :]


def _insert(data: bytes, _: list[bytes], chooser: random.Random) -> bytes:
    place = chooser.randrange(len(data) + 1)
    return data[:place] + chooser.randbytes(chooser.randrange(1, 12)) + data[place:]


def _splice(data: bytes, others: list[bytes], chooser: random.Random) -> bytes:
    return b"".join([*_frames(data), *_frames(chooser.choice(others))[1:]])


def _shuffle(data: bytes, _: list[bytes], chooser: random.Random) -> bytes:
    hello, *rest = _frames(data)
    chooser.shuffle(rest)
    return b"".join([hello, *rest])


def _double(data: bytes, _: list[bytes], chooser: random.Random) -> bytes:
    pieces = _frames(data)
    place = chooser.randrange(len(pieces))
    return b"".join([*pieces[: place + 1], *[pieces[place]] * chooser.choice([1, 2, 300]), *pieces[place + 1 :]])


def _header(data: bytes, _: list[bytes], chooser: random.Random) -> bytes:
    """Change the type, the flags, the stream or the length of a frame."""
    pieces = _frames(data)
    place = chooser.randrange(len(pieces))
    one = bytearray(pieces[place])
    if len(one) >= 9 and place:
        spot = chooser.choice([2, 3, 4, 8])
        one[spot] = chooser.choice([0, 1, 4, 5, 8, 9, 32, chooser.randrange(256)])
    pieces[place] = bytes(one)
    return b"".join(pieces)


def _frame(data: bytes, _: list[bytes], chooser: random.Random) -> bytes:
    """Insert a frame of any kind with any content."""
    payload = chooser.choice([b"", bytes(4), b"\xff" * 4, bytes(8), chooser.randbytes(chooser.randrange(30))])
    if chooser.random() < 0.3:
        payload = Encoder().encode([*CALL.items(), ("x", "y" * chooser.randrange(50))], huffman=chooser.random() < 0.5)
    stream = chooser.choice([0, 1, 2, 3, 5, 7, 2**31 - 1])
    flags = chooser.choice([0, 1, 4, 5, 8, 0x25, 0x2D])
    one = len(payload).to_bytes(3, "big") + bytes((chooser.randrange(11), flags)) + stream.to_bytes(4, "big") + payload
    pieces = _frames(data)
    place = chooser.randrange(1, len(pieces) + 1)
    return b"".join([*pieces[:place], one, *pieces[place:]])


_CHANGES = (_bit, _cut, _insert, _splice, _shuffle, _double, _header, _frame, _frame, _header)


def run(seconds: float, seed: int, most: float = float("inf")) -> int:
    """Return how many inputs were tried. An input that breaks a rule is written to a file."""
    inputs = [*corpus(), HELLO]
    ends, tried = monotonic() + seconds, 0
    while monotonic() < ends and tried < most:
        chooser = random.Random(seed * 1_000_003 + tried)
        data = changed(chooser.choice(inputs), inputs, chooser)
        try:
            check(data, chooser)
        except Exception:
            FOUND.write_text(data.hex() + "\n")
            sys.stderr.write(f"seed {seed}, input {tried} breaks a rule; it is in {FOUND}\n")
            raise
        tried += 1
    return tried


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.transports.http2.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    tried = run(options.seconds, options.seed)
    sys.stdout.write(f"{tried:,} inputs in {options.seconds:g} s with seed {options.seed}: no rule was broken\n")


if __name__ == "__main__":
    main()
