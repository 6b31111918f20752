"""Tokens and signed streams: what the servers decide without the app."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anycable_rpc.identity.signed_streams import sign_stream

from ..gateway.client import ACTION_CABLE, Client
from .servers import SECRET, Serve, Served, confirmation

REFUSED = {"type": "disconnect", "reason": "unauthorized", "reconnect": False}


def calls(server: Served) -> list[str]:
    """Return the calls of the app until the server had stopped."""
    server.shut_down()
    return server.service.calls


def served_to(client: Client, channel: str, **params: Any) -> bool:
    identifier = json.dumps({"channel": channel, **params})
    client.send("subscribe", identifier)
    answer = client.next()
    assert answer["identifier"] == identifier
    return bool(answer == confirmation(identifier))


def test_token_is_required(serve: Serve) -> None:
    server = serve(jwt_secrets=(SECRET,), enforce_jwt=True, jwt_param="token")
    with server.client() as client:
        frames, _, _ = client.last_words()
    assert frames == [REFUSED]
    assert calls(server) == []


@pytest.mark.parametrize(
    "place",
    [
        "url",
        "header",
        pytest.param("subprotocol", marks=pytest.mark.since((1, 6), "reads no token from the subprotocol")),
    ],
)
def test_token_is_taken_from(serve: Serve, place: str) -> None:
    server = serve(jwt_secrets=(SECRET,), enforce_jwt=True, jwt_param="token", headers=("cookie", "x-token"))
    token = server.cable.token(user="ada")
    how: dict[str, dict[str, Any]] = {
        "url": {"query": f"token={token}"},
        "header": {"headers": {"X-Token": token}},
        "subprotocol": {"subprotocols": (*ACTION_CABLE, f"anycable-token.{token}")},
    }
    with server.welcomed(**how[place]) as client:
        assert client.pending() == []
    assert "Connect" not in calls(server)  # for anycable-go 1.5 `pending` subscribes, and so a Disconnect may follow


def test_without_rpc(serve: Serve) -> None:
    server = serve(jwt_secrets=(SECRET,), enforce_jwt=True, streams_secret=SECRET, norpc=True)
    with server.welcomed(f"jid={server.cable.token(user='ada')}") as client:
        assert served_to(client, "$pubsub", signed_stream_name=server.cable.signed_stream_name("chat/1"))
        assert not served_to(client, "$pubsub", signed_stream_name=sign_stream("chat/1", "another secret"))
    with server.client() as client:
        frames, _, _ = client.last_words()
    assert frames == [REFUSED]
    assert calls(server) == []


def test_public_stream_needs_no_rpc(serve: Serve) -> None:
    server = serve(public=True)
    with server.welcomed() as client:
        assert served_to(client, "$pubsub", stream_name="news")
    assert calls(server) == []


def test_turbo_stream_needs_no_rpc(serve: Serve) -> None:
    server = serve(jwt_secrets=(SECRET,), streams_secret=SECRET, turbo_streams_secret=SECRET, turbo_streams=True)
    with server.welcomed(f"jid={server.cable.token(user='ada')}") as client:
        signed = server.cable.signed_stream_name("chat/1")
        assert served_to(client, "Turbo::StreamsChannel", signed_stream_name=signed)
    assert calls(server) == []
