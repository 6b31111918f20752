"""The broker keeps history, presence, and sessions to resume; on the gateway and on anycable-go."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from time import monotonic, time
from typing import Any

import pytest

from anycable_rpc.broadcasters.rest_api import Presence, PresenceRecord, RestAPI
from anycable_rpc.identity.tokens import TokenSigner
from anycable_rpc.protocol import transmissions
from anycable_rpc.protocol.messages import ConnectionResponse, EnvResponse, Status

from .client import Client
from .scripted import PATIENCE, WELCOME
from .servers import Serve, Server, ask

EXTENDED = ("actioncable-v1-ext-json",)
SECRET = "a secret that signs tokens, 32 bytes"
API_KEY = "a key of the REST API"
FIRST, SECOND = '{"channel":"A","answer":{"streams":["s"]}}', '{"channel":"B","answer":{"streams":["s"]}}'
PRESENT = json.dumps({"channel": "P", "answer": {"subscribe": {"streams": ["p"], "istate": {"$p": "p"}}}})

pytestmark = pytest.mark.since((1, 6), "its history is tested with 1.6; presence came with that")


@pytest.fixture
def server(serve: Serve) -> Server:
    return serve(broker="memory", jwt_secrets=(SECRET,), api_key=API_KEY, presence_ttl=1)


def extended(server: Server, query: str = "", **how: Any) -> tuple[Client, dict[str, Any]]:
    """A client of the extended protocol, and its welcome."""
    client = server.client(query, subprotocols=EXTENDED, **how)
    return client, client.next()


def subscribed(client: Client, identifier: str, **rest: Any) -> list[Any]:
    """Subscribe; return the answers."""
    client.send("subscribe", identifier, **rest)
    return client.pending()


def token(user: int, expires_at: float | None = None) -> str:
    return "jid=" + TokenSigner(SECRET).sign(f'{{"user":{user}}}', int(expires_at or time() + 3600))


def presence(server: Server, stream: str = "p", key: str = API_KEY) -> Any:
    answer = ask(f"http://{server.address}/api/presence/{stream}/users", headers={"Authorization": f"Bearer {key}"})
    return json.loads(answer.text) if answer.status == 200 else answer.status


def here(history: dict[str, Any] | None, epoch: str) -> dict[str, Any] | None:
    """Return a history request whose positions are of this epoch, unless they name another."""
    if not history or "streams" not in history:
        return history
    return {**history, "streams": {name: {"epoch": epoch, **place} for name, place in history["streams"].items()}}


class TestHistory:
    def test_messages_have_offsets(self, server: Server) -> None:
        with server.welcomed() as plain, extended(server)[0] as client:
            for each in (plain, client):
                subscribed(each, FIRST)
            server.broadcast("s", 1)
            server.broadcast("s", 2, transient=True)
            server.broadcast("s", 3)

            for each in (plain, client):
                first, transient, second = each.next(), each.next(), each.next()
                epoch = first["epoch"]
                placed = {"identifier": FIRST, "stream_id": "s", "epoch": epoch}
                assert first == {**placed, "message": 1, "offset": 1}
                assert transient == {"identifier": FIRST, "message": 2}
                assert second == {**placed, "message": 3, "offset": 2}

    def test_missed_messages_come_between_the_confirmations(self, server: Server) -> None:
        began = int(time())
        with extended(server)[0] as client:
            subscribed(client, FIRST)
            for number in range(5):
                server.broadcast("s", number)
            heard = [client.next() for _ in range(5)]
            assert [frame["offset"] for frame in heard] == [1, 2, 3, 4, 5]

            confirmed, *missed, last = subscribed(client, SECOND, history={"since": began})
            assert confirmed == {"type": "confirm_subscription", "identifier": SECOND}
            assert missed == [{**frame, "identifier": SECOND} for frame in heard]
            assert last == {"type": "confirm_history", "identifier": SECOND}

            place = {"streams": {"s": {"epoch": heard[2]["epoch"], "offset": 3}}}
            client.send("history", FIRST, history=place)
            assert client.pending() == [*heard[3:], {"type": "confirm_history", "identifier": FIRST}]

    @pytest.mark.parametrize(
        ("history", "answers"),
        [
            ({"streams": {"s": {"epoch": "other", "offset": 1}}}, ["reject_history"]),
            ({"streams": {"s": {"offset": 0}}}, ["reject_history"]),
            ({"streams": {"s": {"offset": 9}}}, ["reject_history"]),
            ({"streams": {"s": {"offset": 2}}}, ["confirm_history"]),
            ({"streams": {"s": {"offset": 1}}}, [2, "confirm_history"]),
            ({"streams": {"other": {"offset": 1}}}, ["confirm_history"]),
            ({"since": 1, "streams": {"other": {"offset": 1}}}, [1, 2, "confirm_history"]),
            ({"since": 10**12}, ["confirm_history"]),
            ({"streams": {}}, ["confirm_history"]),
            ({}, []),
            (None, []),
        ],
    )
    def test_places(self, server: Server, history: dict[str, Any] | None, answers: list[Any]) -> None:
        with extended(server)[0] as client:
            subscribed(client, FIRST)
            server.broadcast("s", 1)
            server.broadcast("s", 2)
            epoch = client.next()["epoch"]
            client.next()
            client.send("history", FIRST, history=here(history, epoch))
            assert [frame.get("type") or frame["message"] for frame in client.pending()] == answers

    def test_no_more_is_kept_than_the_limit(self, serve: Serve) -> None:
        server = serve(broker="memory", history_limit=2)
        with extended(server)[0] as client:
            for number in range(4):
                server.broadcast("s", number)
            _, *missed, _ = subscribed(client, FIRST, history={"since": 1})
            assert [(frame["message"], frame["offset"]) for frame in missed] == [(2, 3), (3, 4)]

    def test_history_may_be_larger_than_the_outbox(self, serve_gateway: Serve) -> None:
        server = serve_gateway(broker="memory")
        for number in range(100):
            server.broadcast("s", f"{number} {'x' * 15_000}")
        with extended(server)[0] as client:
            confirmed, *missed, last = subscribed(client, FIRST, history={"since": 1})

        assert [frame["message"].split()[0] for frame in missed] == [str(number) for number in range(100)]
        assert [confirmed["type"], last["type"]] == ["confirm_subscription", "confirm_history"]

    def test_history_of_an_unknown_subscription_is_passed_over(self, server: Server) -> None:
        with extended(server)[0] as client:
            client.send("history", FIRST, history={"since": 1})
            assert client.pending() == []


class TestResuming:
    def test_a_session_goes_on_with_its_subscriptions_and_states(self, server: Server) -> None:
        server.app.connect = ConnectionResponse(
            Status.SUCCESS, '{"user":1}', ('{"type":"welcome"}', '{"type":"hello"}'), "", EnvResponse({"c": "1"}, {})
        )
        sid, identifier = "the-sid-of-a-client", '{"channel":"A","answer":{"streams":["s"],"istate":{"i":"1"}}}'
        with server.client(subprotocols=EXTENDED, headers={"X-Request-ID": sid}) as client:
            assert client.next() == {"type": "welcome"}
            subscribed(client, identifier)
        server.app.wait_for("Disconnect")
        server.broadcast("s", "missed")

        with server.client(f"sid={sid}", subprotocols=EXTENDED) as client:
            welcome = client.next()
            new = welcome.pop("sid")
            assert welcome == {"type": "welcome", "restored": True, "restored_ids": [identifier]}
            assert new not in ("", sid)
            client.send("history", identifier, history={"since": 1})
            assert "missed" in [frame.get("message") for frame in client.pending()]
            server.broadcast("s", "live")
            assert client.next()["message"] == "live"
            client.perform(identifier)
            client.pending()
        call = server.app.calls[-2 if server.app.calls[-1].method == "Disconnect" else -1]
        assert (call.request.connection_identifiers, call.request.env.cstate, call.request.env.istate) == (
            '{"user":1}',
            {"c": "1"},
            {"i": "1"},
        )
        assert call.metadata["sid"] == new
        assert len([each for each in server.app.requests("Command") if each.command == "subscribe"]) == 1

    @pytest.mark.parametrize("how", ["query", "header"])
    def test_a_token_is_enough(self, server: Server, how: str) -> None:
        client, welcome = extended(server, token(1))
        with client:
            subscribed(client, FIRST)
        query = f"{token(1)}&sid={welcome['sid']}" if how == "query" else token(1)
        headers = {"X-AnyCable-Restore-SID": welcome["sid"]} if how == "header" else {}
        client, again = extended(server, query, headers=headers)
        with client:
            assert (again["restored"], again["restored_ids"]) == (True, [FIRST])
            assert server.app.requests("Connect") == []

    def test_resuming_without_subscriptions(self, server: Server) -> None:
        client, welcome = extended(server, token(1))
        client.close()
        client, again = extended(server, f"{token(1)}&sid={welcome['sid']}")
        with client:
            assert again == {"type": "welcome", "sid": again["sid"], "restored": True}

    def test_a_connection_that_was_not_seen_to_end_is_resumed_too(self, server: Server) -> None:
        first, welcome = extended(server, token(1))
        with first:
            subscribed(first, FIRST)
            second, again = extended(server, f"{token(1)}&sid={welcome['sid']}")
            with second:
                assert again["restored"] is True
                server.broadcast("s", 1)
                assert (first.next()["message"], second.next()["message"]) == (1, 1)

    def test_basic_protocol_cannot_resume(self, server: Server) -> None:
        client, welcome = extended(server, token(1))
        with client:
            subscribed(client, FIRST)
        with server.client(f"{token(1)}&sid={welcome['sid']}") as client:
            assert "restored" not in client.next()

    def test_an_unknown_sid_is_a_new_session(self, server: Server) -> None:
        client, welcome = extended(server, f"{token(1)}&sid=nobody")
        with client:
            assert welcome == {"type": "welcome", "sid": welcome["sid"]}

    def test_sessions_are_forgotten(self, serve: Serve) -> None:
        server = serve(broker="memory", sessions_ttl=1, jwt_secrets=(SECRET,))
        client, welcome = extended(server, token(1))
        client.close()
        eventually(lambda: "restored" not in resumed(server, welcome["sid"], token(1)), after=1)

    def test_anonymous_sessions_can_be_resumed(self, serve: Serve) -> None:
        server = serve(broker="memory", noauth=True)
        client, welcome = extended(server)
        with client:
            subscribed(client, FIRST)
        client, again = extended(server, f"sid={welcome['sid']}")
        with client:
            assert again["restored_ids"] == [FIRST]


class TestWhoMayResume:
    """anycable-go asks nobody who knows a sid; the gateway authenticates as at every connection."""

    @pytest.fixture
    def server(self, serve_gateway: Serve) -> Server:
        return serve_gateway(broker="memory", jwt_secrets=(SECRET,))

    @pytest.fixture
    def sid(self, server: Server) -> str:
        client, welcome = extended(server, token(1))
        with client:
            subscribed(client, FIRST)
        sid: str = welcome["sid"]
        return sid

    def test_an_expired_token_is_told_so(self, server: Server, sid: str) -> None:
        assert resumed(server, sid, token(1, time() - 60))["reason"] == "token_expired"

    def test_a_bad_token_is_refused(self, server: Server, sid: str) -> None:
        assert resumed(server, sid, "jid=x.y.z")["reason"] == "unauthorized"

    def test_another_client_begins_anew(self, server: Server, sid: str) -> None:
        client, welcome = extended(server, f"{token(2)}&sid={sid}")
        with client:
            assert "restored" not in welcome
            server.broadcast("s", "secret")
            assert client.pending() == []

    def test_without_a_token_the_app_is_asked(self, server: Server, sid: str) -> None:
        server.app.connect = ConnectionResponse(
            Status.FAILURE, transmissions=(transmissions.disconnect("unauthorized", False),)
        )
        assert resumed(server, sid, "")["reason"] == "unauthorized"
        server.app.connect = WELCOME
        assert "restored" not in resumed(server, sid, "")
        server.app.connect = ConnectionResponse(Status.SUCCESS, '{"user":1}', ('{"type":"welcome"}',))
        assert resumed(server, sid, "")["restored_ids"] == [FIRST]

    def test_client_that_was_disconnected_begins_anew(self, server: Server) -> None:
        client, welcome = extended(server, token(1))
        with client:
            subscribed(client, FIRST)
            server.publish({"command": "disconnect", "payload": {"identifier": '{"user":1}', "reconnect": True}})
            client.last_words()
        assert "restored" not in resumed(server, welcome["sid"], token(1))


def resumed(server: Server, sid: str, query: str) -> Mapping[str, Any]:
    """Return what a client receives that wants to resume."""
    client, first = extended(server, f"{query}&sid={sid}" if query else f"sid={sid}")
    client.close()
    return first


def eventually(is_so: Callable[[], bool], after: float = 0) -> None:
    """Wait until the condition is true: no sooner than after `after` seconds, and not for ever."""
    began = monotonic()
    while not is_so():
        assert monotonic() < began + after + PATIENCE
    assert monotonic() >= began + after / 2


class TestPresence:
    def test_join_info_and_leave(self, server: Server) -> None:
        with extended(server)[0] as first, extended(server)[0] as second:
            for each in (first, second):
                subscribed(each, PRESENT)
            event = {"type": "presence", "identifier": PRESENT}

            first.send("join", PRESENT, presence={"id": "1", "info": {"name": "<Ada>"}})
            joined = {**event, "message": {"id": "1", "info": {"name": "<Ada>"}, "type": "join"}}
            assert (first.next(), second.next()) == (joined, joined)

            second.send("presence", PRESENT)
            records = [{"info": {"name": "<Ada>"}, "id": "1"}]
            info = {"type": "info", "total": 1, "records": records}
            assert second.next() == {**event, "message": info}
            assert presence(server) == info

            first.send("leave", PRESENT)
            left = {**event, "message": {"id": "1", "type": "leave"}}
            assert (first.next(), second.next()) == (left, left)
            assert presence(server) == {"type": "info", "total": 0}

    def test_a_subscription_can_join_at_once_and_unsubscribing_leaves(self, server: Server) -> None:
        with extended(server)[0] as client, extended(server)[0] as other:
            subscribed(other, PRESENT)
            client.send("subscribe", PRESENT, presence={"id": "1"})
            assert client.next()["type"] == "confirm_subscription"
            assert client.next()["message"] == {"id": "1", "type": "join"} == other.next()["message"]

            client.send("unsubscribe", PRESENT)
            assert other.next()["message"] == {"id": "1", "type": "leave"}

    def test_the_app_says_who_is_there(self, server: Server) -> None:
        joining = {"type": "join", "id": "1", "info": '{"name":"Ada"}'}
        identifier = json.dumps(
            {"channel": "P", "answer": {"streams": ["p"], "istate": {"$p": "p"}, "presence": joining}}
        )
        with extended(server)[0] as client:
            client.send("subscribe", identifier)
            assert client.next()["type"] == "confirm_subscription"
            assert client.next()["message"] == {"id": "1", "info": {"name": "Ada"}, "type": "join"}
            client.perform(identifier, presence={"type": "leave", "id": ""})
            assert client.next()["message"] == {"id": "1", "type": "leave"}

    @pytest.mark.parametrize(
        ("info", "heard"), [('{"a":1}', {"a": 1}), ("plain", "plain"), ('"text"', "text"), ("42", 42), ("", None)]
    )
    def test_info_of_the_app_is_json_or_else_a_string(self, server: Server, info: str, heard: object) -> None:
        joining = {"type": "join", "id": "1", "info": info}
        identifier = json.dumps(
            {"channel": "P", "answer": {"streams": ["p"], "istate": {"$p": "p"}, "presence": joining}}
        )
        with extended(server)[0] as client:
            subscribed(client, identifier)
            (record,) = presence(server)["records"]
            assert record.get("info") == heard

    def test_client_that_is_gone_for_long_leaves(self, server: Server) -> None:
        with extended(server)[0] as other:
            subscribed(other, PRESENT)
            with extended(server)[0] as client:
                subscribed(client, PRESENT, presence={"id": "1"})
            assert other.next()["message"]["type"] == "join"
            assert other.next()["message"] == {"id": "1", "type": "leave"}

    def test_one_id_of_two_clients_is_there_until_both_leave(self, server: Server) -> None:
        with extended(server)[0] as other, extended(server)[0] as first, extended(server)[0] as second:
            subscribed(other, PRESENT)
            for each in (first, second):
                subscribed(each, PRESENT, presence={"id": "1"})
            first.send("leave", PRESENT)
            first.pending()
            assert presence(server)["total"] == 1
            second.send("leave", PRESENT)
            assert [other.next()["message"]["type"] for _ in range(2)] == ["join", "leave"]

    @pytest.mark.parametrize("command", ["join", "leave", "presence"])
    def test_without_a_presence_stream_nothing_is_sent(self, server: Server, command: str) -> None:
        with extended(server)[0] as client:
            subscribed(client, FIRST)
            client.send(command, FIRST, presence={"id": "1"})
            client.send(command, SECOND, presence={"id": "1"})
            assert client.pending() == []

    def test_joining_without_presence_is_ignored(self, server: Server) -> None:
        with extended(server)[0] as client:
            subscribed(client, PRESENT)
            client.send("join", PRESENT)
            assert client.pending() == []


def test_a_resumed_session_was_never_away(serve_gateway: Serve) -> None:
    server = serve_gateway(broker="memory", jwt_secrets=(SECRET,), presence_ttl=1, api_key=API_KEY)
    with extended(server, token(2))[0] as other:
        subscribed(other, PRESENT)
        client, welcome = extended(server, token(1))
        with client:
            subscribed(client, PRESENT, presence={"id": "1"})
        client, _ = extended(server, f"{token(1)}&sid={welcome['sid']}")
        with client:
            began = monotonic()
            while monotonic() < began + 1.2:
                assert presence(server)["total"] == 1
        assert [other.next()["message"]["type"] for _ in range(2)] == ["join", "leave"]


class TestRestAPI:
    def test_publishing(self, server: Server) -> None:
        with server.welcomed() as client:
            subscribed(client, FIRST)
            body, url = json.dumps({"stream": "s", "data": "1"}), f"http://{server.address}/api/publish"
            assert ask(url, "POST", body, {"Authorization": f"Bearer {API_KEY}"}).status == 201
            assert client.next()["message"] == 1
            assert ask(url, "POST", body).status == 401
            assert ask(url, "POST", body, {"Authorization": "Bearer x"}).status == 401
            assert ask(url, "GET", headers={"Authorization": f"Bearer {API_KEY}"}).status == 422

    def test_its_client(self, server: Server) -> None:
        api = RestAPI(f"http://{server.address}/api", API_KEY)
        with extended(server)[0] as client:
            subscribed(client, PRESENT, presence={"id": "1", "info": {"name": "Ada"}})
            api.publish(json.dumps({"stream": "p", "data": '"over the API"'}))
            while client.next()["message"] != "over the API":
                pass
            assert api.presence("p") == Presence(1, (PresenceRecord("1", {"name": "Ada"}),))
        api.close()

    def test_presence_needs_the_key(self, server: Server) -> None:
        assert presence(server, key="x") == 401
        assert presence(server, "a/b") == 404
        assert ask(f"http://{server.address}/api/presence/p/users", "POST").status == 422

    def test_without_a_broker_presence_is_not_kept(self, serve: Serve) -> None:
        assert presence(serve(api_key=API_KEY)) == 501

    def test_without_a_key_there_is_no_api(self, serve: Serve) -> None:
        server = serve(broker="memory")
        assert presence(server) == 404
        assert ask(f"http://{server.address}/api/publish", "POST").status == 404


class TestPongs:
    def test_a_client_that_is_silent_is_closed(self, serve: Serve) -> None:
        server = serve(pong_timeout=1, ping_interval=1)
        client, _ = extended(server)
        with client:
            assert client.last_words() == (
                [{"type": "disconnect", "reason": "no_pong", "reconnect": True}],
                1000,
                "No Pong",
            )

    def test_client_that_answers_stays(self, serve_gateway: Serve) -> None:
        server = serve_gateway(pong_timeout=1.5, ping_interval=1)
        client, _ = extended(server)
        with client:
            for _ in range(4):
                client.wait_for_ping()
                client.send("pong")
            assert client.pending() == []

    def test_the_basic_protocol_has_no_pongs(self, serve_gateway: Serve) -> None:
        server = serve_gateway(pong_timeout=0.1, ping_interval=1)
        with server.welcomed() as client:
            client.wait_for_ping()
            client.wait_for_ping()
