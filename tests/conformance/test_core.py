"""Welcome, pings and pongs."""

from __future__ import annotations

from .servers import EXTENDED, Serve, Served


def test_welcome(server: Served) -> None:
    with server.client() as client:
        assert client.next()["type"] == "welcome"


def test_pings_carry_growing_timestamps(serve: Serve) -> None:
    with serve(ping_interval=1).welcomed() as client:
        first, second = client.wait_for_ping()["message"], client.wait_for_ping()["message"]
    assert isinstance(first, int)
    assert 0 < first < second


def test_client_chooses_ping_interval(serve: Serve) -> None:
    with serve(ping_interval=600).welcomed("pi=1") as client:
        assert client.wait_for_ping()["type"] == "ping"


def test_silent_client_is_disconnected(serve: Serve) -> None:
    with serve(pong_timeout=2).welcomed("pi=1&ptp=ns", subprotocols=EXTENDED) as client:
        for _ in range(3):  # the third comes after the deadline of a client without pongs
            client.wait_for_ping()
            client.send("pong")
        frames, _, _ = client.last_words()
    assert frames == [{"type": "disconnect", "reason": "no_pong", "reconnect": True}]
