"""Disconnect: the whole response, and the callbacks that ran."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from anycable_rpc import Channel, Connection
from anycable_rpc.protocol.messages import DisconnectRequest, DisconnectResponse, Env, Status

from ..support.both_ways import App

MakeApp = Callable[..., App]
DONE = DisconnectResponse(Status.SUCCESS)


class Recorder:
    """An app that records its `unsubscribed` and `disconnect`; a channel called `Broken…` raises."""

    def __init__(self, app: MakeApp) -> None:
        ends: list[Any] = []
        self.ends = ends

        class User(Connection):
            identified_by = ("user",)

            def disconnect(self) -> None:
                ends.append((self.identifiers["user"], dict(self.state)))
                if self.identifiers["user"] == "broken":
                    raise RuntimeError("an internal detail")

        class Chat(Channel):
            def unsubscribed(self) -> None:
                ends.append((self.params.get("room"), dict(self.state)))

        class Broken(Channel):
            def unsubscribed(self) -> None:
                ends.append("broken")
                raise RuntimeError("an internal detail")

        class Rejecting(Channel):
            def unsubscribed(self) -> None:
                self.reject()

        self.app = app(User, [Chat, Broken, Rejecting])

    def __call__(self, *subscriptions: str, identifiers: str = '{"user":"john"}', **env: Any) -> Any:
        return self.app(DisconnectRequest(identifiers, subscriptions, Env(**env)))


@pytest.fixture
def gone(app: MakeApp) -> Recorder:
    return Recorder(app)


CHAT = '{"channel":"Chat","room":1}'


def test_each_subscription_ends_in_order_and_the_connection_last(gone: Recorder) -> None:
    response = gone(
        '{"channel":"Chat","room":2}',
        CHAT,
        cstate={"name": '"J"'},
        istate={CHAT: '{"k":"[1]","$w":"chat"}'},
    )

    assert response == DONE
    assert gone.ends == [(2, {}), (1, {"k": [1]}), ("john", {"name": "J"})]


def test_an_exception_stops_nothing_else(gone: Recorder) -> None:
    response = gone('{"channel":"Broken"}', CHAT)

    assert response == DisconnectResponse(Status.ERROR, "Broken.unsubscribed failed")
    assert gone.ends == ["broken", (1, {}), ("john", {})]


def test_every_failure_is_named(gone: Recorder) -> None:
    response = gone('{"channel":"Broken"}', '{"channel":"Nope"}', "[]", identifiers='{"user":"broken"}')

    assert response == DisconnectResponse(
        Status.ERROR,
        "Broken.unsubscribed failed; Unknown channel: 'Nope'; a subscription's identifier is not a JSON object; "
        "User.disconnect failed",
    )


def test_the_gateways_own_channels_are_passed_over(gone: Recorder) -> None:
    own = ['{"channel":"$pubsub"}', '{"channel":"Turbo::StreamsChannel"}', '{"channel":"CableReady::Stream"}']

    assert gone(*own, CHAT, istate={own[0]: '{"$w":"s1","$p":"s1"}'}) == DONE
    assert gone.ends == [(1, {}), ("john", {})]


def test_reject_only_ends_its_callback(gone: Recorder) -> None:
    assert gone('{"channel":"Rejecting"}') == DONE
    assert gone.ends == [("john", {})]


@pytest.mark.parametrize("istate", ["[]", "garbage", "5"])
def test_state_that_cannot_be_read_is_named(gone: Recorder, istate: str) -> None:
    response = gone(CHAT, istate={CHAT: istate})

    assert response.status is Status.ERROR
    assert response.error_msg.startswith("the state of a subscription is not")
    assert gone.ends == [("john", {})]


@pytest.mark.parametrize("identifiers", ["", "hello", "[]"])
def test_identifiers_that_cannot_be_read_are_an_error(gone: Recorder, identifiers: str) -> None:
    response = gone(CHAT, identifiers=identifiers)

    assert response.status is Status.ERROR
    assert response.error_msg.startswith("connection identifiers are not")
    assert gone.ends == []
