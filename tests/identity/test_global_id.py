"""Objects named as Rails names its models; the strings were made by the gem globalid 0.6.0 on Ruby 3.1."""

from __future__ import annotations

import doctest
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycable_rpc import ConfigurationError, IdentifiersCodec, InvalidData, InvalidIdentifiers
from anycable_rpc.identity import global_id
from anycable_rpc.identity.global_id import GlobalID


@dataclass(frozen=True)
class User:
    id: Any


class Guest(User):
    pass


@dataclass(frozen=True)
class Admin:
    name: str


MODELS: dict[str, Any] = {"User": (User, User), "Admin::User": (Admin, Admin)}
OBJECTS = GlobalID("my-app", MODELS)
ADMINS = GlobalID("my-app", MODELS, id_of=lambda admin: admin.name)


def encoded(uri: str) -> str:
    return urlsafe_b64encode(uri.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("1", "Z2lkOi8vbXktYXBwL0FkbWluOjpVc2VyLzE"),
        ("a b", "Z2lkOi8vbXktYXBwL0FkbWluOjpVc2VyL2ErYg"),
        ("a/b", "Z2lkOi8vbXktYXBwL0FkbWluOjpVc2VyL2ElMkZi"),
        ("é", "Z2lkOi8vbXktYXBwL0FkbWluOjpVc2VyLyVDMyVBOQ"),
        ("a+b~*-._", "Z2lkOi8vbXktYXBwL0FkbWluOjpVc2VyL2ElMkJifiUyQS0uXw"),
        ("%41", "Z2lkOi8vbXktYXBwL0FkbWluOjpVc2VyLyUyNTQx"),
    ],
)
def test_the_string_is_that_of_rails(name: str, text: str) -> None:
    assert ADMINS.dumps(Admin(name)) == text
    assert ADMINS.loads(text) == Admin(name)


def test_ids_of_any_type_are_written_and_found_as_strings() -> None:
    assert GlobalID("app", MODELS).dumps(User(1)) == "Z2lkOi8vYXBwL1VzZXIvMQ"
    assert GlobalID("app", {"User": (User, lambda digits: User(int(digits)))}).loads("Z2lkOi8vYXBwL1VzZXIvMQ") == User(
        1
    )


def test_a_class_may_derive_from_one_that_is_listed() -> None:
    assert OBJECTS.dumps(Guest(1)) == OBJECTS.dumps(User(1))


@pytest.mark.parametrize(
    "text", ["gid://my-app/User/7", encoded("gid://my-app/User/7"), encoded("gid://my-app/User/7") + "="]
)
def test_an_object_is_found_by_an_encoded_or_plain_global_id(text: str) -> None:
    assert OBJECTS.loads(text) == User("7")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "john",
        "Z2lkOi8v",
        "Z2lkOi8v!",
        "Z2lkOi8vé",
        "Z2lkOi8v_w",
        "gid://",
        "gid://my-app/User",
        "gid://my-app/User/",
        "gid://my-app/User/1/2",
        "gid://my-app/User/1?a=b",
        "gid://my-app/User/1#x",
        "gid://other/User/1",
        "gid://my-app/Nobody/1",
        "x gid://my-app/User/1",
        encoded("gid://other/User/1"),
        encoded("gid://my-app/Nobody/1"),
        encoded("gid://my-app/User/1") + "!",
        encoded("gid://my-app/User/1") + "\n",
    ],
)
def test_any_other_string_is_returned_unchanged(text: str) -> None:
    assert OBJECTS.loads(text) == text


@given(st.text(min_size=1))
def test_what_is_written_is_found_again(name: str) -> None:
    assert ADMINS.loads(ADMINS.dumps(Admin(name))) == Admin(name)


@given(st.text())
def test_reading_never_fails(text: str) -> None:
    for given_text in (text, "gid://my-app/User/" + text, "Z2lkOi8v" + text, encoded("gid://my-app/" + text)):
        assert isinstance(OBJECTS.loads(given_text), str | User | Admin)


def test_an_object_of_another_class_is_refused() -> None:
    with pytest.raises(InvalidData, match="set is not a JSON type, and GlobalID knows User, Admin"):
        OBJECTS.dumps({1})
    with pytest.raises(InvalidData, match="GlobalID knows no class"):
        GlobalID("app", {}).dumps(User(1))


@pytest.mark.parametrize("unset", [None, ""])
def test_an_object_without_an_id_is_refused(unset: object) -> None:
    with pytest.raises(InvalidData, match="this User has no id yet: save it first"):
        OBJECTS.dumps(User(unset))


@pytest.mark.parametrize("app", ["", "my_app", "a:b", "a/b", "é"])
def test_an_app_is_the_name_of_a_host(app: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the app of a GlobalID"):
        GlobalID(app, MODELS)


@pytest.mark.parametrize("model", ["", "user", "Admin.User", "Admin::", "Us/er"])
def test_a_model_is_the_name_of_a_class_in_ruby(model: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the name of a model in Rails"):
        GlobalID("app", {model: (User, User)})


def test_identifiers_of_rails_name_models() -> None:
    names = ["current_user", "tenant", "flag"]
    codec = IdentifiersCodec(
        names, dialect="rails", objects=GlobalID("app", MODELS), types={"current_user": User, "tenant": str}
    )
    identifiers = {"current_user": User("1"), "tenant": "acme", "flag": None}

    text = codec.dumps(identifiers)

    assert text == '{"current_user":"Z2lkOi8vYXBwL1VzZXIvMQ","tenant":"acme","flag":null}'
    assert codec.loads(text) == identifiers
    with pytest.raises(InvalidIdentifiers, match="identifiers: this User has no id yet"):
        codec.dumps({**identifiers, "current_user": User(None)})


def test_the_example_in_the_docstring_is_true() -> None:
    assert doctest.testmod(global_id) == (0, 4)
