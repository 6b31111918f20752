"""The RPC messages as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from anycable_rpc.errors import InvalidData
from anycable_rpc.protocol import messages as protocol
from anycable_rpc.protocol.messages import (
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    DisconnectResponse,
    Env,
    EnvResponse,
    PresenceResponse,
    Status,
    stream_name,
)

MESSAGES = [
    Env(),
    EnvResponse(),
    PresenceResponse("join", "42"),
    ConnectionRequest(),
    CommandMessage("subscribe", "{}", "{}"),
    DisconnectRequest("{}"),
    ConnectionResponse(Status.SUCCESS),
    CommandResponse(Status.SUCCESS),
    DisconnectResponse(Status.SUCCESS),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_cannot_be_changed(message: Any) -> None:
    for name in message._fields:
        with pytest.raises(AttributeError):
            setattr(message, name, None)
    assert not hasattr(message, "__dict__")


def test_equal_messages_are_equal() -> None:
    assert CommandResponse(Status.SUCCESS, streams=("a",)) == CommandResponse(Status.SUCCESS, streams=("a",))
    assert CommandResponse(Status.SUCCESS) != CommandResponse(Status.FAILURE)


@pytest.mark.parametrize("message", [Env(), EnvResponse()], ids=lambda message: type(message).__name__)
def test_shared_default_values_cannot_be_changed(message: Any) -> None:
    shared = [value for value in message if isinstance(value, Mapping)]
    for value in shared:
        with pytest.raises(TypeError):
            value["a"] = "b"  # type: ignore[index]
    assert shared == [{}] * (len(message) - isinstance(message, Env))


def test_the_status_has_the_numbers_of_the_proto() -> None:
    assert {status.name: status.value for status in Status} == {"ERROR": 0, "SUCCESS": 1, "FAILURE": 2}


def test_the_service_and_its_version_have_their_names() -> None:
    assert (protocol.SERVICE, protocol.PROTOCOL_VERSION) == ("anycable.RPC", "v1")


@pytest.mark.parametrize("name", ["chat/1", " ", "чат", "--", "\x00"])
def test_any_non_empty_string_can_be_a_stream_name(name: str) -> None:
    assert stream_name(name) == name


@pytest.mark.parametrize("name", ["", None, 1, b"chat", ["chat"], "\ud800"])
def test_other_values_cannot_be_a_stream_name(name: object) -> None:
    with pytest.raises(InvalidData):
        stream_name(name)
