"""The client's commands, on the gateway and on anycable-go."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anycable_rpc.protocol.messages import CommandMessage, Env

from .client import Client
from .scripted import ScriptedApp
from .servers import Serve, Server

HANGS = pytest.mark.since((1, 6), "after an ERROR to subscribe or unsubscribe the session hears of no other command")
IDS = '{"from":"rpc"}'


def confirmed(identifier: str) -> dict[str, Any]:
    return {"identifier": identifier, "type": "confirm_subscription"}


def rejected(identifier: str) -> dict[str, Any]:
    return {"identifier": identifier, "type": "reject_subscription"}


def message(identifier: str, data: object) -> dict[str, Any]:
    return {"identifier": identifier, "message": data}


def test_a_command_says_who_and_what(server: Server) -> None:
    with server.welcomed("a=1", headers={"Cookie": "x=1; y=2"}) as client:
        identifier = client.subscribe("A")
        assert client.pending() == [confirmed(identifier)]
        client.send("message", identifier, data="{}")
        client.send("unsubscribe", identifier)
        assert client.pending() == []

    env = Env(f"http://{server.address}/cable?a=1", {"cookie": "x=1; y=2", "REMOTE_ADDR": "127.0.0.1"})
    assert server.app.requests("Command") == [
        CommandMessage("subscribe", identifier, IDS, "", env),
        CommandMessage("message", identifier, IDS, "{}", env),
        CommandMessage("unsubscribe", identifier, IDS, "", env),
    ]
    metadata = [call.metadata for call in server.app.calls if call.method != "Disconnect"]
    assert metadata == [{"sid": metadata[0]["sid"], "protov": "v1"}] * 4


def test_transmissions_go_to_the_client_as_they_are(server: Server) -> None:
    with server.welcomed() as client:
        client.subscribe("A", transmissions=["not JSON", '{"b": 1,\n"a": 2}', "\u2028<é>"])
        assert [client.raw() for _ in range(3)] == ["not JSON", '{"b": 1,\n"a": 2}', "\u2028<é>"]


def test_a_second_subscription_and_unknown_ones_are_passed_over(server: Server) -> None:
    with server.welcomed() as client:
        identifier = client.subscribe("A")
        client.subscribe("A")
        client.perform('{"channel":"B"}')
        client.send("unsubscribe", '{"channel":"B"}')
        assert client.pending() == [confirmed(identifier)]
        client.send("unsubscribe", identifier)
        client.perform(identifier)
        client.subscribe("A")
        assert client.pending() == [confirmed(identifier)]

    assert [request.command for request in server.app.requests("Command")] == ["subscribe", "unsubscribe", "subscribe"]


def test_identifiers_are_compared_as_strings(server: Server) -> None:
    odd = ["", "not JSON", '{"channel": "A"}', '{"channel":"A"}', "[]"]
    with server.welcomed() as client:
        for identifier in odd:
            client.send("subscribe", identifier)
        assert client.pending() == [confirmed(identifier) for identifier in odd]

    assert [request.identifier for request in server.app.requests("Command")] == odd


@pytest.mark.parametrize("data", [{"a": 1}, None, 5, ["x"]])
def test_performed_data_must_be_a_string(server: Server, data: object) -> None:
    with server.welcomed() as client:
        identifier = client.subscribe("A")
        client.send("message", identifier, data=data)
        client.send("message", identifier)
        assert client.pending() == [confirmed(identifier)]

    assert len(server.app.requests("Command")) == 1


@pytest.mark.parametrize(
    "frame",
    [
        "null",
        "{}",
        '{"command":"unknown"}',
        '{"command":"pong"}',
        '{"command":"join","identifier":"x","presence":{"id":"u"}}',
        '{"command":"leave","identifier":"x"}',
        '{"command":"history","identifier":"x","history":{"since":1}}',
        '{"command":"presence","identifier":"x"}',
        '{"command":"whisper","identifier":"x","data":1}',
        '{"command":null,"identifier":null,"history":null,"presence":null}',
        '{"command":"subscribed","more":[1]}',
    ],
)
def test_commands_without_effect_are_ignored(server: Server, frame: str) -> None:
    with server.welcomed() as client:
        client.send_raw(frame)
        assert client.pending() == []

    assert server.app.requests("Command") == []


def test_names_of_fields_are_in_any_case_and_frames_may_be_binary(server: Server) -> None:
    with server.welcomed() as client:
        client.send_raw(b'{"COMMAND":"subscribe","Identifier":"x","extra":{}}')
        assert client.pending() == [confirmed("x")]


def test_lone_surrogate_is_replaced(server: Server) -> None:
    with server.welcomed() as client:
        client.send_raw('{"command":"subscribe","identifier":"a\\ud800b"}')
        assert client.pending() == [confirmed("a\ufffdb")]


# What the answer does


def test_state_goes_back_to_the_app(server: Server) -> None:
    with server.welcomed() as client:
        a = client.subscribe("A", cstate={"a": "1", "b": "2"}, istate={"x": "1", "y": "2"})
        client.perform(a, cstate={"b": ""}, istate={"y": "", "z": "3"})
        b = client.subscribe("B")
        client.perform(b)
        client.perform(a)
        client.pending()

    states = [(request.env.cstate, request.env.istate) for request in server.app.requests("Command")]
    assert states == [
        ({}, {}),
        ({"a": "1", "b": "2"}, {"x": "1", "y": "2"}),
        ({"a": "1"}, {}),
        ({"a": "1"}, {}),
        ({"a": "1"}, {"x": "1", "z": "3"}),
    ]


def test_state_of_a_channel_ends_with_the_subscription(server: Server) -> None:
    with server.welcomed() as client:
        identifier = client.subscribe("A", subscribe={"istate": {"x": "1"}}, unsubscribe={})
        client.send("unsubscribe", identifier)
        client.send("subscribe", identifier)
        client.pending()

    assert server.app.requests("Command")[-1].env.istate == {}


def test_broadcast_reaches_the_subscribers_of_the_stream(server: Server) -> None:
    with server.welcomed() as ada, server.welcomed() as grace, server.welcomed() as nobody:
        one = ada.subscribe("A", streams=["s"])
        two = grace.subscribe("B", streams=["s", "t"])
        nobody.subscribe("C", streams=["u"])
        for client in (ada, grace, nobody):
            client.pending()
        server.broadcast("s", {"n": 1})
        server.broadcast("t", "text")
        assert ada.next() == message(one, {"n": 1})
        assert [grace.next() for _ in range(2)] == [message(two, {"n": 1}), message(two, "text")]
        server.broadcast("u", 3)
        assert nobody.next()["message"] == 3
        assert ada.pending() == []


def test_two_subscriptions_hear_twice(server: Server) -> None:
    with server.welcomed() as client:
        one, two = client.subscribe("A", streams=["s"]), client.subscribe("B", streams=["s"])
        client.pending()
        server.broadcast("s", 1)
        heard = [client.next(), client.next()]

    assert sorted(heard, key=str) == sorted([message(one, 1), message(two, 1)], key=str)


STREAMS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["a", "b"]),
    ({"streams": ["c", "a"]}, ["a", "b", "c"]),
    ({"stopped_streams": ["a"]}, ["b"]),
    ({"stopped_streams": ["a"], "streams": ["a"]}, ["a", "b"]),
    ({"stopped_streams": ["nothing"]}, ["a", "b"]),
    ({"stop_streams": True}, []),
    ({"stop_streams": True, "streams": ["c"]}, ["c"]),
    ({"stop_streams": True, "stopped_streams": ["a"], "streams": ["a"]}, ["a"]),
    ({"status": "FAILURE", "streams": ["c"]}, ["a", "b", "c"]),
    ({"status": "ERROR", "streams": ["c"], "stop_streams": True, "transmissions": ["x"]}, ["a", "b"]),
    ({"raise": True}, ["a", "b"]),
]


@pytest.mark.parametrize(("answer", "left"), STREAMS, ids=json.dumps)
def test_stops_come_before_starts(server: Server, answer: dict[str, Any], left: list[str]) -> None:
    with server.welcomed() as client:
        identifier = client.subscribe("A", streams=["a", "b"])
        client.perform(identifier, **answer)
        assert client.pending() == [confirmed(identifier)]
        assert_hears(server, client, *left)


def assert_hears(server: Server, client: Client, *names: str, among: tuple[str, ...] = ("a", "b", "c")) -> None:
    """Broadcast to every stream its name; the client must receive these, in any order, and no others."""
    for name in among:
        server.broadcast(name, name)
    assert sorted(client.next()["message"] for _ in names) == list(names)
    assert client.pending() == []


def test_rejected_subscription_does_not_exist_and_may_be_tried_again(server: Server) -> None:
    with server.welcomed() as client:
        identifier = client.subscribe("A", status="FAILURE")
        client.perform(identifier)
        client.send("subscribe", identifier)
        assert client.pending() == [rejected(identifier), rejected(identifier)]

    assert [request.command for request in server.app.requests("Command")] == ["subscribe", "subscribe"]


def test_streams_and_state_of_a_rejection_count_all_the_same(server: Server) -> None:
    with server.welcomed() as client:
        identifier = client.subscribe("A", status="FAILURE", streams=["s"], istate={"x": "1"}, cstate={"c": "1"})
        client.send("subscribe", identifier)
        assert client.pending() == [rejected(identifier)] * 2
        server.broadcast("s", 1)
        assert client.next() == message(identifier, 1)

    env = server.app.requests("Command")[1].env
    assert (env.istate, env.cstate) == ({"x": "1"}, {"c": "1"})


def test_a_failure_of_a_message_says_what_it_transmits(server: Server) -> None:
    with server.welcomed() as client:
        identifier = client.subscribe("A", streams=["s"])
        client.perform(identifier, status="FAILURE", transmissions=['{"refused":1}'])
        assert [client.next(), client.next()] == [confirmed(identifier), {"refused": 1}]
        server.broadcast("s", 1)
        assert client.next() == message(identifier, 1)


@pytest.mark.parametrize("answer", [{"status": "ERROR", "transmissions": ["x"], "disconnect": True}, {"raise": True}])
@pytest.mark.parametrize(
    "command",
    [pytest.param("subscribe", marks=HANGS), pytest.param("unsubscribe", marks=HANGS), "message"],
)
def test_an_error_changes_nothing_and_says_nothing(server: Server, command: str, answer: dict[str, Any]) -> None:
    identifier = json.dumps({"channel": "A", "answer": {command: answer}})
    with server.welcomed() as client:
        client.send("subscribe", identifier)
        client.send("message", identifier, data=json.dumps({"answer": answer if command == "message" else {}}))
        client.send("unsubscribe", identifier)
        client.send("message", identifier, data="{}")
        frames = client.pending()

    assert frames == ([] if command == "subscribe" else [confirmed(identifier)])
    expected = {
        "subscribe": ["subscribe"],
        "unsubscribe": ["subscribe", "message", "unsubscribe", "message"],
        "message": ["subscribe", "message", "unsubscribe"],
    }
    assert [request.command for request in server.app.requests("Command")] == expected[command]


def test_after_an_unsubscription_nothing_is_heard(server: Server) -> None:
    with server.welcomed() as client:
        identifier = client.subscribe("A", subscribe={"streams": ["a"]}, unsubscribe={"stop_streams": False})
        client.subscribe("B", streams=["b"])
        client.send("unsubscribe", identifier)
        client.pending()
        assert_hears(server, client, "b")


def test_streams_in_the_answer_to_unsubscribe_stay(server: Server) -> None:
    with server.welcomed() as client:
        identifier = client.subscribe("A", unsubscribe={"streams": ["a"], "status": "FAILURE"}, subscribe={})
        client.send("unsubscribe", identifier)
        client.pending()
        server.broadcast("a", 1)
        assert client.next() == message(identifier, 1)


def test_commands_of_one_client_are_done_one_after_another(serve: Serve) -> None:
    app = ScriptedApp()
    server = serve(app)
    with server.welcomed() as client, server.welcomed() as other:
        slow = client.subscribe("Slow", wait=True)
        app.wait_for("Command")
        quick = client.subscribe("Quick")
        own = other.subscribe("Own")
        assert other.pending() == [confirmed(own)]
        assert [request.identifier for request in app.requests("Command")] == [slow, own]
        app.released.set()
        assert client.pending() == [confirmed(slow), confirmed(quick)]

    assert [request.identifier for request in app.requests("Command")] == [slow, own, quick]


# Whispers


def test_a_whisper_reaches_the_others(server: Server) -> None:
    with server.welcomed() as ada, server.welcomed() as grace:
        mine = ada.subscribe("A", streams=["w"], istate={"$w": "w"})
        theirs = grace.subscribe("B", streams=["w"])
        ada.pending()
        grace.pending()
        for data in ({"b": 1, "a": [None, "<"]}, "text", 5, None, True):
            ada.send("whisper", mine, data=data)
        assert ada.pending() == []
        assert [grace.next() for _ in range(5)] == [
            message(theirs, data) for data in ({"b": 1, "a": [None, "<"]}, "text", 5, "null", True)
        ]
        grace.send("whisper", theirs, data="no whisper stream")
        assert grace.pending() == []
        assert ada.pending() == []


def test_whispering_can_be_switched_off(server: Server) -> None:
    with server.welcomed() as ada, server.welcomed() as grace:
        mine = ada.subscribe("A", streams=["w"], istate={"$w": "w"})
        theirs = grace.subscribe("B", streams=["w"])
        ada.perform(mine, istate={"$w": ""})
        ada.send("whisper", mine, data="silence")
        ada.pending()
        grace.pending()
        server.broadcast("w", "end")
        assert grace.next() == message(theirs, "end")


# Broadcasts


@pytest.mark.parametrize(
    ("data", "delivered"),
    [
        ('{"b":1,"a":{"d":1,"c":2}}', '{"a":{"c":2,"d":1},"b":1}'),
        ('{"a":1,"a":2}', '{"a":2}'),
        ("not JSON", '"not JSON"'),
        ("", '""'),
        ("null", '"null"'),
        ("false", "false"),
        ("0", "0"),
        ('""', '""'),
        (" [1, 2] ", "[1,2]"),
        ('"<b>&\u2028é\U0001f44b"', '"\\u003cb\\u003e\\u0026\\u2028é\U0001f44b"'),
        ("12345678901234567890", "12345678901234567000"),
        ("9007199254740993", "9007199254740992"),
        ("[1.50, 1.0, 1e3, 1e20, -2.5]", "[1.5,1,1000,100000000000000000000,-2.5]"),
        ("1e999", '"1e999"'),
        ("NaN", '"NaN"'),
        ('"\\ud800"', '"\ufffd"'),
        ('"\\u0000\\b\\n\\u007f"', '"\\u0000\\b\\n\x7f"'),
    ],
)
def test_frame_is_equal_byte_for_byte(server: Server, data: str, delivered: str) -> None:
    with server.welcomed() as client:
        client.send("subscribe", 'A<"é')
        client.pending()
        client.send("message", 'A<"é', data=json.dumps({"answer": {"streams": ["s"]}}))
        client.pending()
        server.publish({"stream": "s", "data": data})
        assert client.raw() == f'{{"identifier":"A\\u003c\\"é","message":{delivered}}}'


def test_meta(server: Server) -> None:
    with server.welcomed(headers={"X-Request-ID": "ada"}) as ada, server.welcomed() as grace:
        mine, theirs = ada.subscribe("A", streams=["s"]), grace.subscribe("B", streams=["s"])
        ada.pending()
        grace.pending()
        server.broadcast("s", 1, exclude_socket="ada")
        server.broadcast("s", 2, broadcast_type="note", transient=True, unknown=1)
        assert grace.next() == message(theirs, 1)
        assert grace.next() == {**message(theirs, 2), "type": "note"}
        assert ada.next() == {**message(mine, 2), "type": "note"}


def test_a_batch(server: Server) -> None:
    with server.welcomed() as client:
        identifier = client.subscribe("A", streams=["s"])
        client.pending()
        server.publish([{"stream": "s", "data": "1"}, {"stream": "other", "data": "2"}, {"stream": "s", "data": "3"}])
        assert [client.next(), client.next()] == [message(identifier, 1), message(identifier, 3)]
