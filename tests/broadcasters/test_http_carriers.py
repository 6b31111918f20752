"""HTTP on data: the requests of a trip, the heads of answers, and the errors of each publication."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

import pytest

from anycable_rpc.broadcasters.http import HTTPBroadcaster
from anycable_rpc.broadcasters.http_carriers import Posts, Refusal, may_be_about_content
from anycable_rpc.broadcasters.http_messages import Answer, NotHTTP, head_of, read_answer
from anycable_rpc.broadcasters.http_problems import NO_ANSWER, NoResponse
from anycable_rpc.broadcasters.http_url import ErrorTexts, Target
from anycable_rpc.broadcasters.trips import CROWDED
from anycable_rpc.errors import BroadcastFailed
from anycable_rpc.publishing.payloads import Publication, publication, remote_disconnect

from ..support.publishing_ways import WAYS, publishing

A, B, C = publication("s", "a"), publication("s", "b"), publication("s", "c")
BATCH = Publication(f"[{A},{B}]")
COMMAND = remote_disconnect('{"user_id":1}', True)


def refusal(status: int) -> Refusal | None:
    if status == 201:
        return None
    return Refusal(f"status {status}", status >= 500, may_be_about_content(status))


def failed(reason: str, transient: bool) -> BroadcastFailed:
    return BroadcastFailed(reason, "there", transient)


TEXTS = ErrorTexts("tests", "VARIABLE", "KEY", "http://localhost/", "is it there")
POSTS = Posts(Target.parse("http://localhost:8090/_broadcast", None, TEXTS), "/_broadcast", TEXTS, refusal, failed)


def trip(payloads: Sequence[str], *results: int | NoResponse) -> tuple[list[str], list[tuple[str, bool] | None]]:
    """Return the bodies that are posted when these are the results, and the outcomes."""
    exchange = POSTS.of_trip(payloads)
    bodies = [next(exchange)]
    answers = iter(results)
    try:
        while True:
            bodies.append(exchange.send(next(answers)))
    except StopIteration as stop:
        outcomes = stop.value
    assert next(answers, None) is None
    texts = [body.partition(b"\r\n\r\n")[2].decode() for body in bodies]
    return texts, [(str(each), each.transient) if each else None for each in outcomes]


class TestTrips:
    def test_publications_become_one_array(self) -> None:
        assert trip([A, B, C], 201) == ([f"[{A},{B},{C}]"], [None] * 3)

    def test_a_batch_joins_as_it_is(self) -> None:
        assert trip([C, BATCH, C], 201) == ([f"[{C},{A},{B},{C}]"], [None] * 3)

    @pytest.mark.parametrize("payload", [A, BATCH, COMMAND, "anything"])
    def test_a_lone_payload_is_posted_as_it_is(self, payload: str) -> None:
        assert trip([payload], 201) == ([payload], [None])

    def test_commands_and_strings_of_others_travel_alone_in_their_turn(self) -> None:
        bodies = [f"[{A},{B}]", COMMAND, '{"stream":"cut', C]

        assert trip([A, B, COMMAND, '{"stream":"cut', C], 201, 201, 201, 201) == (bodies, [None] * 5)

    def test_publications_that_others_have_written_join_too(self) -> None:
        foreign = '{"data": "1", "stream": "s"}'

        assert trip([A, foreign, f"[{foreign}]"], 201) == ([f"[{A},{foreign},{foreign}]"], [None] * 3)

    def test_after_a_refusal_each_is_tried_so_that_only_the_guilty_one_fails(self) -> None:
        bodies, outcomes = trip([A, B, C], 413, 201, 413, 201)

        assert bodies == [f"[{A},{B},{C}]", A, B, C]
        assert outcomes == [None, ("status 413", False), None]

    @pytest.mark.parametrize("status", [401, 404, 429, 500, 503, 302])
    def test_a_refusal_that_is_not_about_one_of_them_is_the_error_of_all(self, status: int) -> None:
        assert trip([A, B], status) == ([f"[{A},{B}]"], [(f"status {status}", status >= 500)] * 2)

    def test_after_a_refusal_the_others_of_the_trip_are_posted(self) -> None:
        assert trip(["x", A], 422, 201) == (["x", A], [("status 422", False), None])

    def test_without_an_answer_in_time_the_rest_was_not_sent(self) -> None:
        bodies, outcomes = trip([A, B, "x", "y"], NoResponse(NO_ANSWER, False))

        assert bodies == [f"[{A},{B}]"]
        assert outcomes == [(NO_ANSWER, False)] * 2 + [(CROWDED, True)] * 2

    def test_without_an_answer_after_a_refusal_the_rest_was_not_sent(self) -> None:
        bodies, outcomes = trip([A, B, C, "x"], 400, NoResponse(NO_ANSWER, False))

        assert bodies == [f"[{A},{B},{C}]", A]
        assert outcomes == [(NO_ANSWER, False)] + [(CROWDED, True)] * 3

    def test_without_a_connection_none_was_sent(self) -> None:
        problem = NoResponse("no connection: {variable}, {check}", True)

        assert trip([A, "x"], problem)[1] == [("no connection: VARIABLE, is it there", True)] * 2

    def test_each_error_is_an_object_of_its_own(self) -> None:
        exchange = POSTS.of_trip([A, B])
        next(exchange)

        with pytest.raises(StopIteration) as stop:
            exchange.send(503)

        first, second = stop.value.value
        assert first is not second


def test_the_head_of_a_request_ends_where_the_length_is_to_be_written() -> None:
    assert head_of("POST", "/x?y", {"Host": "h"}) == b"POST /x?y HTTP/1.1\r\nHost: h\r\nContent-Length: "
    assert POSTS.request("é").endswith(b"Content-Length: 2\r\n\r\n\xc3\xa9")


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_to_a_part_of_a_large_request_counts(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As nginx does it with a body that is too large."""
    with socket.create_server(("127.0.0.1", 0)) as listener, publishing(way, monkeypatch):

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

        refusing = threading.Thread(target=refuse)
        refusing.start()
        broadcaster = HTTPBroadcaster(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        with pytest.raises(BroadcastFailed, match="it is too large for that server"):
            broadcaster.publish("x" * 10**7)
        refusing.join()


class TestTargets:
    @pytest.mark.parametrize(
        ("url", "host", "path"),
        [
            ("https://[fe80::1%25lo]/", "fe80::1%lo", "/"),
            ("http://[::1]:8090/ä", "::1", "/%C3%A4"),
            ("http://my_host/ä", "my_host", "/%C3%A4"),
        ],
    )
    def test_odd_urls(self, url: str, host: str, path: str) -> None:
        target = Target.parse(url, None, TEXTS)

        assert (target.host, target.path) == (host, path)

    @pytest.mark.parametrize(
        ("url", "name"),
        [("https://name.example./", "name.example"), ("https://[fe80::1%25lo]/", "fe80::1"), ("https://h/", "h")],
    )
    def test_a_certificate_names_neither_zone_nor_final_dot(self, url: str, name: str) -> None:
        assert Target.parse(url, None, TEXTS).name_in_certificate == name


class TestAnswers:
    @pytest.mark.parametrize(
        ("received", "answer"),
        [
            (b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", Answer(201, True)),
            (b"HTTP/1.1 201\r\ncontent-length:0\r\n\r\n", Answer(201, True)),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", Answer(200, True)),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nO", Answer(200, False)),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK!", Answer(200, False)),
            (b"HTTP/1.1 204 No Content\r\n\r\n", Answer(204, True)),
            (b"HTTP/1.1 201 Created\r\n\r\n", Answer(201, False)),
            (b"HTTP/1.1 201 Created\r\nContent-Length: x\r\n\r\n", Answer(201, False)),
            (b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", Answer(201, False)),
            (b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Answer(201, False)),
            (b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", Answer(201, False)),
            (b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", Answer(201, True)),
            (b"HTTP/1.0 201 Created\r\nContent-Length: 0\r\n\r\n", Answer(201, False)),
            (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 9\r\n\r\n<html>", Answer(502, False)),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", Answer(201, True)),
            (b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000 + b"HTTP/1.1 204 No Content\r\n\r\n", Answer(204, True)),
            (b"HTTP/1.1 201 Created\nX: y\nContent-Length: 0\n\n", Answer(201, True)),
            (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", Answer(101, False)),
        ],
    )
    def test_the_status_and_whether_the_connection_may_stay(self, received: bytes, answer: Answer) -> None:
        assert read_answer(received) == answer

    @pytest.mark.parametrize("size", range(len(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r")))
    def test_a_head_may_come_in_pieces(self, size: int) -> None:
        assert read_answer(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"[:size]) is None

    def test_after_an_interim_answer_the_real_one_is_awaited(self) -> None:
        assert read_answer(b"HTTP/1.1 103 Early Hints\r\n\r\n") is None

    @pytest.mark.parametrize(
        "received",
        [
            *(b"x", b"SSH-2.0-OpenSSH\r\n", b"\x15\x03\x01\x00\x02\x02\x16", b"HTTP/2 200\r\n\r\n", b"\r\n\r\n", b"h"),
            *(
                b"HTTP/1.1 xyz\r\n\r\n",
                b"HTTP/1.1 20\r\n\r\n",
                b"HTTP/1.1 2011 Created\r\n\r\n",
                b"HTTP/1.2 200\r\n\r\n",
            ),
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2**16,
        ],
    )
    def test_anything_else_is_refused(self, received: bytes) -> None:
        with pytest.raises(NotHTTP):
            read_answer(received)
