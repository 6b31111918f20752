"""Errors: those of callbacks are raised in the test, or give their answer."""

from __future__ import annotations

import pytest

from anycable_rpc import Cable, Channel, Connection, action
from anycable_rpc.errors import UnknownAction
from anycable_rpc.protocol.messages import CommandResponse, ConnectionResponse, DisconnectResponse, Status
from anycable_rpc.testing import TestServer

from .chat import ChatChannel, User
from .ways import Way

ANN = {"user_id": "ann"}


@pytest.fixture
def cable(way: Way) -> Cable:
    return way.cable(User, [ChatChannel])


def test_of_connect(way: Way, cable: Cable) -> None:
    with pytest.raises(ValueError, match="the database is gone"):
        way.connect(cable, cookies={"user_id": "broken"})

    client = way.connect(cable, cookies={"user_id": "broken"}, raise_exceptions=False)

    assert (client.rejected, client.closed, client.reason) == (True, True, None)
    assert client.answer == ConnectionResponse(Status.ERROR, error_msg="User.connect failed")


def test_of_subscribed(way: Way, cable: Cable) -> None:
    ann = way.connect(cable, cookies=ANN)
    with pytest.raises(ValueError, match="no such room"):
        way.subscribe(ann, ChatChannel, room="broken")

    calm = way.connect(cable, cookies=ANN, raise_exceptions=False)
    chat = way.subscribe(calm, ChatChannel, room="broken")

    assert (chat.rejected, chat.streams) == (True, [])
    assert repr(chat).startswith("<Subscription ChatChannel room='broken' rejected (ChatChannel.subscribed failed), ")


def test_of_an_action(way: Way, cable: Cable) -> None:
    chat = way.subscribe(way.connect(cable, cookies=ANN), ChatChannel, room="1")
    with pytest.raises(LookupError, match="no such message") as raised:
        way.do(chat, "perform", "fail")

    calm = way.subscribe(way.connect(cable, cookies=ANN, raise_exceptions=False), ChatChannel, room="1")
    answer = way.do(calm, "perform", "fail")

    assert [entry.name for entry in raised.traceback][-1] == "fail"
    assert answer == CommandResponse(Status.ERROR, error_msg="ChatChannel.fail failed")
    assert (chat.transmissions, calm.transmissions) == ([], [])


def test_a_mistake_of_the_client_that_it_hears_of_is_only_answered(way: Way, cable: Cable) -> None:
    nowhere = way.subscribe(way.connect(cable, cookies=ANN), "Nowhere")

    assert nowhere.rejected
    assert nowhere.answer
    assert nowhere.answer.error_msg == "Unknown channel: 'Nowhere'"


def test_a_mistake_of_the_client_that_it_does_not_hear_of_is_raised(way: Way, cable: Cable) -> None:
    chat = way.subscribe(way.connect(cable, cookies=ANN), ChatChannel, room="1")

    with pytest.raises(UnknownAction, match="ChatChannel has no action 'speek'"):
        way.do(chat, "perform", "speek")


class Fragile(Channel):
    def unsubscribed(self) -> None:
        raise ValueError(self.params["name"])


def test_of_several_callbacks(way: Way) -> None:
    cable = way.cable(User, [Fragile])
    ann = way.connect(cable, cookies=ANN)
    for name in ("one", "two"):
        way.subscribe(ann, Fragile, name=name)

    with pytest.raises(ExceptionGroup, match="several callbacks failed") as raised:
        way.do(ann, "disconnect")

    assert sorted(str(error) for error in raised.value.exceptions) == ["one", "two"]
    assert ann.closed
    assert isinstance(ann.answer, DisconnectResponse)


def test_of_callbacks_that_a_remote_disconnect_runs(way: Way) -> None:
    cable = way.cable(User, [Fragile])
    way.subscribe(way.connect(cable, cookies=ANN), Fragile, name="one")

    with pytest.raises(ValueError, match="one"):
        way.do(cable, "disconnect", user_id="ann")


def test_a_server_may_have_none_raised(way: Way, cable: Cable) -> None:
    with TestServer(cable, raise_exceptions=False):
        assert way.connect(cable, cookies={"user_id": "broken"}).rejected


def test_the_handler_of_the_app_is_called_too(way: Way) -> None:
    seen: list[tuple[str, str]] = []
    cable = way.cable(User, [ChatChannel], on_error=lambda error, callback: seen.append((str(error), str(callback))))
    chat = way.subscribe(way.connect(cable, cookies=ANN), ChatChannel, room="1")

    with pytest.raises(LookupError):
        way.do(chat, "perform", "fail")

    assert seen == [("no such message", "ChatChannel.fail")]


def test_what_ends_a_process_is_an_error(way: Way) -> None:
    class Leaving(Connection):
        def connect(self) -> None:
            raise SystemExit(3)

    with pytest.raises(RuntimeError, match=r"Leaving\.connect raised SystemExit"):
        way.connect(way.cable(Leaving))


def test_an_assertion_in_a_callback_fails_the_test(way: Way) -> None:
    class Checked(Channel):
        @action
        def check(self) -> None:
            raise AssertionError("seen")

    chat = way.subscribe(way.connect(way.cable(User, [Checked]), cookies=ANN), Checked)

    with pytest.raises(AssertionError, match="seen"):
        way.do(chat, "perform", "check")
