"""Identifiers that name objects: an annotation says so, and never the string."""

from __future__ import annotations

import doctest
import json
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NewType, TypedDict, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycable_rpc import Cable, ConfigurationError, Connection, GlobalID, IdentifiersCodec, InvalidIdentifiers
from anycable_rpc.identity import revival
from anycable_rpc.identity.revival import TEXT, Revival, held_object, revival_for
from anycable_rpc.protocol.messages import ConnectionRequest, Env, Status
from anycable_rpc.rpc.dispatch import respond
from anycable_rpc.settings.model import Settings
from anycable_rpc.transports.runner import run


@dataclass(frozen=True)
class User:
    id: str


@dataclass(frozen=True)
class Admin(User):
    pass


@dataclass(frozen=True)
class Team:
    id: str


class Nickname(str):
    pass


class Profile(TypedDict):
    name: str


_Kind = TypeVar("_Kind")


class Box(Generic[_Kind]):
    pass


Member = NewType("Member", User)

OBJECTS = GlobalID("app", {"User": (User, User), "Admin": (Admin, Admin), "Team": (Team, Team)})
USER = User("1")
GID = OBJECTS.dumps(USER)
LOOKS_LIKE_ONE = [GID, f"{GID}=", "gid://app/User/1", "gid://app/Admin/1", OBJECTS.dumps(Admin("1"))]
"""Strings that a client may choose as its name."""

TEXTS: list[Any] = [
    str,
    str | None,
    Nickname,
    Annotated[str, "a name"],
    NewType("Handle", str),
    int,
    Any,
    object,
    None,
    list[str],
    tuple[str, ...],
    list,
    Literal["guest"],
    tuple[()],
    typing.List,  # noqa: UP006 - without arguments
    typing.Dict,  # noqa: UP006 - the same
    dict[str, str],
    dict,
    Mapping[str, Any],
    Profile,
]
"""Annotations that name no class of the app."""


def read(identifiers: Mapping[str, Any], **types: Any) -> Mapping[str, Any]:
    return IdentifiersCodec(objects=OBJECTS, types=types).loads(json.dumps(identifiers))


class TestWhatAClientHasChosenStaysAString:
    @pytest.mark.parametrize("text", LOOKS_LIKE_ONE)
    @pytest.mark.parametrize("annotation", TEXTS, ids=str)
    def test_under_any_annotation_that_names_no_class(self, annotation: Any, text: str) -> None:
        chosen = {"name": text, "names": [text, {"nested": text}]}

        loaded = read({"user": GID, **chosen}, user=User, name=annotation, names=annotation)

        assert dict(loaded) == {"user": USER, **chosen}

    @pytest.mark.parametrize("text", LOOKS_LIKE_ONE)
    def test_without_an_annotation_and_undeclared(self, text: str) -> None:
        assert dict(read({"user": GID, "name": text}, user=User)) == {"user": USER, "name": text}
        assert read({"name": text}) == {"name": text}

    @given(st.text(), st.sampled_from(TEXTS))
    def test_whatever_the_string(self, text: str, annotation: Any) -> None:
        for chosen in (text, f"gid://app/User/{text}", GID + text):
            assert read({"name": chosen}, name=annotation)["name"] == chosen

    @pytest.mark.parametrize(
        "annotation",
        [
            User | str,
            str | list[User] | User,
            list[User | str],
            list[User] | list[str],
            dict[str, User] | dict[str, str],
            list[list[User]] | list[list[str]],
            tuple[User, str],
            User | Nickname,
            User | Any,
            User | Literal["guest"],
        ],
        ids=str,
    )
    def test_an_annotation_that_allows_both_is_an_error(self, annotation: Any) -> None:
        with pytest.raises(ConfigurationError) as caught:
            IdentifiersCodec(["name"], objects=OBJECTS, types={"name": annotation})

        before, _, after = str(caught.value).partition(" allows an object and a string: ")
        assert before.startswith("the identifier 'name': ")
        assert after == "a string that a client has chosen could name an object. Use two identifiers"

    @pytest.mark.parametrize(
        ("annotation", "chosen"),
        [(User, GID), (User | None, "gid://app/User/1"), (list[User], [USER, GID]), (dict[str, User], {"a": GID})],
        ids=str,
    )
    def test_connect_cannot_set_a_string_that_would_come_back_as_an_object(self, annotation: Any, chosen: Any) -> None:
        codec = IdentifiersCodec(["user"], objects=OBJECTS, types={"user": annotation})

        with pytest.raises(InvalidIdentifiers) as caught:
            codec.check_chosen({"user": chosen})

        assert str(caught.value) == (
            "identifiers: user is or holds a string that would come back as an object, and a client may have chosen "
            "it: set the object itself"
        )

    @pytest.mark.parametrize(
        ("annotation", "chosen"), [(User, USER), (User, "ann"), (User, None), (list[User], [USER, "ann"]), (str, GID)]
    )
    def test_connect_can_set_objects_and_other_strings(self, annotation: Any, chosen: Any) -> None:
        IdentifiersCodec(["user"], objects=OBJECTS, types={"user": annotation}).check_chosen({"user": chosen})

    def test_a_connect_with_such_a_string_is_refused(self) -> None:
        class Chat(Connection):
            identified_by = ("user",)
            user: User

            def connect(self) -> None:
                self.user = self.cookies["user"]  # type: ignore[assignment]  # pyright: ignore

        cable = Cable(Chat, objects=OBJECTS, settings=Settings())
        request = ConnectionRequest(Env(headers={"cookie": f"user={GID}"}))

        assert run(respond(cable, request), ()).status is Status.ERROR

    def test_in_a_connection(self) -> None:
        class Chat(Connection):
            identified_by = ("user", "name")
            user: "User"  # noqa: UP037 - a string, as with imports for type checkers
            name: str

        loaded = Cable(Chat, objects=OBJECTS).codec.loads(json.dumps({"user": GID, "name": GID}))

        assert dict(loaded) == {"user": USER, "name": GID}


