from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycable_rpc.gateway.core.history import History, Position
from anycable_rpc.gateway.core.session import Broadcast

NOW = 1_700_000_000.5
SECOND = int(NOW)


def kept(number: int, stream: str = "s", epoch: str = "e") -> Broadcast:
    return Broadcast(stream, str(number), epoch=epoch, offset=number)


def history(messages: int = 0, stream: str = "s", **options: float) -> History:
    """Return a history with this number of messages in the stream, a second apart; the last one is at NOW."""
    made = History("e", **options)  # type: ignore[arg-type]
    for number in range(1, messages + 1):
        made.record(Broadcast(stream, str(number)), NOW - messages + number)
    return made


def offsets(found: list[Broadcast] | None) -> list[int] | None:
    return None if found is None else [broadcast.offset for broadcast in found]


def test_broadcast_gets_epoch_and_offset() -> None:
    made = history()

    broadcast = Broadcast("s", "1", "sid", "note")
    assert made.record(broadcast, NOW) == Broadcast("s", "1", "sid", "note", epoch="e", offset=1)
    assert made.record(Broadcast("t", "1"), NOW).offset == 1
    assert made.record(Broadcast("s", "2"), NOW).offset == 2


def test_kept_broadcasts_are_for_all_clients() -> None:
    made = history()
    made.record(Broadcast("s", "1", "sid", "note"), NOW)

    assert made.missed(["s"], SECOND, {}, NOW) == [kept(1)]


def test_transient_broadcasts_are_not_kept() -> None:
    made = history()
    broadcast = Broadcast("s", "1", transient=True)

    assert made.record(broadcast, NOW) is broadcast
    assert made.record(Broadcast("s", "2"), NOW).offset == 1


@pytest.mark.parametrize(
    ("epoch", "offset", "found"),
    [
        ("e", 1, [2, 3]),
        ("e", 3, []),
        ("e", 4, None),
        ("e", 0, None),
        ("e", 10**30, None),
        ("other", 1, None),
        ("", 0, None),
    ],
)
def test_broadcasts_after_a_position(epoch: str, offset: int, found: list[int] | None) -> None:
    assert offsets(history(3).missed(["s"], 0, {"s": Position(epoch, offset)}, NOW)) == found


def test_a_position_that_is_not_kept_any_more_is_not_known() -> None:
    made = history(5, limit=3)

    assert offsets(made.missed(["s"], 0, {"s": Position("e", 3)}, NOW)) == [4, 5]
    assert made.missed(["s"], 0, {"s": Position("e", 2)}, NOW) is None


def test_broadcasts_since_a_time() -> None:
    made = history(3)

    assert offsets(made.missed(["s"], SECOND - 1, {}, NOW)) == [2, 3]
    assert offsets(made.missed(["s"], SECOND + 1, {}, NOW)) == []
    assert offsets(made.missed(["unknown"], 1, {}, NOW)) == []


def test_position_takes_precedence_over_time() -> None:
    made = history(2)
    made.record(Broadcast("t", "1"), NOW)

    assert made.missed(["s", "t"], 1, {"s": Position("e", 1), "other": Position()}, NOW) == [kept(2), kept(1, "t")]
    assert made.missed(["s", "t"], 0, {"s": Position("e", 1)}, NOW) == [kept(2)]
    assert made.missed(["s", "t"], 1, {"s": Position("e", 1), "t": Position()}, NOW) is None
    assert made.missed(["s", "t"], 0, {}, NOW) == made.missed([], 1, {}, NOW) == []


# Bounds


def test_messages_are_kept_for_some_time() -> None:
    made = history(3, ttl=2)

    assert offsets(made.missed(["s"], 1, {}, NOW)) == [1, 2, 3]
    assert offsets(made.missed(["s"], 1, {}, NOW + 1)) == [2, 3]
    assert made.missed(["s"], 0, {"s": Position("e", 1)}, NOW + 1) is None
    assert offsets(made.missed(["s"], 1, {}, NOW + 3)) == []
    assert made.missed(["s"], 0, {"s": Position("e", 3)}, NOW + 3) is None


def test_a_forgotten_stream_goes_on_above_all_that_was_forgotten() -> None:
    made = history(3, ttl=2)

    assert made.record(Broadcast("t", "1"), NOW + 3).offset == 1
    assert made.record(Broadcast("u", "1"), NOW + 3).offset == 4
    assert made.record(Broadcast("s", "1"), NOW + 3).offset == 4
    assert made.missed(["s"], 0, {"s": Position("e", 3)}, NOW + 3) is None


def test_the_stream_that_is_longest_without_a_message_is_forgotten_first() -> None:
    made = history(2, max_streams=2)
    made.record(Broadcast("t", "1"), NOW)
    made.record(Broadcast("s", "3"), NOW)
    made.record(Broadcast("u", "1"), NOW)

    assert [offsets(made.missed([stream], 1, {}, NOW)) for stream in "stu"] == [[1, 2, 3], [], [1]]


def test_the_memory_is_bounded() -> None:
    made = history(max_size=3000)
    for number in range(1, 4):
        made.record(Broadcast("s", str(number)), NOW)
        made.record(Broadcast("big", "x" * 400), NOW)

    assert [offsets(made.missed([stream], 1, {}, NOW)) for stream in ("s", "big")] == [[2, 3], [2, 3]]
    assert made.record(Broadcast("huge", "x" * 10_000), NOW).offset == 1
    assert [offsets(made.missed([stream], 1, {}, NOW)) for stream in ("s", "big", "huge")] == [[], [], []]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 900), st.integers(0, 4)), max_size=60),
    st.integers(1, 5),
    st.integers(1, 3),
)
def test_offsets_have_no_gap(events: list[tuple[str, int, int]], limit: int, max_streams: int) -> None:
    made = History("e", limit=limit, ttl=5, max_streams=max_streams, max_size=4000)
    sent: dict[str, list[int]] = {}
    now = NOW
    for stream, size, pause in events:
        now += pause
        sent.setdefault(stream, []).append(made.record(Broadcast(stream, "x" * size), now).offset)
        for name, numbers in sent.items():
            assert numbers == sorted(set(numbers))
            for index, number in enumerate(numbers):
                after = offsets(made.missed([name], 0, {name: Position("e", number)}, now))
                assert after in (None, numbers[index + 1 :])
            assert len(made.missed([name], 1, {}, now) or ()) <= limit
