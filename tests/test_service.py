from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from anycable_rpc import Connection
from anycable_rpc.protocol import (
    CommandMessage,
    CommandResponse,
    ConnectionRequest,
    ConnectionResponse,
    DisconnectRequest,
    DisconnectResponse,
    EnvResponse,
    Request,
    Status,
)
from anycable_rpc.service import Service
from anycable_rpc.wire import decode_response, encode_request

from .colours import App, settings

METADATA = {"sid": "s1", "protov": "v1"}
REQUESTS: dict[str, Request] = {
    "Connect": ConnectionRequest(),
    "Command": CommandMessage("subscribe", "{}", "{}"),
    "Disconnect": DisconnectRequest("{}"),
}
RESPONSES: dict[str, Any] = {
    "Connect": ConnectionResponse,
    "Command": CommandResponse,
    "Disconnect": DisconnectResponse,
}


def ask(service: Service, method: str = "Connect", data: bytes | None = None, **metadata: str) -> Any:
    """The response; that to a `def` app must be the same from a thread and on a loop."""
    data = encode_request(REQUESTS[method]) if data is None else data
    metadata = metadata or METADATA
    answer = asyncio.run(service.ahandle(method, data, metadata))
    if not service.is_async:
        assert service.handle(method, data, metadata) == answer
    service.threads.shutdown()
    return decode_response(method, answer)


@pytest.fixture(params=["def", "async"])
def colour(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_client_is_welcomed_with_its_sid(colour: str) -> None:
    assert ask(Service(App(colour).cable)) == ConnectionResponse(
        Status.SUCCESS, "{}", ('{"type":"welcome","sid":"s1"}',), env=EnvResponse()
    )


def test_at_debug_each_call_is_a_line(colour: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", "anycable_rpc"):
        service = Service(App(colour).cable)
        ask(service, "Connect")

    assert [re.sub(r"\d+\.\d", "#", message) for message in caplog.messages] == (
        ["connected '{}' by RPC in # ms [sid=s1]"] * (1 if service.is_async else 2)
    )


def test_above_debug_calls_do_not_even_ask(colour: str, caplog: pytest.LogCaptureFixture) -> None:
    service = Service(App(colour).cable)

    with caplog.at_level("DEBUG", "anycable_rpc"):
        ask(service, "Connect")

    assert caplog.messages == []


def test_the_sid_can_be_left_out(colour: str) -> None:
    response = ask(Service(App(colour).cable, sid_header=False))

    assert response.transmissions == ('{"type":"welcome"}',)


@pytest.mark.parametrize("method", REQUESTS)
@pytest.mark.parametrize(("versions", "said"), [("", "unknown"), ("v0", "v0"), ("v10,v2", "v10,v2")])
def test_a_caller_of_another_version_is_refused(method: str, versions: str, said: str) -> None:
    response = ask(Service(App("def").cable), method, protov=versions)

    assert response == RESPONSES[method](
        status=Status.ERROR,
        error_msg=f"Incompatible AnyCable RPC client.\nCurrent server version: v1.\nClient supported versions: {said}.",
    )


@pytest.mark.parametrize("versions", ["v1", "v0,v1", "v0, v1 "])
def test_one_version_in_common_is_enough(versions: str) -> None:
    assert ask(Service(App("def").cable), protov=versions).status is Status.SUCCESS


def test_the_version_check_can_be_switched_off() -> None:
    assert ask(Service(App("def").cable, version_check=False), sid="s").status is Status.SUCCESS


@pytest.mark.parametrize("method", REQUESTS)
@pytest.mark.parametrize("data", [b"garbage", b"\xff" * 100, b"\x1a\x7f"])
def test_bytes_that_are_no_message_are_an_error(method: str, data: bytes) -> None:
    response = ask(Service(App("def").cable), method, data)

    assert response.status is Status.ERROR
    assert response.error_msg.endswith("in protobuf's encoding")


def test_a_response_that_cannot_be_written_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    class Odd(Connection):
        def connect(self) -> None:
            self._transmissions.append("\ud800")

    response = ask(Service(App("def", Odd).cable))

    assert response.status is Status.ERROR
    assert "cannot be written" in response.error_msg
    assert "cannot be written" in caplog.text


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("an internal detail")


class BrokenSettings:
    connect_tokens = False

    def jwt_secrets(self) -> tuple[str, ...]:
        return ()

    @property
    def debug(self) -> bool:
        raise RuntimeError("an internal detail")


def test_whatever_goes_wrong_an_answer_is_given(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Connection):
        def connect(self) -> None:
            raise Unspeakable

    told = ask(Service(App("def", Broken, settings=settings(debug=True)).cable))
    silent = ask(Service(App("def", Broken, settings=BrokenSettings()).cable))

    assert told == ConnectionResponse(Status.ERROR, error_msg="Broken.connect failed: Unspeakable")
    assert silent == ConnectionResponse(Status.ERROR, error_msg="Connect failed")


@pytest.mark.parametrize("method", REQUESTS)
def test_a_connection_that_cannot_be_made_is_an_error_like_any_other(method: str) -> None:
    class Broken(Connection):
        def __init__(self, *args: Any) -> None:
            raise ValueError("an internal detail")

    told: list[Any] = []
    response = ask(Service(App("def", Broken, on_error=lambda *what: told.append(what)).cable), method)

    assert response.error_msg == f"{method} failed"
    assert response.status is (Status.FAILURE if method == "Command" else Status.ERROR)
    assert all(isinstance(error, ValueError) and callback is None for error, callback in told)
    assert len(told) == 2  # once from the thread, once from the loop
