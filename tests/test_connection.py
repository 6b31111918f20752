from __future__ import annotations

from typing import Any

import pytest

from anycable_rpc import Cable, ConfigurationError, Connection, InvalidData, Rejected
from anycable_rpc.protocol.messages import Env


def connection(url: str = "http://h/cable", **headers: str) -> Connection:
    return Connection(Cable(Connection), Env(url, {k.replace("_", "-"): v for k, v in headers.items()}), "s1")


class TestRequest:
    def test_the_url_the_sid_and_the_env_are_there(self) -> None:
        asked = connection("http://h/cable?a=1")

        assert (asked.url, asked.sid, asked.env.url) == ("http://h/cable?a=1", "s1", "http://h/cable?a=1")

    @pytest.mark.parametrize(
        ("url", "params"),
        [
            ("http://h/cable", {}),
            ("", {}),
            ("http://h/cable?a=1&b=&c&a=2", {"a": "1", "b": "", "c": ""}),
            ("http://h/cable?n=J%C3%B6rg+B&bad=%zz%ff", {"n": "Jörg B", "bad": "%zz\ufffd"}),
            ("http://[broken/cable?a=1", {}),
        ],
    )
    def test_query_params(self, url: str, params: dict[str, str]) -> None:
        assert dict(connection(url).query_params) == params

    @pytest.mark.parametrize(
        ("header", "cookies"),
        [
            ("", {}),
            ("a=1", {"a": "1"}),
            ("a=1; b=two words ;c", {"a": "1", "b": "two words"}),
            ("a=x=y; a=2; =z", {"a": "x=y", "": "z"}),
            ('odd["key]=1;;; ok={"j":1}', {'odd["key]': "1", "ok": '{"j":1}'}),
        ],
    )
    def test_cookies(self, header: str, cookies: dict[str, str]) -> None:
        assert dict(connection(cookie=header).cookies) == cookies

    def test_headers_are_those_of_the_client(self) -> None:
        asked = Connection(Cable(Connection), Env("", {"REMOTE_ADDR": "10.0.0.1", "origin": "http://h"}))

        assert dict(asked.headers) == {"origin": "http://h"}
        assert asked.remote_addr == "10.0.0.1"
        assert connection().remote_addr == ""


class TestDeclaration:
    @pytest.mark.parametrize("name", ["ttl", "expires_at", "reconnect", "url", "state", "cable", "_own", "a-b", "1a"])
    def test_some_names_cannot_be_identifiers(self, name: str) -> None:
        with pytest.raises(ConfigurationError, match="identifier"):
            type("Odd", (Connection,), {"identified_by": (name,)})

    @pytest.mark.parametrize("value", [0, property(lambda self: 1)])
    def test_an_identifier_has_no_value_of_its_own(self, value: object) -> None:
        with pytest.raises(ConfigurationError, match="give it no value"):
            type("Odd", (Connection,), {"identified_by": ("user",), "user": value})

    def test_names_are_strings(self) -> None:
        with pytest.raises(ConfigurationError, match="must list strings, got 1"):
            type("Odd", (Connection,), {"identified_by": (1,)})

    def test_a_text_is_not_a_tuple_of_names(self) -> None:
        with pytest.raises(ConfigurationError, match=r"\('user',\)"):
            type("Odd", (Connection,), {"identified_by": "user"})

    def test_a_subclass_inherits_them(self) -> None:
        class User(Connection):
            identified_by = ("user",)

        class Admin(User):
            pass

        admin = Admin(Cable(Admin), Env(), identifiers={"user": 1})

        assert admin.user == 1  # type: ignore[attr-defined]
        assert hasattr(Admin, "user")


class TestIdentifiers:
    def test_one_that_is_not_set_says_so(self) -> None:
        class User(Connection):
            identified_by = ("user",)

        user: Any = User(Cable(User), Env())

        with pytest.raises(AttributeError, match="'user' is not set yet"):
            _ = user.user

    def test_one_that_a_token_does_not_have_says_what_it_has(self) -> None:
        class User(Connection):
            identified_by = ("user",)

        user: Any = User(Cable(User), Env(), identifiers={})

        with pytest.raises(AttributeError, match="they have: none"):
            _ = user.user

    def test_the_mapping_cannot_be_written(self) -> None:
        with pytest.raises(TypeError):
            connection().identifiers["user"] = 1  # type: ignore[index]


def test_reject_raises() -> None:
    with pytest.raises(Rejected) as rejected:
        connection().reject("banned", reconnect=True)

    assert (rejected.value.reason, rejected.value.reconnect) == ("banned", True)


def test_what_is_not_json_cannot_be_transmitted() -> None:
    with pytest.raises(InvalidData, match="a dict of what clients may see"):
        connection().transmit(object())


def test_the_callbacks_do_nothing_by_themselves() -> None:
    asked = connection()

    asked.connect()
    asked.disconnect()

    assert dict(asked.state) == {}
