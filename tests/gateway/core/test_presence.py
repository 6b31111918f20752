from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycable_rpc.gateway.core.presence import Presences
from anycable_rpc.gateway.core.session import Broadcast

NOW = 1000.0


@pytest.fixture
def presences() -> Presences:
    made = Presences(ttl=15)
    for member in ("ada", "grace"):
        made.session_started(member)
    return made


def event(data: str, stream: str = "s") -> Broadcast:
    return Broadcast(stream, data, type="presence", transient=True)


JOINED = event('{"id":"u1","info":{"a":1},"type":"join"}')
LEFT = event('{"id":"u1","type":"leave"}')
NOBODY = '{"type":"info","total":0}'


def is_empty(presences: Presences) -> bool:
    return not presences._streams and not presences._members  # pyright: ignore[reportPrivateUsage]


def test_member_is_present_from_join_to_leave(presences: Presences) -> None:
    assert presences.info("s") == NOBODY
    assert presences.join("ada", "s", "u1", '{"a":1}') == [JOINED]
    assert presences.info("s") == '{"type":"info","total":1,"records":[{"info":{"a":1},"id":"u1"}]}'
    assert presences.info("other") == NOBODY
    assert presences.leave("ada", "s") == [LEFT]
    assert presences.info("s") == NOBODY


def test_info_can_be_missing_and_ids_are_escaped(presences: Presences) -> None:
    assert presences.join("ada", "s", '"<', "") == [event('{"id":"\\"\\u003c","type":"join"}')]
    assert presences.info("s") == '{"type":"info","total":1,"records":[{"id":"\\"\\u003c"}]}'


def test_joining_again_replaces_the_info_without_an_event(presences: Presences) -> None:
    presences.join("ada", "s", "u1", "1")

    assert presences.join("ada", "s", "u1", "2") == []
    assert presences.info("s") == '{"type":"info","total":1,"records":[{"info":2,"id":"u1"}]}'
    assert presences.join("ada", "s", "u2", "3") == []
    assert presences.info("s") == '{"type":"info","total":1,"records":[{"info":2,"id":"u1"}]}'


def test_only_the_first_and_the_last_member_of_an_id_are_heard(presences: Presences) -> None:
    assert presences.join("ada", "s", "u1", '{"a":1}') == [JOINED]
    assert presences.join("grace", "s", "u1", '{"a":1}') == []
    assert presences.leave("ada", "s") == []
    assert presences.leave("ada", "s") == []
    assert presences.leave("grace", "s") == [LEFT]


def test_member_that_never_joined_cannot_leave(presences: Presences) -> None:
    assert presences.leave("ada", "s") == presences.leave("stranger", "s") == []


def test_streams_are_apart(presences: Presences) -> None:
    presences.join("ada", "s", "u1", '{"a":1}')

    assert presences.join("ada", "t", "u2") == [event('{"id":"u2","type":"join"}', "t")]
    assert presences.join("grace", "s", "u3") == [event('{"id":"u3","type":"join"}')]
    assert presences.leave("ada", "s") == [LEFT]
    assert presences.leave("ada", "t") == [event('{"id":"u2","type":"leave"}', "t")]


# Coming and going


def test_member_without_connections_stays_present_for_a_while(presences: Presences) -> None:
    presences.join("ada", "s", "u1", '{"a":1}')
    presences.join("ada", "t", "u1")

    assert presences.session_ended("ada", NOW) == NOW + 15
    assert presences.expire(NOW + 14.9) == []
    assert presences.expire(NOW + 15) == [LEFT, event('{"id":"u1","type":"leave"}', "t")]
    assert presences.expire(NOW + 16) == []


def test_member_without_presence_does_not_expire(presences: Presences) -> None:
    assert presences.session_ended("ada", NOW) is None
    assert presences.session_ended("grace", NOW) is None
    assert is_empty(presences)


def test_member_that_comes_back_in_time_does_not_leave(presences: Presences) -> None:
    presences.join("ada", "s", "u1", '{"a":1}')
    presences.session_ended("ada", NOW)
    presences.session_started("ada")

    assert presences.expire(NOW + 100) == []
    assert presences.join("ada", "s", "u1", '{"a":1}') == []
    assert presences.session_ended("ada", NOW + 100) == NOW + 115
    assert presences.expire(NOW + 114) == []
    assert presences.expire(NOW + 115) == [LEFT]


def test_an_old_connection_may_end_after_the_new_one_has_come(presences: Presences) -> None:
    presences.join("ada", "s", "u1", '{"a":1}')
    presences.session_started("ada")

    assert presences.session_ended("ada", NOW) is None
    assert presences.expire(NOW + 100) == []
    assert presences.session_ended("ada", NOW) == NOW + 15


def test_leaving_is_possible_from_afar(presences: Presences) -> None:
    presences.join("ada", "s", "u1", '{"a":1}')
    presences.join("grace", "s", "u1")
    presences.session_ended("ada", NOW)

    assert presences.leave("grace", "s") == []
    assert presences.expire(NOW + 15) == [LEFT]


STEPS = st.tuples(
    st.sampled_from(["join", "leave", "session_started", "session_ended", "expire"]),
    st.sampled_from(["m1", "m2", "m3"]),
    st.sampled_from("st"),
    st.sampled_from(["u1", "u2"]),
)


@given(st.lists(STEPS, max_size=60))
def test_events_and_info_agree(steps: list[tuple[str, str, str, str]]) -> None:
    presences, connections, now = Presences(ttl=2), dict[str, int](), 0.0
    told: dict[str, set[str]] = {"s": set(), "t": set()}
    for step, member, stream, id_ in steps:
        now += 1
        events: list[Broadcast] = []
        if step == "session_started":
            presences.session_started(member)
            connections[member] = connections.get(member, 0) + 1
        elif step == "expire":
            events = presences.expire(now)
        elif connections.get(member):
            if step == "join":
                events = presences.join(member, stream, id_)
            elif step == "leave":
                events = presences.leave(member, stream)
            else:
                presences.session_ended(member, now)
                connections[member] -= 1
        _hear(told, events)
        for name, ids in told.items():
            records: list[Any] = json.loads(presences.info(name)).get("records", [])
            assert {record["id"] for record in records} == ids

    for member, count in connections.items():
        for _ in range(count):
            presences.session_ended(member, now)
    _hear(told, presences.expire(now + 10))
    assert told == {"s": set(), "t": set()}
    assert is_empty(presences)


def _hear(told: dict[str, set[str]], events: list[Broadcast]) -> None:
    for heard in events:
        message = json.loads(heard.data)
        if message["type"] == "join":
            assert message["id"] not in told[heard.stream]
            told[heard.stream].add(message["id"])
        else:
            told[heard.stream].remove(message["id"])
