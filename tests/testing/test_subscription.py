"""Subscriptions: streams and state as anycable-go keeps them, and what clients receive."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from anycable_rpc import Cable, Channel, MemoryBroadcaster, Presence, action
from anycable_rpc.broadcasters.rest_api import PresenceRecord
from anycable_rpc.errors import IgnoredCommand, InvalidData
from anycable_rpc.protocol.messages import CommandResponse, Status
from anycable_rpc.testing import Subscription, TestClient
from anycable_rpc.testing.recorded import Recorded

from .chat import ChatChannel, User
from .ways import Way


@pytest.fixture
def cable(way: Way) -> Cable:
    return way.cable(User, [ChatChannel])


def users(way: Way, cable: Cable, *names: str) -> list[TestClient]:
    return [way.connect(cable, cookies={"user_id": name}) for name in names]


def in_room(way: Way, cable: Cable, *names: str, room: str = "1") -> list[Subscription]:
    return [way.subscribe(client, ChatChannel, room=room) for client in users(way, cable, *names)]


def context(recorded: list[Any]) -> list[str]:
    """Return what pytest shows below a comparison of the list that has failed."""
    assert isinstance(recorded, Recorded)
    return recorded.context()


def test_a_confirmed_subscription_has_its_streams_and_state(way: Way, cable: Cable) -> None:
    (chat,) = in_room(way, cable, "ann")

    assert chat.confirmed
    assert chat.streams == ["chat/1"]
    assert (chat.rejected, chat.is_active, chat.state) == (False, True, {"visits": 1})
    assert chat.identifier == '{"channel":"ChatChannel","room":"1"}'
    assert (chat.received, chat.transmissions, chat.presence) == ([], [], {})


def test_an_action_broadcasts_and_the_stream_delivers(way: Way, cable: Cable) -> None:
    ann, bob = in_room(way, cable, "ann", "bob")
    (carl,) = in_room(way, cable, "carl", room="2")

    answer = way.do(ann, "perform", "speak", text="hi")

    said = {"user": "ann", "text": "hi"}
    assert (ann.received, bob.received, carl.received) == ([said], [said], [])
    assert cable.broadcaster.broadcasts["chat/1"] == [said]  # type: ignore[attr-defined]
    assert isinstance(answer, CommandResponse)
    assert (answer.status, ann.answer) == (Status.SUCCESS, answer)


def test_what_the_program_broadcasts_is_delivered(way: Way, cable: Cable) -> None:
    (ann,) = in_room(way, cable, "ann")

    way.do(cable, "broadcast", "chat/1", {"n": 1.0})
    way.do(cable, "broadcast_to", "chat/1", "two")

    assert ann.received == [{"n": 1.0}, "two"]


class Entrance(Channel):
    """Says who enters, as they do."""

    def subscribed(self) -> None:
        self.stream_from("entrance")
        self.cable.broadcast("entrance", "somebody enters")
        self.transmit("welcome")


def test_what_a_callback_broadcasts_is_delivered_before_its_answer(way: Way) -> None:
    cable = way.cable(channels=[Entrance])
    earlier, later = (way.subscribe(way.connect(cable), Entrance) for _ in range(2))

    assert earlier.received == ["somebody enters"]
    assert (later.streams, later.received, later.transmissions) == (["entrance"], [], ["welcome"])


def test_transmissions_and_changes_of_state_come_with_the_answer(way: Way, cable: Cable) -> None:
    ann, bob = in_room(way, cable, "ann", "bob")

    way.do(ann, "perform", "echo", text="hi")

    assert (ann.transmissions, ann.received, ann.state) == (["hi"], [], {"visits": 2})
    assert (bob.transmissions, bob.state) == ([], {"visits": 1})


def test_streams_start_and_stop(way: Way, cable: Cable) -> None:
    (ann,) = in_room(way, cable, "ann")

    way.do(ann, "perform", "follow", stream="news")
    way.do(cable, "broadcast", "news", 1)
    assert ann.streams == ["chat/1", "news"]
    way.do(ann, "perform", "stop")
    way.do(cable, "broadcast", "news", 2)

    assert (ann.streams, ann.received) == ([], [1])


def test_a_rejected_subscription_has_nothing(way: Way, cable: Cable) -> None:
    (client,) = users(way, cable, "ann")

    secret = way.subscribe(client, "ChatChannel", room="secret")

    assert (secret.confirmed, secret.rejected, secret.is_active, secret.streams) == (False, True, False, [])
    assert repr(secret) == (
        "<Subscription ChatChannel room='secret' rejected, streams=[], received=[], transmissions=[]>"
    )


def test_a_client_may_try_again_after_a_rejection(way: Way, cable: Cable) -> None:
    (client,) = users(way, cable, "ann")

    tries = [way.subscribe(client, ChatChannel, room="secret") for _ in range(2)]

    assert [subscription.rejected for subscription in tries] == [True, True]


def test_an_unsubscribed_client_hears_no_more(way: Way, cable: Cable) -> None:
    (ann,) = in_room(way, cable, "ann")
    way.do(cable, "broadcast", "chat/1", 1)

    way.do(ann, "unsubscribe")
    way.do(cable, "broadcast", "chat/1", 2)

    assert (ann.received, ann.streams, ann.state, ann.is_active, ann.confirmed) == ([1], [], {}, False, True)
    assert cable.broadcaster.broadcasts["log"] == ["ann has left 1"]  # type: ignore[attr-defined]


def test_a_client_subscribes_again_with_a_new_subscription(way: Way, cable: Cable) -> None:
    (client,) = users(way, cable, "ann")
    before = way.subscribe(client, ChatChannel, room="1")
    way.do(before, "unsubscribe")

    after = way.subscribe(client, ChatChannel, room="1")
    way.do(cable, "broadcast", "chat/1", 1)

    assert (before.received, before.streams, before.is_active) == ([], [], False)
    assert (after.received, after.streams, after.is_active) == ([1], ["chat/1"], True)


class Closing(Channel):
    """Ends the connection while it is subscribed to, and while it is left."""

    def subscribed(self) -> None:
        if self.params["at"] == "subscribed":
            self.connection.close("enough")

    def unsubscribed(self) -> None:
        self.cable.disconnect(user_id="ann")


def test_a_connection_that_ends_meanwhile_confirms_nothing(way: Way) -> None:
    (client,) = users(way, way.cable(User, [Closing]), "ann")

    closing = way.subscribe(client, Closing, at="subscribed")

    assert (closing.confirmed, closing.rejected, closing.is_active, client.reason) == (False, False, False, "enough")
    assert "at='subscribed' neither confirmed nor rejected, " in repr(closing)


def test_a_connection_may_end_while_a_subscription_does(way: Way) -> None:
    (client,) = users(way, way.cable(User, [Closing]), "ann")
    closing = way.subscribe(client, Closing, at="unsubscribed")

    way.do(closing, "unsubscribe")

    assert (closing.confirmed, closing.is_active, client.reason) == (True, False, "remote")


@pytest.mark.parametrize("verb", ["perform", "whisper", "unsubscribe"])
def test_a_verb_without_a_subscription_says_that_it_would_do_nothing(way: Way, cable: Cable, verb: str) -> None:
    (client,) = users(way, cable, "ann")
    secret = way.subscribe(client, ChatChannel, room="secret")

    with pytest.raises(IgnoredCommand, match=r"anycable-go ignores the command \w+, since ChatChannel room='secret'"):
        way.do(secret, verb, *(["x"] if verb != "unsubscribe" else []))


def test_a_second_time_is_ignored(way: Way, cable: Cable) -> None:
    (client,) = users(way, cable, "ann")
    way.subscribe(client, ChatChannel, room="1")

    with pytest.raises(IgnoredCommand, match="subscribe, since ChatChannel room='1' is confirmed already"):
        way.subscribe(client, ChatChannel, room="1")


def test_a_payload_that_is_no_json_cannot_be_sent(way: Way, cable: Cable) -> None:
    (ann,) = in_room(way, cable, "ann")

    with pytest.raises(InvalidData):
        way.do(ann, "perform", "speak", text=object())


class TestToOthers:
    def test_the_caller_does_not_hear_it(self, way: Way, cable: Cable) -> None:
        ann, bob = in_room(way, cable, "ann", "bob")

        way.do(ann, "perform", "speak_to_others", text="hi")

        assert (ann.received, bob.received) == ([], ["hi"])

    def test_a_socket_is_excluded_by_its_sid(self, way: Way, cable: Cable) -> None:
        clients = users(way, cable, "ann", "bob")
        ann, bob = (way.subscribe(client, ChatChannel, room="1") for client in clients)

        way.do(cable, "broadcast", "chat/1", 1, exclude_socket=clients[0].sid)
        with cable.to_others(clients[1].sid):
            way.do(cable, "broadcast", "chat/1", 2)

        assert (ann.received, bob.received) == ([2], [1])
        assert [publication.exclude_socket for publication in clients[0].broadcasts.publications] == [  # type: ignore[union-attr]
            clients[0].sid,
            clients[1].sid,
        ]


class TestBatches:
    def test_of_an_action(self, way: Way, cable: Cable) -> None:
        (ann,) = in_room(way, cable, "ann")

        way.do(ann, "perform", "speak_twice", text="hi")

        assert (ann.received, ann.transmissions) == (["hi 1"], ["in the batch"])
        assert cable.broadcaster.broadcasts == {"chat/1": ["hi 1"], "other": ["hi 2"]}  # type: ignore[attr-defined]

    def test_of_the_program(self, way: Way, cable: Cable) -> None:
        (ann,) = in_room(way, cable, "ann")

        with cable.batch():
            cable.broadcast("chat/1", 1)
            cable.broadcast("chat/1", 2)
            assert ann.received == []

        assert ann.received == [1, 2]

    def test_that_fails_publishes_nothing(self, way: Way, cable: Cable) -> None:
        (ann,) = in_room(way, cable, "ann")

        with pytest.raises(ZeroDivisionError), cable.batch():
            cable.broadcast("chat/1", 1 / 0)

        assert (ann.received, len(cable.broadcaster.broadcasts)) == ([], 0)  # type: ignore[attr-defined]


class TestWhispers:
    def test_the_others_hear_them_without_a_call_of_the_app(self, way: Way, cable: Cable) -> None:
        ann, bob = in_room(way, cable, "ann", "bob")
        before = ann.answer

        way.do(ann, "whisper", {"typing": True})

        assert (ann.received, bob.received) == ([], [{"typing": True}])
        assert ann.answer is before
        assert cable.broadcaster.broadcasts == {}  # type: ignore[attr-defined]

    def test_without_a_stream_for_them_nobody_does(self, way: Way) -> None:
        class Quiet(Channel):
            def subscribed(self) -> None:
                self.stream_from("quiet")

        cable = way.cable(User, [Quiet])
        ann, bob = (way.subscribe(client, Quiet) for client in users(way, cable, "ann", "bob"))

        way.do(ann, "whisper", "psst")

        assert (ann.received, bob.received) == ([], [])


class TestPresence:
    def test_who_joins_and_leaves_is_seen(self, way: Way, cable: Cable) -> None:
        ann, bob = in_room(way, cable, "ann", "bob")
        for chat in (ann, bob):
            way.do(chat, "perform", "join")

        assert ann.presence == bob.presence == {"ann": {"name": "Ann"}, "bob": {"name": "Bob"}}
        assert cable.presence("chat/1") == Presence(
            2, (PresenceRecord("ann", {"name": "Ann"}), PresenceRecord("bob", {"name": "Bob"}))
        )
        way.do(bob, "perform", "leave")
        assert ann.presence == {"ann": {"name": "Ann"}}

    def test_it_is_no_message(self, way: Way, cable: Cable) -> None:
        clients = users(way, cable, "ann", "bob")
        ann, bob = (way.subscribe(client, ChatChannel, room="1") for client in clients)

        way.do(bob, "perform", "join")

        assert ann.received == []
        assert clients[0].frames[-1] == {
            "type": "presence",
            "identifier": ann.identifier,
            "message": {"id": "bob", "info": {"name": "Bob"}, "type": "join"},
        }

    def test_who_disconnects_is_gone_at_once(self, way: Way, cable: Cable) -> None:
        clients = users(way, cable, "ann", "bob")
        ann, bob = (way.subscribe(client, ChatChannel, room="1") for client in clients)
        for chat in (ann, bob):
            way.do(chat, "perform", "join")

        way.do(clients[1], "disconnect")

        assert (ann.presence, bob.presence) == ({"ann": {"name": "Ann"}}, {})

    def test_a_callback_may_ask_who_is_there(self, way: Way) -> None:
        class Counting(Channel):
            def subscribed(self) -> None:
                self.stream_from("room")
                self.presence_join()

            @action
            def count(self) -> None:
                self.transmit(self.cable.presence("room").total)

        cable = way.cable(User, [Counting])
        (chat,) = (way.subscribe(client, Counting) for client in users(way, cable, "ann"))

        way.do(chat, "perform", "count")

        assert chat.transmissions == [1]


class TestChannelsOfTheGateway:
    def test_a_signed_stream_needs_no_channel(self, way: Way, cable: Cable) -> None:
        (client,) = users(way, cable, "ann")

        pubsub = way.subscribe(client, "$pubsub", signed_stream_name=cable.signed_stream_name("news"))
        way.do(cable, "broadcast", "news", 1)

        assert (pubsub.confirmed, pubsub.streams, pubsub.received, pubsub.answer) == (True, ["news"], [1], None)

    def test_a_stream_with_a_wrong_signature_is_rejected(self, way: Way, cable: Cable) -> None:
        (client,) = users(way, cable, "ann")

        assert way.subscribe(client, "$pubsub", signed_stream_name="bmV3cw==--0").rejected


class TestRecords:
    def test_messages_can_be_forgotten(self, way: Way, cable: Cable) -> None:
        (ann,) = in_room(way, cable, "ann")
        way.do(ann, "perform", "speak", text="1")
        way.do(ann, "perform", "echo", text="1")

        ann.clear()
        cable.broadcaster.broadcasts.clear()  # type: ignore[attr-defined]
        way.do(ann, "perform", "echo", text="2")

        assert (ann.received, ann.transmissions, ann.confirmed) == ([], ["2"], True)
        assert cable.broadcaster.broadcasts == {}  # type: ignore[attr-defined]

    def test_each_list_knows_what_else_there_was(self, way: Way, cable: Cable) -> None:
        (client,) = users(way, cable, "ann")
        ann = way.subscribe(client, ChatChannel, room="1")
        way.do(ann, "perform", "speak", text="hi")
        way.do(cable, "disconnect", user_id="ann")

        of_subscription = [
            "ChatChannel room='1': ended",
            "  streamed: []",
            "  received: [{'text': 'hi', 'user': 'ann'}]",
            "  transmitted: []",
        ]
        of_broadcasts = [
            "broadcasts to each stream:",
            "  'chat/1': [{'user': 'ann', 'text': 'hi'}]",
            "  'log': ['ann has left 1']",
            "remote disconnects: [{'user_id': 'ann'}]",
        ]
        assert context(ann.received) == context(ann.transmissions) == context(ann.streams) == of_subscription
        assert context(client.broadcasts["x"]) == context(client.broadcasts.disconnects) == of_broadcasts
        assert client.broadcasts.context() == of_broadcasts
        assert context(client.frames)[:2] == ["client {'user_id': 'ann'}: closed (remote)", "its frames:"]

    def test_an_item_that_is_missing_is_an_error_that_knows_it_too(self, way: Way, cable: Cable) -> None:
        (chat,) = in_room(way, cable, "ann", room="secret")

        with pytest.raises(IndexError) as caught:
            chat.received[-1]

        assert str(caught.value).splitlines() == [
            "list index -1 out of range: there are 0 items",
            "ChatChannel room='secret': rejected",
            "  streamed: []",
            "  received: []",
            "  transmitted: []",
        ]

    def test_copies_are_plain_lists(self, way: Way, cable: Cable) -> None:
        (ann,) = in_room(way, cable, "ann")

        copied = copy.deepcopy(ann.streams)

        assert (type(copied), copied) == (list, ["chat/1"])

    def test_broadcasts_are_found_by_what_they_are_about(self, way: Way, cable: Cable) -> None:
        (client,) = users(way, cable, "ann")

        way.do(cable, "broadcast_to", ("room", 1), "hi")

        broadcasts = client.broadcasts
        assert broadcasts["room", 1] == broadcasts["room:1"] == ["hi"]
        assert (("room", 1) in broadcasts, "room:2" in broadcasts, list(broadcasts)) == (True, False, ["room:1"])

    def test_publications_of_other_programs_are_shown_as_they_are(self, way: Way, cable: Cable) -> None:
        (ann,) = in_room(way, cable, "ann")

        way.do(cable.broadcaster, "publish", '{"stream":"chat/1","data":"no JSON"}')

        assert ann.received == ["no JSON"]
        assert cable.broadcaster.broadcasts == {"chat/1": ["no JSON"]}  # type: ignore[attr-defined]

    def test_a_subscription_shows_all(self, way: Way, cable: Cable) -> None:
        (ann,) = in_room(way, cable, "ann")
        way.do(ann, "perform", "speak", text="hi")
        way.do(ann, "perform", "echo", text="ho")

        assert repr(ann) == (
            "<Subscription ChatChannel room='1' confirmed, streams=['chat/1'], "
            "received=[{'text': 'hi', 'user': 'ann'}], transmissions=['ho']>"
        )


def test_the_own_broadcaster_of_the_cable_gets_nothing(way: Way) -> None:
    own = MemoryBroadcaster()
    cable = way.cable(User, [ChatChannel], broadcaster=own)

    way.do(cable, "broadcast", "chat/1", "hi")

    assert own.payloads == []
