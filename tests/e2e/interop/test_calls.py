"""Unary calls, health and failures, with grpc-go, grpc-js and both clients of grpcio."""

from __future__ import annotations

import json
from time import monotonic

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from anycable_rpc.protocol.messages import (
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    DisconnectResponse,
    Env,
    EnvResponse,
    Status,
)
from anycable_rpc.transports import protobuf as wire

from .callers import (
    CANCELLED,
    CHECK,
    COMMAND,
    CONNECT,
    DEADLINE_EXCEEDED,
    DISCONNECT,
    INTERNAL,
    INVALID_ARGUMENT,
    METADATA,
    NOT_FOUND,
    OK,
    PATIENCE,
    RESOURCE_EXHAUSTED,
    UNIMPLEMENTED,
    WATCH,
    Answer,
    Caller,
)

PLACES = 30  # the setting's default
IDENTIFIER = '{"channel":"Echo"}'
SERVING = HealthCheckResponse(status=HealthCheckResponse.SERVING).SerializeToString()
UNKNOWN = HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN).SerializeToString()


def saying(text: str) -> bytes:
    return perform("say", text=text)


def waiting(seconds: float) -> bytes:
    return perform("wait", seconds=seconds)


def perform(action: str, **payload: object) -> bytes:
    data = json.dumps({"action": action, **payload})
    return wire.encode_request(CommandMessage("message", IDENTIFIER, "{}", data))


def message(answer: Answer) -> object:
    """Return the message that a Command has transmitted."""
    response = wire.decode_response("Command", answer.data)
    assert isinstance(response, CommandResponse)
    (text,) = response.transmissions
    return json.loads(text)["message"]


def serves(caller: Caller) -> bool:
    answer = caller.call(COMMAND, saying("and on"))
    return answer.code == OK and message(answer) == "and on"


def wait_until_all_places_are_free(caller: Caller) -> None:
    """Wait for callbacks on threads: they run on when their calls are cut, and keep their places."""
    deadline = monotonic() + PATIENCE
    while {answer.code for answer in caller.calls(PLACES, COMMAND, waiting(0.1))} != {OK}:
        assert monotonic() < deadline


def test_the_three_calls(caller: Caller) -> None:
    env = Env("http://localhost/cable", {"x-name": "Grüße"})

    connected = caller.call(CONNECT, wire.encode_request(ConnectionRequest(env)))
    performed = caller.call(COMMAND, saying("€"))
    gone = caller.call(DISCONNECT, wire.encode_request(DisconnectRequest("{}", (IDENTIFIER,))))

    assert [connected.code, performed.code, gone.code] == [OK] * 3
    assert wire.decode_response("Connect", connected.data) == ConnectionResponse(
        Status.SUCCESS, "{}", ('{"x-name":"Grüße"}', '{"type":"welcome","sid":"s1"}'), env=EnvResponse()
    )
    assert message(performed) == "€"
    assert wire.decode_response("Disconnect", gone.data) == DisconnectResponse(Status.SUCCESS)


def test_an_empty_message(caller: Caller) -> None:
    answer = caller.call(CONNECT, b"")

    assert answer.code == OK
    assert wire.decode_response("Connect", answer.data).status is Status.SUCCESS


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("size", [1, 20_000, 100_000, 3_900_000])
def test_messages_of_any_size(caller: Caller, size: int, gzip: bool) -> None:
    text = "x" * size

    answer = caller.call(COMMAND, saying(text), gzip=gzip)

    assert (answer.code, answer.text) == (OK, "")
    assert message(answer) == text


