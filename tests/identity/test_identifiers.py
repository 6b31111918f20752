"""Identifiers and their string, which Connect returns, a token carries and a remote disconnect names."""

from __future__ import annotations

import doctest
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycable_rpc import Cable, Connection
from anycable_rpc.errors import ConfigurationError, InvalidData, InvalidIdentifiers
from anycable_rpc.identity import identifiers as identifiers_module
from anycable_rpc.identity.dialects import DIALECTS
from anycable_rpc.identity.identifiers import RESERVED_NAMES, IdentifiersCodec
from anycable_rpc.identity.tokens import TokenSigner, TokenVerifier
from anycable_rpc.protocol.messages import ConnectionRequest, ConnectionResponse
from anycable_rpc.publishing.payloads import remote_disconnect
from anycable_rpc.rpc.dispatch import respond
from anycable_rpc.transports.runner import run

from ..support.both_ways import settings
from ..support.strategies import json_values, names

SECRET = "s3Krit"

identifiers = st.dictionaries(names.filter(lambda name: name not in RESERVED_NAMES), json_values, max_size=5)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("given_identifiers", "text"),
    [
        ({"user_id": 42, "tenant": "acme"}, '{"user_id":42,"tenant":"acme"}'),
        ({"tenant": "acme", "user_id": 42}, '{"user_id":42,"tenant":"acme"}'),
        ({"user_id": None, "tenant": False}, '{"user_id":null,"tenant":false}'),
        ({"user_id": 0, "tenant": ""}, '{"user_id":0,"tenant":""}'),
        ({"user_id": "чат</b>&", "tenant": "a/b"}, '{"user_id":"чат</b>&","tenant":"a/b"}'),
        ({"user_id": {"b": 1, "a": [2]}, "tenant": 1.5}, '{"user_id":{"b":1,"a":[2]},"tenant":1.5}'),
    ],
)
def test_the_string_is_compact_and_in_the_declared_order(given_identifiers: dict[str, Any], text: str) -> None:
    assert IdentifiersCodec(["user_id", "tenant"]).dumps(given_identifiers) == text


def test_no_identifiers_are_an_empty_object() -> None:
    assert IdentifiersCodec().dumps({}) == "{}"


@pytest.mark.parametrize(
    ("given_identifiers", "message"),
    [
        ({"user_id": 1}, "(missing: tenant); declared: user_id, tenant"),
        ({"user_id": 1, "tenant": 2, "role": 3}, "(unknown: role); declared: user_id, tenant"),
        ({"role": 3, 4: 5}, "(missing: user_id, tenant; unknown: role, 4); declared: user_id, tenant"),
    ],
)
def test_missing_and_unknown_names_are_refused(given_identifiers: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidIdentifiers) as caught:
        IdentifiersCodec(["user_id", "tenant"]).dumps(given_identifiers)

    assert message in str(caught.value)


def test_a_codec_without_names_refuses_any() -> None:
    with pytest.raises(InvalidIdentifiers, match="declared: none"):
        IdentifiersCodec().dumps({"user_id": 1})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((1, 2), "tuple is not a JSON type; convert it first: list()"),
        ([b"x"], "bytes is not a JSON type"),
        ({"a": {1: 2}}, "object keys must be strings, got 1"),
        (float("nan"), "Out of range float"),
        ("\ud800", "lone surrogate"),
        (10**5000, "Exceeds the limit"),
        (nested(100_000), "nested too deeply"),
    ],
    ids=["tuple", "bytes", "key", "NaN", "surrogate", "huge integer", "deep"],
)
def test_values_that_json_would_change_are_refused(value: object, message: str) -> None:
    with pytest.raises(InvalidIdentifiers) as caught:
        IdentifiersCodec(["user_id"]).dumps({"user_id": value})

    assert message in str(caught.value)


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_parameter_of_token_or_disconnect_cannot_be_an_identifier(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{name}' cannot be the name of an identifier"):
        IdentifiersCodec([name])


def test_the_reserved_names_are_those_parameters() -> None:
    assert {"ttl", "expires_at", "reconnect"} == RESERVED_NAMES


def test_one_name_needs_a_tuple() -> None:
    with pytest.raises(ConfigurationError, match=r"write \('user_id',\)"):
        IdentifiersCodec("user_id")


def test_a_name_is_declared_once() -> None:
    with pytest.raises(ConfigurationError, match="declared twice: user_id, user_id"):
        IdentifiersCodec(["user_id", "user_id"])


@pytest.mark.parametrize(
    "text",
    [
        '{"user_id":42,"name":"jöhn/<b>"}',
        '{"user_id": 42, "name": "j\\u00f6hn/<b>"}',
        '{"user_id":42,"name":"j\\u00f6hn\\/<b>"}',
        '{"user_id":42,"name":"jöhn/\\u003cb\\u003e"}',
        '{"name":"jöhn/<b>","user_id":42}',
    ],
    ids=["Ruby, JS", "Python", "PHP", "Rails", "Go"],
)
def test_the_string_of_any_issuer_is_read(text: str) -> None:
    codec = IdentifiersCodec(["other_names_do_not_matter"])

    assert codec.loads(text) == {"user_id": 42, "name": "jöhn/<b>"}


@pytest.mark.parametrize("text", ["", "john", "[]", "null", '"{}"', "1", "{", '{"a":NaN}'])
def test_a_string_without_a_json_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifiers, match="connection identifiers are not"):
        IdentifiersCodec().loads(text)


