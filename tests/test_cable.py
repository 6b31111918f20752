from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycable_rpc import Cable, Channel, ConfigurationError, Connection, InvalidIdentifiers, InvalidToken
from anycable_rpc.identity.signed_streams import verify_stream
from anycable_rpc.protocol.messages import ConnectionRequest, ConnectionResponse
from anycable_rpc.rpc.dispatch import respond
from anycable_rpc.transports.runner import run

from .support.both_ways import settings

SECRET = "a secret of thirty-two bytes....."


class User(Connection):
    identified_by = ("user", "tenant")


class Recorder:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.payloads: list[Any] = []

    def publish(self, payload: str) -> None:
        self.payloads.append(json.loads(payload))


class AsyncRecorder(Recorder):
    async def apublish(self, payload: str) -> None:
        await asyncio.sleep(0)
        self.payloads.append(("async", json.loads(payload)))


def cable(**options: Any) -> Cable:
    return Cable(User, **{"settings": settings(secret=SECRET), "broadcaster": Recorder(), **options})


class TestDeclaration:
    @pytest.mark.parametrize("connection", [None, Channel, "Connection", Connection.connect])
    def test_a_connection_class_is_one(self, connection: Any) -> None:
        with pytest.raises(ConfigurationError, match="is not a connection class"):
            Cable(connection)

    @pytest.mark.parametrize("channel", [None, Connection, "Chat", Channel])
    def test_channels_are_classes_of_channels(self, channel: Any) -> None:
        with pytest.raises(ConfigurationError, match=r"channel class|Channel itself"):
            Cable(Connection, [channel])

    def test_channels_is_a_list(self) -> None:
        with pytest.raises(ConfigurationError, match=r"channels=\[Chat\]"):
            Cable(Connection, type("Chat", (Channel,), {}))  # type: ignore[arg-type]

    def test_two_channels_cannot_share_a_name(self) -> None:
        one, other = type("Chat", (Channel,), {}), type("Chat", (Channel,), {})

        with pytest.raises(ConfigurationError, match="two channels are called 'Chat'"):
            Cable(Connection, [one, other])


class TestBroadcast:
    def test_data_is_published_as_json_text(self) -> None:
        chat = cable()

        chat.broadcast("chat/1", {"text": "hi"}, exclude_socket="s1", transient=True)

        assert chat.broadcaster.payloads == [  # type: ignore[attr-defined]
            {"stream": "chat/1", "data": '{"text":"hi"}', "meta": {"exclude_socket": "s1", "transient": True}}
        ]

    def test_async_code_uses_an_async_broadcaster(self) -> None:
        chat = cable(broadcaster=AsyncRecorder())

        asyncio.run(chat.abroadcast("chat/1", "42"))
        asyncio.run(chat.adisconnect(user=1, tenant=None))

        assert chat.broadcaster.payloads == [  # type: ignore[attr-defined]
            ("async", {"stream": "chat/1", "data": '"42"'}),
            (
                "async",
                {
                    "command": "disconnect",
                    "payload": {"identifier": '{"user":1,"tenant":null}', "reconnect": True},
                },
            ),
        ]

    def test_async_code_uses_a_thread_for_a_broadcaster_that_blocks(self) -> None:
        chat = cable()

        asyncio.run(chat.abroadcast("chat/1", [1]))

        assert chat.broadcaster.payloads == [{"stream": "chat/1", "data": "[1]"}]  # type: ignore[attr-defined]

    def test_a_remote_disconnect_names_the_identifiers_in_their_order(self) -> None:
        chat = cable()

        chat.disconnect(tenant="acme", user=42, reconnect=False)

        assert chat.broadcaster.payloads == [  # type: ignore[attr-defined]
            {
                "command": "disconnect",
                "payload": {"identifier": '{"user":42,"tenant":"acme"}', "reconnect": False},
            }
        ]

    @pytest.mark.parametrize("identifiers", [{}, {"user": 1}, {"user": 1, "tenant": 2, "more": 3}])
    def test_identifiers_are_those_declared(self, identifiers: dict[str, Any]) -> None:
        with pytest.raises(InvalidIdentifiers, match="declared: user, tenant"):
            cable().disconnect(**identifiers)

    def test_the_broadcaster_is_the_one_that_the_settings_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANYCABLE_BROADCAST_ADAPTER", "memory")

        assert type(Cable(User).broadcaster).__name__ == "MemoryBroadcaster"


