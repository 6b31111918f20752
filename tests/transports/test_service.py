from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from anycable_rpc import Channel, Connection, action
from anycable_rpc.errors import IncompatibleClient, InvalidIdentifier, ResponseTooLarge
from anycable_rpc.protocol.messages import (
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
from anycable_rpc.protocol.reply import reply_of
from anycable_rpc.transports.bytes_handler import BytesHandler
from anycable_rpc.transports.protobuf import decode_response, encode_request
from anycable_rpc.transports.service import AnsweredCall, Service

from ..support.both_ways import App, settings

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


def ask(service: Service | BytesHandler, method: str = "Connect", data: bytes | None = None, **metadata: str) -> Any:
    """The response; that to a `def` app must be the same from a thread and on a loop."""
    data = encode_request(REQUESTS[method]) if data is None else data
    metadata = metadata or METADATA
    handler = BytesHandler(service) if isinstance(service, Service) else service
    answer = asyncio.run(handler.ahandle(method, data, metadata))
    if not service.is_async:
        assert handler.handle(method, data, metadata) == answer
    service.threads.shutdown()
    return decode_response(method, answer)


@pytest.fixture(params=["def", "async"])
def mode(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_client_is_welcomed_with_its_sid(mode: str) -> None:
    assert ask(Service(App(mode).cable)) == ConnectionResponse(
        Status.SUCCESS, "{}", ('{"type":"welcome","sid":"s1"}',), env=EnvResponse()
    )


def test_at_debug_each_call_is_a_line(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", "anycable_rpc"):
        service = Service(App(mode).cable)
        ask(service, "Connect")

    assert [re.sub(r"\d+\.\d", "#", message) for message in caplog.messages] == (
        ["connected '{}' by RPC in # ms [sid=s1]"] * (1 if service.is_async else 2)
    )


def test_above_debug_calls_do_not_even_ask(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    service = Service(App(mode).cable)

    with caplog.at_level("DEBUG", "anycable_rpc"):
        ask(service, "Connect")

    assert caplog.messages == []


@pytest.mark.parametrize("method", REQUESTS)
def test_observers_see_each_call_with_its_method_status_and_time(mode: str, method: str) -> None:
    service, seen = Service(App(mode).cable), list[AnsweredCall]()
    service.observers.append(seen.append)

    responses = [asyncio.run(service.ahandle(REQUESTS[method], METADATA))]
    if not service.is_async:
        responses.append(service.handle(REQUESTS[method], METADATA))

    assert [(call.method, call.response, call.sid) for call in seen] == [(method, each, "s1") for each in responses]
    assert all(0 < call.seconds < 5 for call in seen)


def test_observers_see_a_call_that_was_never_begun() -> None:
    service, seen = Service(App("def").cable), list[AnsweredCall]()
    service.observers.append(seen.append)

    service.handle(ConnectionRequest(), {"protov": "v0"})

    assert [(call.method, call.response.status) for call in seen] == [("Connect", Status.ERROR)]


def test_observers_see_the_errors_that_were_logged(mode: str) -> None:
    class Broken(Connection):
        def connect(self) -> None:
            raise ValueError("gone")

    service, seen = Service(App(mode, Broken).cable), list[AnsweredCall]()
    service.observers.append(seen.append)

    for request, metadata in [(ConnectionRequest(), METADATA), (ConnectionRequest(), {"protov": "v0"})]:
        asyncio.run(service.ahandle(request, metadata))
        if not service.is_async:
            service.handle(request, metadata)
    asyncio.run(service.ahandle(REQUESTS["Command"], METADATA))

    kinds = [[type(error) for error in call.errors] for call in seen]
    times = 1 if service.is_async else 2
    assert kinds == [[ValueError]] * times + [[IncompatibleClient]] * times + [[InvalidIdentifier]]


def test_an_observer_that_fails_does_not_harm_the_call(caplog: pytest.LogCaptureFixture) -> None:
    service, seen = Service(App("def").cable), list[AnsweredCall]()
    service.observers += [lambda call: 1 / 0, seen.append]

    response = service.handle(ConnectionRequest(), METADATA)

    assert response.status is Status.SUCCESS
    assert len(seen) == 1
    assert "an observer of calls failed" in caplog.text


def test_the_sid_can_be_left_out(mode: str) -> None:
    response = ask(Service(App(mode).cable, sid_header=False))

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
            reply_of(self).transmissions.append("\ud800")

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


LIMIT = 2_000
ROOM = '{"channel":"Room"}'


class Greedy(Connection):
    """Every callback says more than is taken, and is counted."""

    ran: list[str] = []  # noqa: RUF012

    def connect(self) -> None:
        self._say("connect")

    def disconnect(self) -> None:
        self._say("disconnect")

    def _say(self, name: str) -> None:
        self.ran.append(name)
        self.transmit("x" * LIMIT)


class Room(Channel):
    connection: Greedy

    def subscribed(self) -> None:
        self.connection._say("subscribed")
        self.stream_from("secrets")

    def unsubscribed(self) -> None:
        self.connection._say("unsubscribed")

    @action
    def speak(self) -> None:
        self.connection._say("speak")

    @action
    def keep(self) -> None:
        self.connection.ran.append("keep")
        self.connection.state["text"] = "x" * LIMIT

    @action
    def leave(self) -> None:
        self.connection.ran.append("leave")
        self.connection.close("x" * LIMIT)


REJECTED = CommandResponse(
    Status.FAILURE,
    stop_streams=True,
    transmissions=('{"identifier":"{\\"channel\\":\\"Room\\"}","type":"reject_subscription"}',),
    error_msg="Room.subscribed failed",
    env=EnvResponse(),
)


def command(name: str, data: str = "") -> CommandMessage:
    return CommandMessage(name, ROOM, "{}", data)


@pytest.mark.parametrize(
    ("callback", "request_", "expected"),
    [
        ("connect", ConnectionRequest(), ConnectionResponse(Status.ERROR, error_msg="Greedy.connect failed")),
        ("subscribed", command("subscribe"), REJECTED),
        ("unsubscribed", command("unsubscribe"), CommandResponse(Status.SUCCESS, stop_streams=True, env=EnvResponse())),
        *(
            (
                name,
                command("message", f'{{"action":"{name}"}}'),
                CommandResponse(Status.ERROR, error_msg=f"Room.{name} failed"),
            )
            for name in ("speak", "keep", "leave")
        ),
    ],
)
def test_too_large_an_answer_is_an_error_said_once(
    mode: str, callback: str, request_: Request, expected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []
    app = App(mode, Greedy, [Room], on_error=lambda *what: told.append(what))
    app.cable.connection_class.ran = []  # type: ignore[attr-defined]
    service = BytesHandler(Service(app.cable), largest_response=LIMIT)
    method = "Connect" if callback == "connect" else "Command"

    response = decode_response(method, asyncio.run(service.ahandle(method, encode_request(request_), METADATA)))

    assert response == expected
    assert app.cable.connection_class.ran == [callback]  # type: ignore[attr-defined]
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert f".{callback} failed: the answer has 2" in record.getMessage()
    assert "more than the 2000 of rpc_max_call_recv_size" in record.getMessage()
    assert "\n" not in caplog.text.rstrip()
    assert [(type(error), each.name) for error, each in told] == [(ResponseTooLarge, callback)]
    if not service.is_async:
        assert decode_response(method, service.handle(method, encode_request(request_), METADATA)) == expected


@pytest.mark.parametrize("extra", [0, 1])
def test_an_answer_at_the_limit_is_sent(extra: int) -> None:
    class Exact(Connection):
        def connect(self) -> None:
            self.transmit("x" * 200)

    cable = App("def", Exact).cable
    size = len(BytesHandler(Service(cable)).handle("Connect", encode_request(ConnectionRequest()), METADATA))

    response = ask(BytesHandler(Service(cable), largest_response=size - extra))

    assert response.status is (Status.ERROR if extra else Status.SUCCESS)


def test_a_rejection_that_is_too_large_itself_is_a_plain_error(caplog: pytest.LogCaptureFixture) -> None:
    class Deep(Channel):
        def subscribed(self) -> None: ...

    identifier = f'{{"channel":"Deep","text":"{"x" * LIMIT}"}}'
    service = BytesHandler(Service(App("def", channels=[Deep]).cable), largest_response=LIMIT)

    response = ask(service, "Command", encode_request(CommandMessage("subscribe", identifier, "{}")))

    assert response.status is Status.ERROR
    assert "the response that would say so is too large as well" in caplog.text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("subscribe", Status.FAILURE),
        ("unsubscribe", Status.SUCCESS),
        ("message", Status.ERROR),
    ],
)
def test_too_large_a_request_is_an_error_and_runs_nothing(
    mode: str, name: str, expected: Status, caplog: pytest.LogCaptureFixture
) -> None:
    app = App(mode, Greedy, [Room])
    ran: list[str] = []
    app.cable.connection_class.ran = ran  # type: ignore[attr-defined]
    data = encode_request(CommandMessage(name, ROOM, "{}", "x" * LIMIT))

    response = ask(BytesHandler(Service(app.cable), largest_request=LIMIT), "Command", data)

    assert response.status is expected
    assert ran == []
    assert f"the request has {len(data)} bytes, more than the 2000 of rpc_max_call_send_size" in caplog.text


@pytest.mark.parametrize("limit", [10, 50])
def test_a_failure_is_sent_even_where_nearly_nothing_may_be(mode: str, limit: int) -> None:
    response = ask(BytesHandler(Service(App(mode).cable), largest_response=limit), protov="v9")

    assert response.status is Status.ERROR
    assert response.error_msg == ""


def test_a_caller_of_another_version_hears_of_that_before_anything_else() -> None:
    response = ask(Service(App("def").cable), "Command", b"garbage", protov="v9")

    assert "Incompatible AnyCable RPC client" in response.error_msg