def test_a_dialect_is_known_by_its_name() -> None:
    with pytest.raises(ConfigurationError) as caught:
        IdentifiersCodec(dialect="perl")

    assert str(caught.value) == ("unknown dialect 'perl': use one of canonical, rails, ruby, js, php, go, python")
    assert IdentifiersCodec(dialect="go").dialect == "go"
    assert IdentifiersCodec().dialect == "canonical"


class Publisher:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.payloads: list[str] = []

    def publish(self, payload: str) -> None:
        self.payloads.append(payload)


class Days:
    """A converter of time spans to strings. It records the strings that it was asked to read."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def dumps(self, value: Any) -> Any:
        if not isinstance(value, timedelta):
            raise InvalidData(f"{value!r} is no span of time")
        return f"{value.days} days"

    def loads(self, text: str) -> Any:
        self.asked.append(text)
        number, space, unit = text.partition(" ")
        return timedelta(int(number)) if space and unit == "days" else text


DAY = timedelta(days=1)


SPAN: dict[str, Any] = {"user": str, "span": timedelta}
NESTED: dict[str, Any] = {"span": list[int | timedelta | dict[str, list[timedelta | None]]]}


class Timed(Connection):
    identified_by = ("span",)
    span: timedelta

    def connect(self) -> None:
        self.span = DAY


class TestObjects:
    codec = IdentifiersCodec(["user", "span"], objects=Days(), types=SPAN)

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_objects_are_converted_at_any_depth(self, dialect: str) -> None:
        codec = IdentifiersCodec(["user", "span"], dialect=dialect, objects=Days(), types=NESTED)
        values = {"user": "john", "span": [1, {"in": [DAY, None]}, DAY]}

        assert codec.loads(codec.dumps(values)) == values
        assert json.loads(codec.dumps(values)) == {"user": "john", "span": [1, {"in": ["1 days", None]}, "1 days"]}

    def test_unsupported_objects_are_refused(self) -> None:
        with pytest.raises(InvalidIdentifiers, match=r"identifiers: 1j is no span of time"):
            self.codec.dumps({"user": 1j, "span": DAY})

    def test_each_object_is_looked_up_once_on_first_read(self) -> None:
        days = Days()
        loaded = IdentifiersCodec(objects=days, types=SPAN).loads('{"user":"john","span":"1 days"}')

        assert list(loaded) == ["user", "span"]
        assert len(loaded) == 2
        assert "span" in loaded
        assert "role" not in loaded
        assert repr(loaded) == "{'user': 'john', 'span': '1 days'}"
        assert days.asked == []

        assert loaded["span"] == loaded["span"] == DAY
        assert days.asked == ["1 days"]
        assert repr(loaded) == "{'user': 'john', 'span': datetime.timedelta(days=1)}"

    def test_a_failure_to_find_one_is_raised_where_it_is_read(self) -> None:
        loaded = self.codec.loads('{"user":"john","span":"no days"}')

        assert loaded["user"] == "john"
        with pytest.raises(ValueError, match="invalid literal"):
            loaded["span"]

    def test_a_name_that_is_not_there_is_a_key_error(self) -> None:
        with pytest.raises(KeyError, match="role"):
            self.codec.loads("{}")["role"]

    def test_connect_token_and_remote_disconnect_name_an_object_alike(self) -> None:
        publisher = Publisher()
        cable = Cable(
            Timed, settings=settings(secret="a secret of thirty-two bytes....."), broadcaster=publisher, objects=Days()
        )
        connected = run(respond(cable, ConnectionRequest()))
        ext = cable.verify_token(cable.token(span=DAY))
        cable.disconnect(span=DAY)

        assert isinstance(connected, ConnectionResponse)
        assert (
            connected.identifiers
            == ext
            == json.loads(publisher.payloads[0])["payload"]["identifier"]
            == '{"span":"1 days"}'
        )


@given(identifiers)
def test_what_is_written_is_read_back(values: dict[str, Any]) -> None:
    codec = IdentifiersCodec(values)

    assert codec.loads(codec.dumps(values)) == values


@given(identifiers, st.randoms(use_true_random=False))
def test_the_order_in_which_they_are_given_does_not_matter(values: dict[str, Any], random: Any) -> None:
    codec = IdentifiersCodec(values)
    shuffled = list(values)
    random.shuffle(shuffled)

    assert codec.dumps({name: values[name] for name in shuffled}) == codec.dumps(values)


@given(identifiers)
def test_connect_token_and_remote_disconnect_have_the_same_bytes(values: dict[str, Any]) -> None:
    text = IdentifiersCodec(values).dumps(values)

    in_token = TokenVerifier([SECRET]).verify(TokenSigner(SECRET).sign(text))
    in_command = json.loads(remote_disconnect(text, True))["payload"]["identifier"]

    assert in_token.encode() == in_command.encode() == text.encode()


def test_the_examples_in_the_docstring_are_true() -> None:
    assert doctest.testmod(identifiers_module) == (0, 2)
