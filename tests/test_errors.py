"""The tree of errors: what catches what, and the facts they carry."""

from __future__ import annotations

import pytest

from anycable_rpc import errors
from anycable_rpc.errors import (
    AnyCableError,
    BindError,
    BroadcastFailed,
    ConfigurationError,
    EventLoopRunning,
    ExpiredToken,
    IgnoredCommand,
    IncompatibleClient,
    InvalidData,
    InvalidIdentifier,
    InvalidIdentifiers,
    InvalidMessage,
    InvalidParams,
    InvalidPayload,
    InvalidSignedStream,
    InvalidState,
    InvalidToken,
    MissingIdentifiers,
    ProtocolError,
    Rejected,
    RequestFailed,
    RequestTooLarge,
    ResponseTooLarge,
    UnknownAction,
    UnknownChannel,
    UnknownOption,
    near,
    shorten,
)

PARENTS = {
    ConfigurationError: AnyCableError,
    BindError: AnyCableError,
    Rejected: AnyCableError,
    InvalidData: AnyCableError,
    InvalidMessage: InvalidData,
    InvalidState: InvalidData,
    InvalidIdentifiers: InvalidData,
    ProtocolError: AnyCableError,
    IncompatibleClient: ProtocolError,
    InvalidIdentifier: ProtocolError,
    UnknownChannel: ProtocolError,
    UnknownAction: ProtocolError,
    InvalidParams: ProtocolError,
    InvalidPayload: ProtocolError,
    RequestTooLarge: ProtocolError,
    ResponseTooLarge: AnyCableError,
    UnknownOption: AnyCableError,
    InvalidToken: AnyCableError,
    ExpiredToken: InvalidToken,
    MissingIdentifiers: InvalidToken,
    InvalidSignedStream: AnyCableError,
    RequestFailed: AnyCableError,
    EventLoopRunning: AnyCableError,
    IgnoredCommand: AnyCableError,
    BroadcastFailed: RequestFailed,
}


@pytest.mark.parametrize(("error", "parent"), PARENTS.items())
def test_each_error_has_its_place_in_the_tree(error: type, parent: type) -> None:
    assert error.__bases__[0] is parent


def test_the_tree_is_complete() -> None:
    assert {error.__name__ for error in PARENTS} | {"AnyCableError"} == set(errors.__all__)


@pytest.mark.parametrize(
    ("name", "known", "ending"),
    [
        ("userid", ["user_id", "tenant"], "; did you mean user_id?"),
        ("user", ["users", "user_", "x"], "; did you mean users or user_?"),
        ("a", ["b"], ""),
        (1, ["b"], ""),
        ("a", [], ""),
    ],
)
def test_names_near_an_unknown_one(name: object, known: list[str], ending: str) -> None:
    assert sorted(near(name, known)) == sorted(ending)


def test_invalid_data_is_a_value_error_too() -> None:
    assert issubclass(InvalidData, ValueError)


def test_rejected_has_a_reason_and_a_reconnect_flag() -> None:
    error = Rejected("banned", reconnect=True)

    assert (str(error), error.reason, error.reconnect) == ("banned", "banned", True)


def test_rejected_means_unauthorized_for_good() -> None:
    error = Rejected()

    assert (error.reason, error.reconnect) == ("unauthorized", False)


@pytest.mark.parametrize(("versions", "named"), [("v2,v3", "v2,v3"), (None, "unknown"), ("", "unknown")])
def test_an_incompatible_client_is_told_both_versions(versions: str | None, named: str) -> None:
    error = IncompatibleClient(versions)

    assert str(error) == (
        f"Incompatible AnyCable RPC client.\nCurrent server version: v1.\nClient supported versions: {named}."
    )
    assert error.versions == versions


def test_an_unknown_channel_is_named() -> None:
    error = UnknownChannel("Nope")

    assert (str(error), error.name) == ("Unknown channel: 'Nope'", "Nope")


def test_an_unknown_action_is_named_with_its_channel() -> None:
    error = UnknownAction("ChatChannel", 7)

    assert (str(error), error.channel, error.name) == ("ChatChannel has no action 7", "ChatChannel", 7)


def test_a_failed_broadcast_says_where_it_went_and_whether_to_try_again() -> None:
    error = BroadcastFailed("no answer", "http://localhost:8090/_broadcast", transient=True)

    assert (str(error), error.address, error.transient) == (
        "no answer",
        "http://localhost:8090/_broadcast",
        True,
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", r"'a\nb'"),
        ("\ud800", r"'\ud800'"),
        (None, "None"),
        ("x" * 78, "'" + "x" * 78 + "'"),
        ("x" * 79, "'" + "x" * 78 + "…"),
        (10**5000, "<int>"),
    ],
    ids=["line break", "surrogate", "None", "fits", "too long", "no repr"],
)
def test_a_shortened_value_is_one_line_of_at_most_eighty_characters(value: object, text: str) -> None:
    assert shorten(value) == text
    assert len(text) <= 80
