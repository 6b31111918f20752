"""Every dialect gives the bytes that its issuer's own language gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycable_rpc import Cable, Connection, IdentifiersCodec, InvalidIdentifiers
from anycable_rpc.identity.dialects import DIALECTS, Floats
from anycable_rpc.protocol.messages import ConnectionRequest, ConnectionResponse
from anycable_rpc.rpc.dispatch import respond
from anycable_rpc.transports.runner import run

from ..support import both_ways, issuers
from ..support.paths import DATA

FOREIGN_TOKENS = json.loads((DATA / "foreign_tokens.json").read_text("utf-8"))["tokens"]
SAMPLES = json.loads(issuers.RECORDED.read_text("utf-8"))["samples"]
SECRET = "a secret of thirty-two bytes....."
UNLIMITED = 10**60


def dumps(dialect: str, identifiers: dict[str, Any]) -> str:
    return IdentifiersCodec(identifiers, dialect=dialect).dumps(identifiers)


def values(dialect: str) -> st.SearchStrategy[Any]:
    """JSON values that the dialect's language has."""
    limits = DIALECTS[dialect].integers
    smallest, largest = (limits.smallest, limits.largest) if limits else (-UNLIMITED, UNLIMITED)
    integers = st.integers(smallest, largest) | st.sampled_from([smallest, largest])
    floats = st.floats(allow_nan=False, allow_infinity=False)
    floats |= st.floats(-0.001, 0.001) | st.integers(-30, 30).map(lambda power: 10.0**power)
    texts = st.text(max_size=8) | st.text('<>&/"\\\u2028\u2029\x7f\b\f\x1f', max_size=8)
    keys = texts | st.integers(0, 12).map(str)
    return st.recursive(
        st.none() | st.booleans() | integers | floats | texts,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(keys, inner, max_size=4).filter(lambda members: dialect != "php" or not is_list(members))
        ),
        max_leaves=8,
    )


def is_list(members: dict[str, Any]) -> bool:
    """Return whether PHP would write the object as a list."""
    return all(key == str(index) for index, key in enumerate(members))


def identifiers(dialect: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(["user_id", "b", "a", "ü", "name/<&>"]), values(dialect), max_size=4)


def as_floats(value: Any) -> Any:
    """The value with all its numbers of 64 bits: JavaScript, Go and PHP write the number 1.0 as 1."""
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    if isinstance(value, dict):
        return {key: as_floats(item) for key, item in value.items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


class TestRecordedBytes:
    @pytest.mark.parametrize("dialect", issuers.ISSUERS)
    @pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: ascii(sample["value"])[:40])
    def test_a_dialect_writes_what_its_language_wrote(self, sample: dict[str, Any], dialect: str) -> None:
        if dialect in sample["refused_by"]:
            with pytest.raises(InvalidIdentifiers, match=f"identifiers: {DIALECTS[dialect].issuer} "):
                dumps(dialect, sample["value"])
        else:
            assert dumps(dialect, sample["value"]) == sample["texts"][dialect]

    @pytest.mark.parametrize(
        "token",
        [token for token in FOREIGN_TOKENS if (token["identifiers"] or "").startswith("{")],
        ids=lambda t: t["id"],
    )
    def test_identifiers_of_real_tokens_are_written_again(self, token: dict[str, Any]) -> None:
        text = token["identifiers"]
        dialects = {token["source"], "canonical"}  # some issuers were told to write compact UTF-8

        assert text in {dumps(dialect, json.loads(text)) for dialect in dialects}