@pytest.mark.parametrize(
    ("annotation", "value", "found"),
    [
        (User, GID, USER),
        (Annotated[User, "who"], GID, USER),
        (Member, GID, USER),
        (User | None, None, None),
        (User | None, GID, USER),
        (User | Team, OBJECTS.dumps(Team("7")), Team("7")),
        (User, OBJECTS.dumps(Admin("2")), Admin("2")),
        (User, "john", "john"),
        (User, 42, 42),
        (list[User], [GID, GID], [USER, USER]),
        (Sequence[User] | None, [GID], [USER]),
        (tuple[User, ...], [GID], [USER]),
        (list[int | User], [1, GID], [1, USER]),
        (list[User] | dict[str, User], {"a": GID}, {"a": USER}),
        (list[User] | list[int], [GID, 1], [USER, 1]),
        (dict[str, list[User]], {GID: [GID]}, {GID: [USER]}),
    ],
    ids=str,
)
def test_an_annotated_identifier_is_read_as_an_object(annotation: Any, value: Any, found: Any) -> None:
    assert read({"user": value}, user=annotation)["user"] == found


def test_an_object_that_is_gone_is_what_the_finder_returns() -> None:
    nobody: Any = {"User": (User, lambda _: None)}
    codec = IdentifiersCodec(objects=GlobalID("app", nobody), types={"user": User})

    assert codec.loads(json.dumps({"user": GID}))["user"] is None


def test_an_object_of_another_class_is_an_error_where_it_is_read() -> None:
    loaded = read({"user": OBJECTS.dumps(Team("1")), "name": "ann"}, user=User | None)

    assert loaded["name"] == "ann"
    with pytest.raises(InvalidIdentifiers, match="the identifier 'user' names a Team; it is annotated User"):
        loaded["user"]


@pytest.mark.parametrize("value", [USER, [USER], {"deep": [1, USER]}], ids=str)
def test_an_object_that_would_come_back_as_a_string_is_not_written(value: Any) -> None:
    typed = IdentifiersCodec(["user"], objects=OBJECTS, types={"user": str})

    with pytest.raises(InvalidIdentifiers) as caught:
        typed.dumps({"user": value})

    assert str(caught.value) == (
        "identifiers: user is or holds a User, which would come back as a string: annotate it in the connection class, "
        "user: User"
    )


def test_a_codec_that_knows_no_types_writes_objects_and_reads_none() -> None:
    codec = IdentifiersCodec(["user"], objects=OBJECTS)

    assert codec.loads(codec.dumps({"user": USER})) == {"user": GID}


def test_an_annotation_that_cannot_be_resolved_is_an_error_only_with_objects() -> None:
    class Chat(Connection):
        identified_by = ("user",)
        user: Missing  # type: ignore[name-defined] # noqa: F821 # pyright: ignore

    with pytest.raises(ConfigurationError, match=r"^Chat\.user: the annotation cannot be resolved: name 'Missing'"):
        Cable(Chat, objects=OBJECTS)
    assert Cable(Chat).codec.names == ("user",)


def test_a_generic_class_is_that_class() -> None:
    assert revival_for(Box[str]) == Revival(classes=(Box,))
    assert revival_for(str) == TEXT


def test_the_object_in_a_value() -> None:
    assert held_object({"a": [1, "x", None, {"b": 1.5}]}) is None
    assert held_object({"a": [1, {"b": USER}]}) == USER


def test_the_example_in_the_docstring_is_true() -> None:
    assert doctest.testmod(revival) == (0, 2)
