from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycable_rpc.gateway.core.hub import Delivery, Hub, broadcast_frame
from anycable_rpc.gateway.core.session import Broadcast, Session, merge
from anycable_rpc.protocol.messages import (
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    DisconnectRequest,
    Env,
    EnvResponse,
    Status,
)


@pytest.fixture
def hub() -> Hub:
    return Hub()


def connect(hub: Hub, sid: str = "s1", identifiers: str = "{}") -> Session:
    session = Session(sid, "http://x/cable", {"cookie": "a=1"}, identifiers)
    hub.add(session)
    return session


def answer(status: Status = Status.SUCCESS, **fields: Any) -> CommandResponse:
    states = EnvResponse(fields.pop("cstate", {}), fields.pop("istate", {}))
    return CommandResponse(status, env=states, **fields)


def subscribe(hub: Hub, session: Session, identifier: str, *streams: str, **fields: Any) -> None:
    hub.apply(session, "subscribe", identifier, answer(streams=streams, **fields))


def heard(hub: Hub, stream: str, **fields: Any) -> list[tuple[str, Any]]:
    """Return the sids that receive a broadcast, and the identifiers in the frames."""
    deliveries = hub.deliveries(Broadcast(stream, "1", **fields))
    return [(delivery.session.sid, json.loads(delivery.frame)["identifier"]) for delivery in deliveries]


def is_empty(hub: Hub) -> bool:
    return not hub._sessions and not hub._streams  # pyright: ignore[reportPrivateUsage]


def test_broadcast_reaches_the_subscribers_of_the_stream(hub: Hub) -> None:
    one, two = connect(hub, "s1"), connect(hub, "s2")
    subscribe(hub, one, "A", "x", "y")
    subscribe(hub, two, "B", "y")

    assert hub.deliveries(Broadcast("y", '{"b":1,"a":2}')) == [
        Delivery(one, '{"identifier":"A","message":{"a":2,"b":1}}'),
        Delivery(two, '{"identifier":"B","message":{"a":2,"b":1}}'),
    ]
    assert heard(hub, "x") == [("s1", "A")]
    assert heard(hub, "z") == []


def test_two_subscriptions_of_a_session_hear_twice(hub: Hub) -> None:
    session = connect(hub)
    subscribe(hub, session, "A", "x", "x")
    subscribe(hub, session, "B", "x")

    assert heard(hub, "x") == [("s1", "A"), ("s1", "B")]


def test_excluded_socket_receives_nothing(hub: Hub) -> None:
    for sid in ("s1", "s2", "s1"):
        subscribe(hub, connect(hub, sid), "A", "x")

    assert heard(hub, "x", exclude_socket="s1") == [("s2", "A")]
    assert heard(hub, "x", exclude_socket="") == [("s1", "A"), ("s2", "A"), ("s1", "A")]


@pytest.mark.parametrize(
    ("broadcast", "text"),
    [
        (Broadcast("x", "not JSON"), '{"identifier":"A","message":"not JSON"}'),
        (Broadcast("x", "null"), '{"identifier":"A","message":"null"}'),
        (Broadcast("x", ""), '{"identifier":"A","message":""}'),
        (Broadcast("x", "[" * 100_000), '{"identifier":"A","message":"' + "[" * 100_000 + '"}'),
        (Broadcast("x", "1", type="presence"), '{"type":"presence","identifier":"A","message":1}'),
        (
            Broadcast("x", "1", epoch="e", offset=2),
            '{"identifier":"A","message":1,"stream_id":"x","epoch":"e","offset":2}',
        ),
    ],
    ids=["not JSON", "null", "empty", "deep", "type", "place"],
)
def test_frames(hub: Hub, broadcast: Broadcast, text: str) -> None:
    session = connect(hub)
    subscribe(hub, session, "A", "x")

    assert hub.deliveries(broadcast) == [Delivery(session, text)]
    assert broadcast_frame(broadcast, "A") == text


def test_an_empty_identifier_is_left_out(hub: Hub) -> None:
    session = connect(hub)
    subscribe(hub, session, "", "x")

    assert hub.deliveries(Broadcast("x", "1")) == [Delivery(session, '{"message":1}')]


def test_stops_come_before_starts(hub: Hub) -> None:
    session = connect(hub)
    subscribe(hub, session, "A", "a", "b")
    subscribe(hub, session, "Other", "a")

    hub.apply(session, "message", "A", answer(stopped_streams=("a", "no"), streams=("c",)))
    assert [heard(hub, stream) for stream in "abc"] == [[("s1", "Other")], [("s1", "A")], [("s1", "A")]]

    hub.apply(session, "message", "A", answer(stop_streams=True, stopped_streams=("a",), streams=("b",)))
    assert [heard(hub, stream) for stream in "abc"] == [[("s1", "Other")], [("s1", "A")], []]


def test_an_unsubscription_ends_all_of_it(hub: Hub) -> None:
    session = connect(hub)
    subscribe(hub, session, "A", "a", istate={"k": "1"})

    hub.apply(session, "unsubscribe", "A", answer(Status.FAILURE))

    assert heard(hub, "a") == []
    assert (session.subscriptions, session.istates, session.streams) == ({}, {}, {})


def test_a_rejection_keeps_its_streams_and_state(hub: Hub) -> None:
    session = connect(hub)

    subscribe(hub, session, "A", "a", status=Status.FAILURE, istate={"k": "1"}, cstate={"c": "1"})

    assert session.subscriptions == {}
    assert heard(hub, "a") == [("s1", "A")]
    assert (session.istates, session.cstate) == ({"A": {"k": "1"}}, {"c": "1"})


