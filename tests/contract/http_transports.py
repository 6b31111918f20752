"""The contract of RPC over HTTP, beside that of all transports: subclass `HttpContract` with a fixture `start`."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from anycable_rpc.protocol.messages import (
    CommandMessage,
    ConnectionRequest,
    DisconnectRequest,
    Request,
    Response,
    Status,
)

from ..support.http_rpc import decode_response, encode_request
from .transports import METADATA, CallFailed, Running, TransportContract, outcome

PREFIX = "/_anycable"
SECRET = "a secret of the tests, with 32 bytes"
KEY = "a key for calls over HTTP"
GARBAGE: Mapping[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "number": b"1",
    "no JSON": b"\x00\x01garbage",
    "not UTF-8": b'{"env":{"url":"\xff"}}',
    "surrogate": rb'{"env":{"url":"\ud800"}}',
    "deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "wrong type": b'{"env":{"headers":{"cookie":1}}}',
    "protobuf": b"\x0a\x01a",
}


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class HttpRunning(Running):
    """A web server with the app at `/_anycable`, and callers that open a connection for each call."""

    def __init__(self, *arguments: Any, **values: Any) -> None:
        super().__init__(*arguments, **{"http_rpc_secret": KEY, **values})
        self._threads = ThreadPoolExecutor(30)

    def call(self, method: str, request: Request | bytes, **options: Any) -> Response:
        body = request if isinstance(request, bytes) else encode_request(request)
        metadata = options.pop("metadata", METADATA)
        headers = {f"X-Anycable-Meta-{name}": value for name, value in metadata}
        try:
            answer = self.post(f"{PREFIX}/{method.lower()}", body, headers=headers, **options)
        except TimeoutError:
            raise CallFailed("DEADLINE_EXCEEDED") from None
        except (OSError, http.client.HTTPException) as error:
            raise CallFailed("UNAVAILABLE", repr(error)) from None
        if answer.status != 200:
            raise CallFailed(str(answer.status), answer.body.decode())
        return decode_response(method, answer.body)

    def future(self, method: str, request: Request) -> Future[Response]:
        return self._threads.submit(self.call, method, request, timeout=20)

    def late_code(self) -> str:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            code = outcome(lambda: self.call("Connect", ConnectionRequest()))
            if isinstance(code, str):
                return code
        raise AssertionError("late calls are answered")

    def close(self) -> None:
        self._threads.shutdown()

    def post(self, path: str, body: Any = b"{}", *, verb: str = "POST", timeout: float = 10, **options: Any) -> Answer:
        """Return the answer to an HTTP request; `headers` and other options are those of `http.client`."""
        key = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(self.address, timeout=timeout)
        try:
            connection.request(verb, path, body, {**key, **options.pop("headers", {})}, **options)
            response = connection.getresponse()
            return Answer(
                response.status, response.read(), {name.lower(): text for name, text in response.getheaders()}
            )
        finally:
            connection.close()


def post_chunked(server: HttpRunning, size: int) -> int:
    """Post a Connect of so many bytes without saying how many, and return the status of the answer."""
    body = b'{"later":"' + b"x" * (size - 12) + b'"}'
    pieces = iter([body[:1500], body[1500:]])
    chunked = {"Transfer-Encoding": "chunked"}
    return server.post(f"{PREFIX}/connect", pieces, encode_chunked=True, headers=chunked).status


class HttpContract(TransportContract):
    """Cases that RPC over HTTP passes, in each kind of web server."""

    running = HttpRunning
    garbage = "422"
    unknown_method = "404"
    too_large = ("413",)
    beyond_the_pool = Status.SUCCESS

    @pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE)
    def test_garbage_is_422_with_a_sentence(self, run: Callable[..., HttpRunning], body: bytes) -> None:
        server = run()

        answers = [server.post(f"{PREFIX}/{call}", body) for call in ("connect", "command", "disconnect")]

        assert [answer.status for answer in answers] == [422] * 3
        assert all(answer.body.startswith(b"the body ") or b"env.headers must be" in answer.body for answer in answers)
        assert outcome(lambda: server.call("Connect", ConnectionRequest())) is Status.SUCCESS

    def test_only_the_right_key_opens(self, run: Callable[..., HttpRunning]) -> None:
        server = run()
        wrong = ["", f"bearer {KEY}", KEY, f"Basic {KEY}", "Bearer ÿ", f"Bearer {KEY[:-1]}", f"Bearer {KEY}x"]

        answers = [server.post(f"{PREFIX}/connect", headers={"Authorization": text}) for text in wrong]

        assert [answer.status for answer in answers] == [401] * len(answers)
        assert answers[0].headers["www-authenticate"] == "Bearer"
        assert b"ANYCABLE_HTTP_RPC_SECRET" in answers[0].body
        assert all(KEY.encode() not in answer.body for answer in answers)
        assert server.post(f"{PREFIX}/connect").status == 200

    def test_the_key_is_derived_from_the_secret(self, run: Callable[..., HttpRunning]) -> None:
        server = run(http_rpc_secret=None, secret="s3cr3t")
        derived = "4b7da2749fe2a4534cec0d2acbd16277a800cf2acd31158ac4edae4a62a8f18d"

        statuses = [
            server.post(f"{PREFIX}/connect", headers={"Authorization": f"Bearer {key}"}).status
            for key in (derived, "s3cr3t")
        ]

        assert statuses == [200, 401]

    @pytest.mark.parametrize("path", ["/", "/_anycable", "/_anycable/", "/_anycable/Connect", "/_anycable/connect/x"])
    def test_other_addresses_are_404(self, run: Callable[..., HttpRunning], path: str) -> None:
        answer = run().post(path)

        assert answer.status == 404

    @pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE", "OPTIONS"])
    def test_other_verbs_are_405(self, run: Callable[..., HttpRunning], verb: str) -> None:
        answer = run().post(f"{PREFIX}/command", verb=verb)

        assert (answer.status, answer.headers["allow"]) == (405, "POST")

    def test_an_answer_is_json_with_its_length(self, run: Callable[..., HttpRunning]) -> None:
        answer = run().post(f"{PREFIX}/disconnect", b'{"identifiers":"{}"}', headers={"X-Anycable-Meta-Protov": "v1"})

        assert (answer.status, answer.body) == (200, b'{"status":1}')
        assert (answer.headers["content-type"], answer.headers["content-length"]) == ("application/json", "12")

    def test_a_sid_of_another_script_and_a_list_of_versions(self, run: Callable[..., HttpRunning]) -> None:
        metadata = (("sid", 'ä"日'.encode()), ("protov", "v0, v1"))

        response = run().call("Connect", ConnectionRequest(), metadata=metadata)

        assert response.transmissions == ('{"type":"welcome","sid":"ä\\"日"}',)  # type: ignore[union-attr]

    def test_many_callers_at_a_time(self, run: Callable[..., HttpRunning]) -> None:
        server = run()
        calls: list[tuple[str, Request]] = [
            ("Connect", ConnectionRequest()),
            ("Command", CommandMessage("message", '{"channel":"Chat"}', "{}", '{"action":"echo","text":"hi"}')),
            ("Disconnect", DisconnectRequest("{}")),
        ] * 50

        outcomes = [outcome(call.result) for call in [server.future(*call) for call in calls]]

        assert outcomes == [Status.SUCCESS] * 150
