"""Protobuf bytes <-> messages, with the field numbers that anycable-go uses."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycable_rpc._pb import rpc_pb2 as pb
from anycable_rpc.errors import ProtocolError
from anycable_rpc.protocol.messages import (
    METHODS,
    UNCHANGED,
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    DisconnectResponse,
    Env,
    EnvResponse,
    PresenceResponse,
    Request,
    Response,
    Status,
)
from anycable_rpc.transports.protobuf import decode_request, decode_response, encode_request, encode_response

from ..support.paths import PROJECT

FIELDS = {
    "Env": {"url": 1, "headers": 2, "cstate": 3, "istate": 4},
    "EnvResponse": {"cstate": 1, "istate": 2},
    "ConnectionRequest": {"env": 3},
    "ConnectionResponse": {"status": 1, "identifiers": 2, "transmissions": 3, "error_msg": 4, "env": 5},
    "CommandMessage": {"command": 1, "identifier": 2, "connection_identifiers": 3, "data": 4, "env": 5},
    "CommandResponse": {
        "status": 1,
        "disconnect": 2,
        "stop_streams": 3,
        "streams": 4,
        "transmissions": 5,
        "error_msg": 6,
        "env": 7,
        "stopped_streams": 8,
        "presence": 9,
    },
    "PresenceResponse": {"type": 1, "id": 2, "info": 3, "ttl": 4},
    "DisconnectRequest": {"identifiers": 1, "subscriptions": 2, "env": 5},
    "DisconnectResponse": {"status": 1, "error_msg": 2},
}

texts = st.text(max_size=10)
maps = st.dictionaries(texts, texts, max_size=3)
lists = st.lists(texts, max_size=3).map(tuple)
statuses = st.sampled_from(Status)
envs = st.builds(Env, texts, maps, maps, maps)
changes = st.none() | st.builds(EnvResponse, maps, maps)
requests: dict[str, st.SearchStrategy[Request]] = {
    "Connect": st.builds(ConnectionRequest, envs),
    "Command": st.builds(CommandMessage, texts, texts, texts, texts, envs),
    "Disconnect": st.builds(DisconnectRequest, texts, lists, envs),
}
responses: dict[str, st.SearchStrategy[Response]] = {
    "Connect": st.builds(ConnectionResponse, statuses, texts, lists, texts, changes),
    "Command": st.builds(
        CommandResponse,
        status=statuses,
        disconnect=st.booleans(),
        stop_streams=st.booleans(),
        streams=lists,
        transmissions=lists,
        error_msg=texts,
        env=changes,
        stopped_streams=lists,
        presence=st.none() | st.builds(PresenceResponse, texts, texts, texts),
    ),
    "Disconnect": st.builds(DisconnectResponse, statuses, texts),
}
methods = st.sampled_from(list(METHODS))


@pytest.mark.parametrize("message", FIELDS)
def test_a_message_has_the_fields_of_the_protocol(message: str) -> None:
    descriptor = pb.DESCRIPTOR.message_types_by_name[message]

    assert {field.name: field.number for field in descriptor.fields} == FIELDS[message]


def test_the_service_has_three_methods() -> None:
    service = pb.DESCRIPTOR.services_by_name["RPC"]

    assert service.full_name == "anycable.RPC"
    assert tuple(method.name for method in service.methods) == tuple(METHODS)


@given(st.data())
def test_a_request_comes_back_as_it_was(data: st.DataObject) -> None:
    method = data.draw(methods)
    request = data.draw(requests[method])

    assert decode_request(method, encode_request(request)) == request


def test_a_request_that_came_cannot_be_changed() -> None:
    request = decode_request("Connect", encode_request(ConnectionRequest(Env("http://localhost/", {"a": "b"}))))

    for name in Env._fields:
        with pytest.raises(AttributeError):
            setattr(request.env, name, None)
    assert repr(request.env) == "Env(url='http://localhost/', headers={'a': 'b'}, cstate={}, istate={})"
    assert not hasattr(request.env, "ByteSize")


@given(st.data())
def test_a_response_comes_back_as_it_was(data: st.DataObject) -> None:
    method = data.draw(methods)
    response = data.draw(responses[method])

    assert decode_response(method, encode_response(response)) == response


long_texts = st.lists(st.builds(lambda text, times: text * times, texts, st.sampled_from([1, 130, 17_000]))).map(tuple)


@given(st.data())
def test_what_is_written_without_protobuf_has_the_bytes_that_protobuf_writes(data: st.DataObject) -> None:
    said = data.draw(st.tuples(texts, long_texts), label="identifiers or streams, transmissions")
    status = data.draw(statuses)
    connection = ConnectionResponse(status, said[0], said[1], env=UNCHANGED)
    command = CommandResponse(status, streams=said[1], transmissions=(said[0],), env=UNCHANGED)

    for response in (connection, command):
        assert encode_response(response) == encode_response(response._replace(env=EnvResponse({}, {})))


def test_a_full_command_response_has_the_bytes_of_the_protocol() -> None:
    response = CommandResponse(
        Status.SUCCESS,
        disconnect=True,
        stop_streams=True,
        streams=("a",),
        transmissions=("b",),
        error_msg="c",
        env=EnvResponse({"d": "e"}, {}),
        stopped_streams=("f",),
        presence=PresenceResponse("join", "g", "h"),
    )

    data = (
        b"\x08\x01\x10\x01\x18\x01\x22\x01a\x2a\x01b\x32\x01c"
        b"\x3a\x08\x0a\x06\x0a\x01d\x12\x01e\x42\x01f\x4a\x0c\x0a\x04join\x12\x01g\x1a\x01h"
    )

    assert encode_response(response) == data
    assert decode_response("Command", data) == response


@pytest.mark.parametrize(
    ("method", "request_", "data"),
    [
        ("Connect", ConnectionRequest(Env("u", {"h": "v"})), b"\x1a\x0b\x0a\x01u\x12\x06\x0a\x01h\x12\x01v"),
        (
            "Command",
            CommandMessage("a", "b", "c", "d", Env("u", {}, {"k": "v"}, {"l": "w"})),
            b"\x0a\x01a\x12\x01b\x1a\x01c\x22\x01d"
            b"\x2a\x13\x0a\x01u\x1a\x06\x0a\x01k\x12\x01v\x22\x06\x0a\x01l\x12\x01w",
        ),
        (
            "Disconnect",
            DisconnectRequest("a", ("b", "c"), Env("u")),
            b"\x0a\x01a\x12\x01b\x12\x01c\x2a\x03\x0a\x01u",
        ),
    ],
)
def test_a_request_has_the_bytes_of_the_protocol(method: str, request_: Request, data: bytes) -> None:
    assert encode_request(request_) == data
    assert decode_request(method, data) == request_


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Connect", ConnectionRequest()),
        ("Command", CommandMessage("", "", "")),
        ("Disconnect", DisconnectRequest("")),
    ],
)
def test_no_bytes_are_a_request_without_values(method: str, request_: Request) -> None:
    assert decode_request(method, b"") == request_


@pytest.mark.parametrize(
    ("method", "response"),
    [
        ("Connect", ConnectionResponse(Status.ERROR)),
        ("Command", CommandResponse(Status.ERROR)),
        ("Disconnect", DisconnectResponse(Status.ERROR)),
    ],
)
def test_no_bytes_are_an_error(method: str, response: Response) -> None:
    assert decode_response(method, b"") == response


def test_an_unknown_status_is_an_error_as_for_anycable_go() -> None:
    assert decode_response("Disconnect", b"\x08\x63") == DisconnectResponse(Status.ERROR)


def test_fields_of_a_later_protocol_are_skipped() -> None:
    assert decode_response("Disconnect", b"\x08\x01\xf8\x01\x07") == DisconnectResponse(Status.SUCCESS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05ab", b"not protobuf"])
def test_other_bytes_are_a_protocol_error(method: str, data: bytes) -> None:
    with pytest.raises(ProtocolError, match="protobuf's encoding"):
        decode_request(method, data)


@pytest.mark.parametrize(
    ("method", "data"),
    [("Connect", b"\x1a\x03\x0a\x01\xff"), ("Command", b"\x0a\x01\xff"), ("Disconnect", b"\x0a\x01\xff")],
)
def test_bytes_that_are_not_utf8_are_a_protocol_error(method: str, data: bytes) -> None:
    with pytest.raises(ProtocolError, match="protobuf's encoding"):
        decode_request(method, data)


@given(methods, st.binary(max_size=60))
def test_garbage_is_read_or_refused_and_nothing_else(method: str, data: bytes) -> None:
    for decode in (decode_request, decode_response):
        with suppress(ProtocolError):
            decode(method, data)


def test_bytes_that_are_not_utf8_are_refused_by_protobuf_without_its_c_code_too() -> None:
    script = (
        "from anycable_rpc.errors import ProtocolError\n"
        "from anycable_rpc.transports.protobuf import decode_request\n"
        "try: decode_request('Connect', b'\\x1a\\x03\\x0a\\x01\\xff')\n"
        "except ProtocolError as error: print(error)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env={**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "not a ConnectionRequest in protobuf's encoding\n"


@pytest.mark.parametrize(
    "response",
    [
        ConnectionResponse(Status.SUCCESS, identifiers="\ud800"),
        CommandResponse(Status.SUCCESS, transmissions=("\ud800",)),
        CommandResponse(Status.SUCCESS, env=EnvResponse({}, {"\ud800": "1"})),
        DisconnectResponse(Status.ERROR, "\ud800"),
    ],
)
def test_a_response_that_is_not_unicode_is_a_protocol_error(response: Response) -> None:
    with pytest.raises(ProtocolError, match="Response cannot be written"):
        encode_response(response)


def test_a_request_that_is_not_unicode_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="ConnectionRequest cannot be written"):
        encode_request(ConnectionRequest(Env("\ud800")))