def test_an_error_changes_nothing(hub: Hub) -> None:
    session = connect(hub)
    subscribe(hub, session, "A", "a", istate={"k": "1"})

    for command in ("subscribe", "unsubscribe", "message"):
        hub.apply(session, command, "A", answer(Status.ERROR, stop_streams=True, cstate={"c": "1"}))

    assert heard(hub, "a") == [("s1", "A")]
    assert (session.subscriptions, session.istates, session.cstate) == ({"A": None}, {"A": {"k": "1"}}, {})


def test_an_answer_without_env(hub: Hub) -> None:
    session = connect(hub)

    hub.apply(session, "subscribe", "A", CommandResponse(Status.SUCCESS))

    assert (session.subscriptions, session.istates) == ({"A": None}, {})


def test_state_is_merged_and_an_empty_string_deletes() -> None:
    state = {"a": "1", "b": "2"}

    merge(state, {"a": "", "b": "3", "c": "4", "no": ""})

    assert state == {"b": "3", "c": "4"}


# Whispers


def test_a_whisper_reaches_the_others(hub: Hub) -> None:
    one, two = connect(hub, "s1"), connect(hub, "s2")
    subscribe(hub, one, "A", "w", istate={"$w": "w"})
    subscribe(hub, two, "B", "w")

    assert hub.whisper(one, "A", {"b": 1, "a": "<"}) == [
        Delivery(two, '{"identifier":"B","message":{"a":"\\u003c","b":1}}')
    ]
    assert hub.whisper(one, "A", None) == [Delivery(two, '{"identifier":"B","message":"null"}')]
    assert hub.whisper(two, "B", 1) == hub.whisper(one, "no", 1) == []


# Coming and going


def test_sessions_are_found_by_their_identifiers(hub: Hub) -> None:
    one, two, three = connect(hub, "s1", "{}"), connect(hub, "s1", "{}"), connect(hub, "s3", "{ }")

    assert hub.sessions("{}") == [one, two]
    assert hub.sessions("{ }") == [three]
    assert hub.sessions("") == []


def test_removed_session_receives_and_changes_nothing(hub: Hub) -> None:
    session = connect(hub)
    subscribe(hub, session, "A", "a")

    assert hub.remove(session)
    assert not hub.remove(session)
    assert session not in hub
    subscribe(hub, session, "B", "b", cstate={"c": "1"})
    assert heard(hub, "a") == heard(hub, "b") == []
    assert hub.sessions("{}") == []
    assert session.cstate == {}


COMMANDS = st.tuples(
    st.sampled_from(["subscribe", "unsubscribe", "message", "leave"]),
    st.integers(0, 2),
    st.sampled_from("AB"),
    st.sampled_from(Status),
    st.booleans(),
    st.lists(st.sampled_from("xyz"), max_size=3),
    st.lists(st.sampled_from("xyz"), max_size=3),
)


@given(st.lists(COMMANDS, max_size=30))
def test_removed_sessions_leave_nothing_behind(commands: list[Any]) -> None:
    hub = Hub()
    sessions = [connect(hub, str(number), str(number % 2)) for number in range(3)]
    for command, number, identifier, status, stop, started, stopped in commands:
        if command == "leave":
            hub.remove(sessions[number])
        else:
            response = answer(
                status, stop_streams=stop, streams=tuple(started), stopped_streams=tuple(stopped), istate={"k": "v"}
            )
            hub.apply(sessions[number], command, identifier, response)
        for stream in "xyz":
            expected = {
                (session.sid, identifier)
                for session in sessions
                if session in hub
                for identifier, streams in session.streams.items()
                if stream in streams
            }
            assert set(heard(hub, stream)) == expected

    for session in sessions:
        hub.remove(session)
    assert is_empty(hub)


# Requests


def test_requests() -> None:
    session = Session("s1", "http://x/cable", {"cookie": "a=1"})
    env = Env("http://x/cable", {"cookie": "a=1"})
    assert session.connect() == ConnectionRequest(env)

    session.identifiers = '{"a": 1}'
    session.cstate["c"] = "1"
    session.istates["A"] = {"b": "[1]", "a": "<"}
    session.istates["B"] = {}
    session.subscriptions.update({"B": None, "A": None})

    own = Env(env.url, env.headers, {"c": "1"}, {"b": "[1]", "a": "<"})
    assert session.command("message", "A", "data") == CommandMessage("message", "A", '{"a": 1}', "data", own)
    other = Env(env.url, env.headers, {"c": "1"})
    assert session.command("subscribe", "C") == CommandMessage("subscribe", "C", '{"a": 1}', "", other)
    all_states = {"A": '{"a":"\\u003c","b":"[1]"}', "B": "{}"}
    assert session.disconnect() == DisconnectRequest(
        '{"a": 1}', ("B", "A"), Env(env.url, env.headers, {"c": "1"}, all_states)
    )


def test_requests_do_not_change_with_the_session() -> None:
    session = Session("s1")
    request = session.command("message", "A"), session.disconnect()

    session.cstate["c"] = "1"
    session.istates["A"] = {"a": "1"}
    session.subscriptions["A"] = None

    assert request == (CommandMessage("message", "A", ""), DisconnectRequest(""))