@pytest.mark.parametrize("dialect", DIALECTS)
class TestEveryDialect:
    @given(data=st.data())
    def test_what_is_written_is_json_and_read_back(self, dialect: str, data: st.DataObject) -> None:
        given_identifiers = data.draw(identifiers(dialect))
        names = data.draw(st.permutations(list(given_identifiers)))
        codec = IdentifiersCodec(given_identifiers, dialect=dialect)

        text = codec.dumps({name: given_identifiers[name] for name in names})

        assert text == codec.dumps(given_identifiers)
        assert as_floats(codec.loads(text)) == as_floats(json.loads(text)) == as_floats(given_identifiers)
        if DIALECTS[dialect].floats is None:
            assert codec.loads(text) == given_identifiers

    @given(data=st.data())
    def test_integers_come_back_to_the_last_digit(self, dialect: str, data: st.DataObject) -> None:
        limits = DIALECTS[dialect].integers
        bounds = (limits.smallest, limits.largest) if limits else (-UNLIMITED, UNLIMITED)
        number = data.draw(st.integers(*bounds))

        assert dumps(dialect, {"n": number}).replace(" ", "") == f'{{"n":{number}}}'

    @given(data=st.data())
    def test_connect_token_and_remote_disconnect_give_the_same_bytes(self, dialect: str, data: st.DataObject) -> None:
        user, tenant = data.draw(values(dialect)), data.draw(values(dialect))

        class Identified(Connection):
            identified_by = ("user", "tenant")

            def connect(self) -> None:
                self.tenant = tenant
                self.user = user

        published: list[Any] = []
        cable = Cable(
            Identified, settings=both_ways.settings(secret=SECRET), broadcaster=Publisher(published), dialect=dialect
        )
        connected = run(respond(cable, ConnectionRequest()))
        ext = cable.verify_token(cable.token(tenant=tenant, user=user))
        cable.disconnect(user=user, tenant=tenant)

        assert isinstance(connected, ConnectionResponse)
        assert connected.identifiers.encode() == ext.encode() == published[0]["payload"]["identifier"].encode()
        assert ext == dumps(dialect, {"user": user, "tenant": tenant})

    @pytest.mark.parametrize("value", ["\ud800", "a\udfff", ["\ud83d"], {"\udc00": 1}])
    def test_a_lone_surrogate_is_refused(self, dialect: str, value: Any) -> None:
        with pytest.raises(InvalidIdentifiers, match="lone surrogate"):
            dumps(dialect, {"name": value})

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
    def test_nan_and_infinities_are_refused(self, dialect: str, value: Any) -> None:
        with pytest.raises(InvalidIdentifiers, match="Out of range float"):
            dumps(dialect, {"n": value})

    def test_none_is_null_and_false_is_kept(self, dialect: str) -> None:
        assert dumps(dialect, {"a": None, "b": False}).replace(" ", "") == '{"a":null,"b":false}'

    def test_no_identifiers_are_an_empty_object(self, dialect: str) -> None:
        assert dumps(dialect, {}) == "{}"

    def test_missing_and_unknown_names_are_errors(self, dialect: str) -> None:
        with pytest.raises(InvalidIdentifiers, match=r"\(missing: a; unknown: b\); declared: a"):
            IdentifiersCodec(["a"], dialect=dialect).dumps({"b": None})


class Publisher:
    """Keeps what is published."""

    def __init__(self, published: list[Any]) -> None:
        self.published = published

    def publish(self, payload: str) -> None:
        self.published.append(json.loads(payload))


@pytest.mark.parametrize("dialect", issuers.ISSUERS)
class TestTheLanguageItself:
    """Tests that run where the language is installed."""

    @pytest.fixture(autouse=True)
    def present(self, dialect: str) -> None:
        reason = issuers.missing(dialect)
        if reason:
            pytest.skip(reason)

    @settings(max_examples=8)
    @given(data=st.data())
    def test_it_writes_the_same_bytes(self, dialect: str, data: st.DataObject) -> None:
        samples = [{"v": value} for value in data.draw(st.lists(values(dialect), min_size=1, max_size=60))]

        assert issuers.write(dialect, samples) == [dumps(dialect, sample) for sample in samples]

    def test_it_writes_every_character_the_same(self, dialect: str) -> None:
        characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
        samples = [{"c": "".join(characters[start : start + 1000])} for start in range(0, len(characters), 1000)]

        assert issuers.write(dialect, samples) == [dumps(dialect, sample) for sample in samples]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "zero.0"),
        (7.0, "7.0"),
        (-0.01, "-0.01"),
        (0.009, "9!e-003"),
        (999.5, "999.5"),
        (1000.0, "1!e+003"),
        (1000.5, "1000.5"),
        (1230.0, "1.23e+003"),
    ],
)
def test_a_style_of_floats_says_where_exponents_begin(number: float, text: str) -> None:
    style = Floats(plain_from=-2, plain_below=3, whole=".0", mantissa="!", exponent="+04d", negative_zero="zero")

    assert style.write(number) == text
