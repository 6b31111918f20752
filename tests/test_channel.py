from __future__ import annotations

import pytest

from anycable_rpc import Cable, Channel, ConfigurationError, Connection, Rejected, action
from anycable_rpc.protocol.messages import Env


def test_a_channel_answers_to_its_own_class_name() -> None:
    class Chat(Channel):
        pass

    class AdminChat(Chat):
        pass

    class Named(Chat):
        name = "Other"

    class BelowNamed(Named):
        pass

    assert [c.name for c in (Chat, AdminChat, Named, BelowNamed)] == ["Chat", "AdminChat", "Other", "BelowNamed"]


NOT_FOR_CLIENTS = [
    *("subscribed", "unsubscribed", "transmit", "reject", "stream_from"),
    *("name", "params", "connection", "identifier", "state", "cable", "_streams", "_own"),
]


@pytest.mark.parametrize("name", [name for name in NOT_FOR_CLIENTS if name != "name"])
def test_nor_can_they_be_by_way_of_a_mixin(name: str) -> None:
    def method(self: Channel) -> None: ...

    mixin = type("Mixin", (), {name: action(method)})

    with pytest.raises(ConfigurationError, match="cannot be an action"):
        type("Odd", (mixin, Channel), {})


@pytest.mark.parametrize("name", [None, "", 42, b"Chat"])
def test_a_name_is_a_non_empty_string(name: object) -> None:
    with pytest.raises(ConfigurationError, match="must be a non-empty string"):
        type("Odd", (Channel,), {"name": name})


@pytest.mark.parametrize("name", NOT_FOR_CLIENTS)
def test_methods_of_channel_itself_cannot_be_actions(name: str) -> None:
    def method(self: Channel) -> None: ...

    with pytest.raises(ConfigurationError, match="cannot be an action"):
        type("Odd", (Channel,), {name: action(method)})


def test_the_cable_is_at_hand() -> None:
    class Chat(Channel):
        pass

    cable = Cable(Connection, [Chat])
    chat = Chat(Connection(cable, Env()), "{}", {})

    assert chat.cable is cable


def test_the_callbacks_do_nothing_by_themselves() -> None:
    chat = Channel(Connection(Cable(Connection), Env()), "{}", {})

    chat.subscribed()
    chat.unsubscribed()

    assert chat.presence_info is None


def test_reject_raises() -> None:
    with pytest.raises(Rejected):
        Channel(Connection(Cable(Connection), Env()), "{}", {}).reject()
