from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from anycable_rpc import Channel, Connection
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

from .colours import App

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
    """The response, which must be the same from a thread and on a loop."""
    data = encode_request(REQUESTS[method]) if data is None else data
    metadata = metadata or METADATA
    answer = service.handle(method, data, metadata)
    assert asyncio.run(service.ahandle(method, data, metadata)) == answer
    service.close()
    return decode_response(method, answer)


@pytest.fixture(params=["def", "async"])
def colour(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_client_is_welcomed_with_its_sid(colour: str) -> None:
    assert ask(Service(App(colour).cable)) == ConnectionResponse(
        Status.SUCCESS, "{}", ('{"type":"welcome","sid":"s1"}',), env=EnvResponse()
    )


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

    assert ask(Service(App("def", Odd).cable)) == ConnectionResponse(
        Status.ERROR, error_msg="the response cannot be written"
    )
    assert "cannot be written" in caplog.text


def test_an_async_app_has_one_loop_for_all_threads() -> None:
    threads = set()

    class Chat(Channel):
        async def subscribed(self) -> None:
            threads.add(threading.get_ident())

    service = Service(App("def", channels=[Chat]).cable)
    data = encode_request(CommandMessage("subscribe", '{"channel":"Chat"}', "{}"))
    for _ in range(3):
        service.handle("Command", data, METADATA)
    service.close()

    assert service.is_async
    assert len(threads) == 1
    assert threading.get_ident() not in threads