@pytest.mark.parametrize("gzip", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("size", [4 * 2**20 + 1, 20 * 2**20])
def test_too_large_a_message(caller: Caller, size: int, gzip: bool) -> None:
    refused = caller.call(COMMAND, b"x" * size, gzip=gzip)

    assert refused.code == INVALID_ARGUMENT  # not RESOURCE_EXHAUSTED, which anycable-go tries again
    assert "rpc_max_call_send_size" in refused.text
    assert serves(caller)


def test_large_messages_at_the_same_time(caller: Caller) -> None:
    answers = caller.calls(8, COMMAND, saying("x" * 2_000_000))

    assert {answer.code for answer in answers} == {OK}
    assert {len(str(message(answer))) for answer in answers} == {2_000_000}


def test_a_deadline(caller: Caller) -> None:
    began = monotonic()

    assert caller.call(COMMAND, waiting(1), timeout=0.2).code == DEADLINE_EXCEEDED
    assert monotonic() - began < 1
    assert serves(caller)
    wait_until_all_places_are_free(caller)


def test_cancelled_calls_free_their_places(caller: Caller) -> None:
    cancelled = caller.calls(PLACES, COMMAND, waiting(1), cancel=0.5)

    assert {answer.code for answer in cancelled} == {CANCELLED}
    wait_until_all_places_are_free(caller)


def test_more_calls_than_places(caller: Caller) -> None:
    answers = caller.calls(500, COMMAND, waiting(1))

    refused = [answer for answer in answers if answer.code == RESOURCE_EXHAUSTED]
    assert {answer.code for answer in answers} == {OK, RESOURCE_EXHAUSTED}
    assert PLACES <= 500 - len(refused) < 500
    assert {answer.text for answer in refused} == {
        "all 30 places are taken; compare ANYCABLE_RPC_POOL_SIZE with anycable-go's --rpc_concurrency"
    }
    assert serves(caller)


@pytest.mark.parametrize("path", ["/anycable.RPC/Restore", "/other.Service/Connect"])
def test_an_unknown_method(caller: Caller, path: str) -> None:
    assert caller.call(path).code == UNIMPLEMENTED
    assert serves(caller)


def test_garbage(caller: Caller) -> None:
    answer = caller.call(COMMAND, b"\xff" * 1000)

    assert answer.code == OK
    assert wire.decode_response("Command", answer.data).status is Status.ERROR


def test_many_headers(caller: Caller) -> None:
    many = [(f"x-header-{number}", f"value {number} " * 4) for number in range(100)]
    binary = [("x-bytes-bin", "some bytes")]

    for _ in range(3):
        answer = caller.call(CONNECT, b"", metadata=[*METADATA, *many, *binary])
        assert answer.code == OK
        assert wire.decode_response("Connect", answer.data).status is Status.SUCCESS


def test_too_many_headers(caller: Caller) -> None:
    """The server announces its limit. grpc-go then refuses more headers by itself."""
    refused = caller.call(CONNECT, b"", metadata=[*METADATA, ("x-long", "x" * 20_000)])

    assert refused.code in (RESOURCE_EXHAUSTED, INTERNAL)
    assert serves(caller)


def test_calls_that_do_not_end(caller: Caller) -> None:
    load = caller.begin_load(8, COMMAND, saying("x" * 1000))
    assert all(serves(caller) for _ in range(100))

    counts = caller.end_load(load)

    assert counts.keys() == {OK}
    assert counts[OK] > 100


def test_health_is_checked(caller: Caller) -> None:
    names = ("", "anycable.RPC", "other.Service")

    answers = [caller.call(CHECK, HealthCheckRequest(service=name).SerializeToString()) for name in names]

    assert [answer.code for answer in answers] == [OK, OK, NOT_FOUND]
    assert [answer.data for answer in answers] == [SERVING, SERVING, b""]


@pytest.mark.parametrize(("name", "expected"), [("", SERVING), ("anycable.RPC", SERVING), ("other.Service", UNKNOWN)])
def test_health_is_watched(caller: Caller, name: str, expected: bytes) -> None:
    asked = HealthCheckRequest(service=name).SerializeToString()

    first, end = caller.stream(WATCH, asked, cancel=1)

    assert (first.more, first.data) == (True, expected)
    assert end.code == CANCELLED
    assert serves(caller)
