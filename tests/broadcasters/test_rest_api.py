"""The REST API's client: who is present."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from anycable_rpc import BroadcastFailed, Cable, Connection, RequestFailed
from anycable_rpc.broadcasters.rest_api import Presence, PresenceRecord, RestAPI
from anycable_rpc.errors import ConfigurationError, InvalidData
from anycable_rpc.settings.model import Settings

from ..support.broadcast_server import NO_ANSWER, BroadcastServer, running

KEY = "a-key-that-nobody-may-see"
SECRET = "s3Krit"
DERIVED = "1db397202b5bd68b12665b638515c3aeac9100f721fd7c4fcb6f29c69f32c886"  # shared with anycable-go 1.6.16


@pytest.fixture
def server() -> Iterator[BroadcastServer]:
    with running() as server:
        yield server


@pytest.fixture
def api(server: BroadcastServer) -> Iterator[RestAPI]:
    api = RestAPI(f"http://127.0.0.1:{server.port}/api/", KEY, deadline=0.3)
    yield api
    api.close()


def answers(server: BroadcastServer, value: Any, status: int = 200) -> None:
    server.answers = [status] * 100
    server.text = value if isinstance(value, bytes) else json.dumps(value).encode()


def test_members_are_returned(server: BroadcastServer, api: RestAPI) -> None:
    answers(server, {"type": "info", "total": 2, "records": [{"id": "1", "info": {"name": "J"}}, {"id": "2"}]})

    assert api.presence("chat:1 é?") == Presence(2, (PresenceRecord("1", {"name": "J"}), PresenceRecord("2", None)))
    (request,) = server.requests
    assert request.path == "/api/presence/chat%3A1%20%C3%A9%3F/users"
    assert request.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("value", [{"total": 0}, {"total": 0, "records": None}, {"total": 0, "records": []}])
def test_an_empty_stream_has_no_members(server: BroadcastServer, api: RestAPI, value: Any) -> None:
    answers(server, value)

    assert api.presence("a") == Presence(0)


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"x", b"\xff", b"null", b"[]", b"5", b"{}", b'{"total":', b"[" * 100_000),
        *({"total": "1"}, {"total": True}, {"total": 1, "records": 5}, {"total": 1, "records": [5]}),
        *({"total": 1, "records": [{"id": 5}]}, {"total": 1, "records": [{}]}, {"total": 1, "records": {"a": 1}}),
    ],
)
def test_another_answer_is_an_error(server: BroadcastServer, api: RestAPI, value: Any) -> None:
    answers(server, value)

    with pytest.raises(RequestFailed, match="its answer is not that of the API"):
        api.presence("a")


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "the keys differ: set the same ANYCABLE_SECRET or ANYCABLE_API_SECRET"),
        (404, "there is no API: does anycable-go"),
        (501, "it keeps no presence: run anycable-go with --broker=memory"),
        (400, "is the URL right"),
        (418, "is ANYCABLE_API_URL right"),
        (500, "see the log of that server"),
    ],
)
def test_a_status_says_what_to_do(server: BroadcastServer, api: RestAPI, status: int, advice: str) -> None:
    answers(server, {}, status)

    with pytest.raises(RequestFailed, match=f"it answered {status}: {advice}") as caught:
        api.presence("a")

    assert len(server.requests) == 1
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("status", [503, 429, NO_ANSWER])
def test_a_failure_like_a_restart_is_tried_again(server: BroadcastServer, api: RestAPI, status: int) -> None:
    server.answers = [status, 200]
    server.text = b'{"total":0}'

    assert api.presence("a") == Presence(0)


def test_a_server_that_is_not_there_is_named_in_time(server: BroadcastServer) -> None:
    began = monotonic()

    with pytest.raises(
        RequestFailed, match=r"cannot ask http://127.0.0.1:9/api: no connection: is anycable-go running"
    ):
        RestAPI("http://127.0.0.1:9/api", deadline=0.3).presence("a")

    assert monotonic() - began < 3


@pytest.mark.parametrize("stream", ["", "a/b", 5, "\ud800"])
def test_a_stream_that_cannot_be_asked_about(api: RestAPI, stream: Any) -> None:
    with pytest.raises(InvalidData):
        api.presence(stream)


@pytest.mark.parametrize("url", ["", "x", "ftp://h", "http://", "http://h h"])
def test_a_url_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ConfigurationError, match="the URL for the REST API is not http"):
        RestAPI(url)


def test_a_cable_asks_with_the_derived_key(server: BroadcastServer) -> None:
    settings = Settings(secret=SECRET, http_broadcast_url=f"http://127.0.0.1:{server.port}/_broadcast")
    cable = Cable(Connection, settings=settings)
    answers(server, {"total": 0})

    assert cable.presence("a") == asyncio.run(cable.apresence("a")) == Presence(0)
    assert [request.path for request in server.requests] == ["/api/presence/a/users"] * 2
    assert {request.headers["Authorization"] for request in server.requests} == {f"Bearer {DERIVED}"}


@pytest.mark.parametrize(
    ("values", "key", "url"),
    [
        ({}, None, "http://localhost:8080/api"),
        ({"secret": SECRET}, DERIVED, "http://localhost:8080/api"),
        ({"secret": SECRET, "api_secret": "own"}, "own", "http://localhost:8080/api"),
        ({"secret": SECRET, "api_secret": "none"}, None, "http://localhost:8080/api"),
        ({"http_broadcast_url": "https://h:1/_broadcast?x#y"}, None, "https://h:1/api"),
        ({"http_broadcast_url": "http://h/_broadcast", "api_url": "http://other/api"}, None, "http://other/api"),
    ],
)
def test_settings_give_the_key_and_the_url(values: dict[str, str], key: str | None, url: str) -> None:
    settings = Settings(**values)

    assert (settings.resolved_api_key(), settings.resolved_api_url()) == (key, url)


class TestPublishing:
    def test_the_payload_is_posted(self, server: BroadcastServer, api: RestAPI) -> None:
        server.answers = [201]

        api.publish('{"stream":"a","data":"1"}')

        (request,) = server.requests
        assert (request.path, request.body) == ("/api/publish", '{"stream":"a","data":"1"}')
        assert request.headers["Authorization"] == f"Bearer {KEY}"

    def test_a_cable_can_broadcast_with_it(self, server: BroadcastServer, api: RestAPI) -> None:
        server.answers = [201, 201]
        cable = Cable(Connection, settings=Settings(), broadcaster=api)

        cable.broadcast("a", 1)
        asyncio.run(cable.abroadcast("a", 2))

        assert [json.loads(request.body)["data"] for request in server.requests] == ["1", "2"]

    @pytest.mark.parametrize(
        ("status", "advice"),
        [
            (401, "the keys differ: set the same ANYCABLE_SECRET or ANYCABLE_API_SECRET"),
            (404, "there is no API: does anycable-go"),
            (413, "it is too large"),
            (422, "it does not accept this as a broadcast"),
            (429, "that server accepts fewer"),
            (500, "see the log of that server"),
            (501, "anycable-go could not pass it to its broker"),
            (302, "it redirects"),
            (418, "is ANYCABLE_API_URL right"),
        ],
    )
    def test_a_status_says_what_to_do(self, server: BroadcastServer, api: RestAPI, status: int, advice: str) -> None:
        answers(server, {}, status)

        with pytest.raises(BroadcastFailed, match=f"cannot publish to .*: it answered {status}: {advice}") as caught:
            api.publish("{}")

        assert KEY not in str(caught.value)

    @pytest.mark.parametrize("status", [502, 503, 429, NO_ANSWER])
    def test_a_failure_like_a_restart_is_tried_again(self, server: BroadcastServer, api: RestAPI, status: int) -> None:
        server.answers = [status, 201]

        api.publish("{}")

        assert len(server.requests) == 2

    def test_a_server_that_is_not_there_is_named_in_time(self) -> None:
        began = monotonic()

        with pytest.raises(BroadcastFailed, match=r"cannot publish to http://127.0.0.1:9/api: no connection"):
            RestAPI("http://127.0.0.1:9/api", deadline=0.3).publish("{}")

        assert monotonic() - began < 3
