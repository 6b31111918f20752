"""JSON <-> messages, with the names that anycable-go uses; protobuf's own JSON is the second opinion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycable_rpc.errors import ProtocolError
from anycable_rpc.protocol.messages import (
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
from anycable_rpc.transports.http.json_codec import decode_request, encode_response

from ...support.http_rpc import encode_request, response_fields
from ..test_protobuf import methods, requests, responses

ENV = {"url": "http://x/cable", "headers": {"cookie": "a=1"}, "cstate": {"a": "1"}, "istate": {"b": "2"}}


def without_empty_state(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "env" or value}


@given(st.data())
def test_a_request_is_read_as_protobuf_writes_it(data: st.DataObject) -> None:
    method = data.draw(methods)
    request = data.draw(requests[method])

    assert decode_request(method, encode_request(request)) == request


@given(st.data())
def test_a_response_has_the_fields_that_protobuf_writes(data: st.DataObject) -> None:
    method = data.draw(methods)
    response = data.draw(responses[method])

    written = json.loads(encode_response(response))

    assert written == without_empty_state(response_fields(method, response))


@pytest.mark.parametrize(
    ("method", "body", "request_"),
    [
        ("Connect", {"env": ENV}, ConnectionRequest(Env(**ENV))),  # type: ignore[arg-type]
        (
            "Command",
            {"command": "a", "identifier": "b", "connection_identifiers": "c", "data": "d", "env": {"url": "u"}},
            CommandMessage("a", "b", "c", "d", Env("u")),
        ),
        (
            "Disconnect",
            {"identifiers": "a", "subscriptions": ["b", "c"], "env": {}},
            DisconnectRequest("a", ("b", "c"), Env()),
        ),
    ],
)
def test_a_request_has_the_names_of_the_protocol(method: str, body: Any, request_: Request) -> None:
    assert decode_request(method, json.dumps(body).encode()) == request_


NULL_ENV = {"url": None, "headers": None, "cstate": None, "istate": None}


@pytest.mark.parametrize(
    ("method", "request_", "nulls"),
    [
        ("Connect", ConnectionRequest(), {"env": None}),
        ("Command", CommandMessage("", "", ""), {"command": None, "identifier": None, "env": NULL_ENV}),
        ("Disconnect", DisconnectRequest(""), {"identifiers": None, "subscriptions": None, "env": NULL_ENV}),
    ],
)
def test_fields_that_are_missing_null_or_unknown_are_no_errors(
    method: str, request_: Request, nulls: Mapping[str, Any]
) -> None:
    later = {"ttl": 5, "env": {"later": [{}], "headers": {}}, "connectionIdentifiers": 7}

    read = [decode_request(method, json.dumps(body).encode()) for body in ({}, nulls, later)]

    assert read == [request_] * 3


def test_a_request_that_came_cannot_be_changed() -> None:
    request = decode_request("Connect", json.dumps({"env": ENV}).encode())

    assert isinstance(request.env.headers, MappingProxyType)
    assert isinstance(request.env.cstate, MappingProxyType)


def test_strings_of_every_script_and_escapes_arrive_as_they_were() -> None:
    body = (
        rb'{"identifier":"\u003cGr\u00fc\u00dfe \ud83d\udc4b\u2028\\ud800\u0000","data":"'
        + "日本\u2029".encode()
        + b'"}'
    )

    assert decode_request("Command", body) == CommandMessage("", "<Grüße \U0001f44b\u2028\\ud800\0", "", "日本\u2029")


DEEP = b'{"later":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001
UNUSABLE = {
    "empty": (b"", "the body cannot be used: not JSON: Expecting value"),
    "no JSON": (b"{", "the body cannot be used: not JSON"),
    "null": (b"null", "the body must be a JSON object, not null"),
    "list": (b"[]", "the body must be a JSON object, not a list"),
    "string": (b'"{}"', "the body must be a JSON object, not a string"),
    "number": (b"1", "the body must be a JSON object, not a number"),
    "truth": (b"true", "the body must be a JSON object, not true or false"),
    "fraction": (b"0.5", "the body must be a JSON object, not a number"),
    "two values": (b"{}{}", "the body cannot be used: not JSON: Extra data"),
    "NaN": (b'{"later":NaN}', "the body cannot be used: not JSON: NaN is not a JSON value"),
    "not UTF-8": (b'{"command":"\xff"}', "the body is not UTF-8"),
    "UTF-16": ('{"command":"a"}'.encode("utf-16"), "the body is not UTF-8"),
    "surrogate": (rb'{"identifier":"\ud800"}', "the body cannot be used: a string contains a lone surrogate"),
    "surrogate in a key": (rb'{"env":{"cstate":{"\uDfff":"1"}}}', "the body cannot be used: a string contains a lone"),
    "surrogate unknown": (rb'{"later":["\uD800"]}', "the body cannot be used: a string contains a lone surrogate"),
    "deep": (DEEP, "the body cannot be used: not JSON: nested too deeply"),
    "deep list": (b"[" * 100_000, "the body cannot be used: not JSON: nested too deeply"),
    "digits": (b'{"later":' + b"9" * 5000 + b"}", "the body cannot be used: not JSON: Exceeds the limit"),
    "command": (b'{"command":1}', "command must be a string, not a number"),
    "identifier": (b'{"identifier":{"channel":"A"}}', "identifier must be a string, not an object"),
    "env": (b'{"env":[]}', "env must be an object, not a list"),
    "url": (b'{"env":{"url":false}}', "url must be a string, not true or false"),
    "headers": (b'{"env":{"headers":[]}}', "env.headers must be an object, not a list"),
    "cstate": (b'{"env":{"cstate":{"a":1}}}', "env.cstate must be an object with strings, but not all its values are"),
    "istate": (b'{"env":{"istate":{"a":null}}}', "env.istate must be an object with strings, but not all its values"),
}


@pytest.mark.parametrize(("body", "sentence"), UNUSABLE.values(), ids=UNUSABLE)
def test_garbage_is_an_error_with_a_sentence(body: bytes, sentence: str) -> None:
    with pytest.raises(ProtocolError) as error:
        decode_request("Command", body)

    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    ("subscriptions", "sentence"),
    [
        ('"a"', "subscriptions must be a list of strings, not a string"),
        ('["a",1]', "subscriptions must be a list of strings, but not all its items are strings"),
    ],
)
def test_subscriptions_are_strings(subscriptions: str, sentence: str) -> None:
    with pytest.raises(ProtocolError) as error:
        decode_request("Disconnect", f'{{"subscriptions":{subscriptions}}}'.encode())

    assert str(error.value) == sentence


@given(st.binary(max_size=200) | st.text(max_size=50).map(str.encode))
def test_any_bytes_are_a_request_or_a_protocol_error(body: bytes) -> None:
    try:
        request = decode_request("Command", body)
    except ProtocolError:
        return
    assert isinstance(request, CommandMessage)


@pytest.mark.parametrize(
    ("response", "fields"),
    [
        (ConnectionResponse(Status.ERROR), {}),
        (DisconnectResponse(Status.ERROR, "boom"), {"error_msg": "boom"}),
        (
            ConnectionResponse(Status.SUCCESS, '{"u":"é"}', ("{}",), env=EnvResponse({"a": ""}, {})),
            {"status": 1, "identifiers": '{"u":"é"}', "transmissions": ["{}"], "env": {"cstate": {"a": ""}}},
        ),
        (CommandResponse(Status.FAILURE, env=UNCHANGED), {"status": 2}),
        (
            CommandResponse(
                Status.SUCCESS,
                disconnect=True,
                stop_streams=True,
                streams=("a",),
                transmissions=("b",),
                error_msg="c",
                env=EnvResponse({}, {"d": "e"}),
                stopped_streams=("f",),
                presence=PresenceResponse("join", "g", "h"),
            ),
            {
                "status": 1,
                "disconnect": True,
                "stop_streams": True,
                "streams": ["a"],
                "transmissions": ["b"],
                "error_msg": "c",
                "env": {"istate": {"d": "e"}},
                "stopped_streams": ["f"],
                "presence": {"type": "join", "id": "g", "info": "h"},
            },
        ),
    ],
)
def test_a_response_has_the_names_of_the_protocol(response: Response, fields: dict[str, Any]) -> None:
    assert json.loads(encode_response(response)) == fields


def test_a_status_is_a_whole_number() -> None:
    assert encode_response(DisconnectResponse(Status.SUCCESS)) == b'{"status":1}'


def test_a_response_that_is_not_unicode_is_a_protocol_error_without_the_string() -> None:
    with pytest.raises(ProtocolError) as error:
        encode_response(ConnectionResponse(Status.SUCCESS, "secret \ud800"))

    assert str(error.value) == "ConnectionResponse cannot be written: a string in it has a lone surrogate"