class TestToken:
    def claims(self, token: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(token, SECRET, algorithms=["HS256"])
        return claims

    def test_it_carries_the_identifiers_and_ends_in_an_hour(self) -> None:
        before = datetime.now(UTC).timestamp()
        claims = self.claims(cable().token(tenant=None, user=42))

        assert claims["ext"] == '{"user":42,"tenant":null}'
        assert before + 3600 <= claims["exp"] <= before + 3605

    @pytest.mark.parametrize("ttl", [60, 60.0, timedelta(minutes=1)])
    def test_its_time_to_live_is_seconds_or_a_timedelta(self, ttl: Any) -> None:
        now = datetime.now(UTC).timestamp()

        assert now < self.claims(cable().token(user=1, tenant=2, ttl=ttl))["exp"] <= now + 65

    @pytest.mark.parametrize("moment", [4102444800, datetime(2100, 1, 1, tzinfo=UTC)])
    def test_its_end_is_epoch_seconds_or_a_datetime(self, moment: Any) -> None:
        assert self.claims(cable().token(user=1, tenant=2, expires_at=moment))["exp"] == 4102444800

    def test_by_the_settings_it_may_be_valid_for_ever(self) -> None:
        forever = cable(settings=settings(secret=SECRET, jwt_ttl="none"))

        assert "exp" not in self.claims(forever.token(user=1, tenant=2))

    @pytest.mark.parametrize(
        "times",
        [
            {"ttl": 0},
            {"ttl": -1},
            {"ttl": "60"},
            {"ttl": True},
            {"ttl": float("nan")},
            {"expires_at": datetime(2100, 1, 1)},
            {"ttl": 1, "expires_at": 4102444800},
        ],
    )
    def test_times_that_make_no_sense_are_errors(self, times: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError):
            cable().token(user=1, tenant=2, **times)

    def test_without_a_secret_it_says_what_to_set(self) -> None:
        with pytest.raises(ConfigurationError, match="ANYCABLE_SECRET"):
            cable(settings=settings()).token(user=1, tenant=2)
        with pytest.raises(ConfigurationError, match="ANYCABLE_SECRET"):
            cable(settings=settings()).verify_token("t")

    def test_new_settings_bring_a_new_secret(self) -> None:
        chat = cable()
        token = chat.token(user=1, tenant=2)
        chat.verify_token(token)

        chat.settings = settings(secret="another secret of thirty-two bytes")

        with pytest.raises(InvalidToken):
            chat.verify_token(token)

    def test_new_settings_bring_a_new_broadcaster_unless_one_was_given(self) -> None:
        found, given = Cable(User, settings=settings(broadcast_adapter="memory")), cable()
        first, own = found.broadcaster, given.broadcaster
        assert found.broadcaster is first

        for chat in (found, given):
            chat.settings = settings(http_broadcast_url="http://localhost:1/_broadcast")

        assert type(found.broadcaster).__name__ == "HTTPBroadcaster"
        assert given.broadcaster is own


def test_a_stream_name_is_signed_with_the_secret_of_streams() -> None:
    chat = cable(settings=settings(secret=SECRET, streams_secret="s3Krit"))

    signed = chat.signed_stream_name("chat/1")

    assert verify_stream(signed, "s3Krit") == "chat/1"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values, values)
def test_connect_token_and_remote_disconnect_give_the_same_bytes(user: Any, tenant: Any) -> None:
    class Identified(Connection):
        identified_by = ("user", "tenant")

        def connect(self) -> None:
            self.tenant = tenant
            self.user = user

    recorder = Recorder()
    chat = Cable(Identified, settings=settings(secret=SECRET), broadcaster=recorder)

    connected = run(respond(chat, ConnectionRequest()))
    ext = chat.verify_token(chat.token(tenant=tenant, user=user))
    chat.disconnect(user=user, tenant=tenant)

    assert isinstance(connected, ConnectionResponse)
    assert connected.identifiers == ext == recorder.payloads[0]["payload"]["identifier"]
    assert chat.codec.loads(ext) == {"user": user, "tenant": tenant}
