"""What is published: exactly anycable's shapes, and nothing that anycable-go would drop in silence."""

from __future__ import annotations

import doctest
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import RootModel

from anycable_rpc.errors import InvalidData
from anycable_rpc.publishing import payloads as publications_module
from anycable_rpc.publishing.payloads import is_publication, publication, remote_disconnect

from ..support.strategies import json_values


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (publication("s", {"text": "hi"}), r'{"stream":"s","data":"{\"text\":\"hi\"}"}'),
        (publication("s", "hi"), r'{"stream":"s","data":"\"hi\""}'),
        (publication("s", "42"), r'{"stream":"s","data":"\"42\""}'),
        (publication("s", "null"), r'{"stream":"s","data":"\"null\""}'),
        (publication("s", 42), '{"stream":"s","data":"42"}'),
        (publication("s", False), '{"stream":"s","data":"false"}'),
        (publication("s", [None]), '{"stream":"s","data":"[null]"}'),
        (publication("чат", "<b>€"), r'{"stream":"чат","data":"\"<b>€\""}'),
        (
            publication("s", 1, exclude_socket="sid1"),
            '{"stream":"s","data":"1","meta":{"exclude_socket":"sid1"}}',
        ),
        (
            publication("s", 1, broadcast_type="x", transient=True),
            '{"stream":"s","data":"1","meta":{"broadcast_type":"x","transient":true}}',
        ),
        (
            publication("s", 1, exclude_socket=None, transient=None),
            '{"stream":"s","data":"1"}',
        ),
        (
            remote_disconnect('{"user_id":42}', True),
            r'{"command":"disconnect","payload":{"identifier":"{\"user_id\":42}","reconnect":true}}',
        ),
        (
            remote_disconnect("", False),
            '{"command":"disconnect","payload":{"identifier":"","reconnect":false}}',
        ),
    ],
)
def test_a_payload_has_its_exact_text(made: str, text: str) -> None:
    assert made == text


def test_none_is_refused_because_it_would_arrive_as_text() -> None:
    with pytest.raises(InvalidData, match='the string "null"'):
        publication("s", None)
    with pytest.raises(InvalidData, match='the string "null"'):
        publication("s", RootModel[None](None))


def test_a_model_a_date_and_the_like_are_data() -> None:
    data = {"at": datetime(2026, 1, 2, tzinfo=UTC), "names": RootModel[list[str]](["ann"]), "price": Decimal("1.50")}

    assert json.loads(publication("s", data)) == {
        "stream": "s",
        "data": '{"at":"2026-01-02T00:00:00Z","names":["ann"],"price":"1.50"}',
    }


@pytest.mark.parametrize("stream", ["", None, 1, b"s", "\ud800"])
def test_a_stream_without_a_name_is_refused(stream: Any) -> None:
    with pytest.raises(InvalidData):
        publication(stream, 1)


@pytest.mark.parametrize("data", [float("nan"), "\ud800", object(), b"bytes", {1, 2}])
def test_data_that_is_no_json_value_is_refused(data: object) -> None:
    with pytest.raises(InvalidData):
        publication("s", data)


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({"exclude_socket": 1}, "exclude_socket must be a str, got 1"),
        ({"broadcast_type": True}, "broadcast_type must be a str, got True"),
        ({"transient": "yes"}, "transient must be a bool, got 'yes'"),
        ({"transient": 1}, "transient must be a bool, got 1"),
    ],
)
def test_meta_that_anycable_go_cannot_read_is_refused(meta: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidData, match=said):
        publication("s", 1, **meta)


@pytest.mark.parametrize("reconnect", [None, 1, "true"])
def test_reconnect_is_yes_or_no(reconnect: Any) -> None:
    with pytest.raises(InvalidData, match="reconnect must be a bool"):
        remote_disconnect("{}", reconnect)


@given(st.text(min_size=1), json_values.filter(lambda data: data is not None))
def test_the_data_is_a_text_that_holds_the_value(stream: str, data: Any) -> None:
    message = json.loads(publication(stream, data))

    assert message["stream"] == stream
    assert json.loads(message["data"]) == data


@given(st.text())
def test_a_remote_disconnect_holds_the_identifiers_as_they_are(identifiers: str) -> None:
    command = json.loads(remote_disconnect(identifiers, True))

    assert command["payload"]["identifier"] == identifiers


def test_the_example_in_the_docstring_is_true() -> None:
    assert doctest.testmod(publications_module) == (0, 1)


class TestIsPublication:
    @pytest.mark.parametrize(
        "payload",
        [
            publication("s", {"a": 1}),
            publication("чат", "x", exclude_socket="1", broadcast_type="b", transient=True),
            '{"stream":"s","data":"1"}',
            '{"data": "1", "meta": {}, "stream": "s"}',
            '[{"stream":"s","data":"1"},{"stream":"t","data":"2","meta":{"transient":false}}]',
        ],
    )
    def test_what_anycable_go_surely_reads(self, payload: str) -> None:
        assert is_publication(str(payload))
        assert is_publication(payload)

    @pytest.mark.parametrize(
        "payload",
        [
            *("", "{", "{}", "[]", "null", "5", '"x"', "[5]", "[null]", "[[]]", "{]", "[{}]", "x", "\ufeff{}"),
            *('{"stream":"s"}', '{"data":"1"}', '{"stream":"","data":"1"}', '{"stream":"s","data":1}'),
            *('{"stream":5,"data":"1"}', '{"stream":5,"stream":"s","data":"1"}', '{"Stream":"s","data":"1"}'),
            *('{"stream":"s","data":"1","more":1}', '{"stream":"s","data":"1","meta":null}'),
            *('{"stream":"s","data":"1","meta":{"transient":1}}', '{"stream":"s","data":"1","meta":{"x":"y"}}'),
            *('{"stream":"s","data":"1"} ', ' {"stream":"s","data":"1"}', '{"stream":"s","data":"1"}{}'),
            '[{"stream":"s","data":"1"},{}]',
            '{"stream":"s","data":"cut',
            "[" * 100_000 + "]" * 100_000,
            remote_disconnect('{"user_id":1}', True),
        ],
    )
    def test_everything_else(self, payload: str) -> None:
        assert not is_publication(payload)
