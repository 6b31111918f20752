"""State between commands, remote disconnects, and servers that stop."""

from __future__ import annotations

from contextlib import ExitStack

from ..gateway.client import Client
from .servers import Serve, Served, message, perform, subscribed

RESTART = {"type": "disconnect", "reason": "server_restart", "reconnect": True}


def test_state_is_kept_between_commands(ada: Client, room: str) -> None:
    identifier = subscribed(ada, "Counter", name="ada", room=room)
    for count in (3, 5):
        perform(ada, identifier, "add")
        assert ada.next() == message(identifier, {"count": count, "name": "ada"})


def test_state_is_there_at_the_end(server: Served, ada: Client, room: str) -> None:
    identifier = subscribed(ada, "Room", rooms=[room])
    with server.welcomed() as grace:
        counter = subscribed(grace, "Counter", name="grace", room=room)
        perform(grace, counter, "add")
        assert grace.next() == message(counter, {"count": 3, "name": "grace"})
    assert ada.next() == message(identifier, {"gone": "grace", "at": 3})


def test_closed_from_outside(server: Served) -> None:
    with server.welcomed("user=ada") as ada, server.welcomed("user=grace") as grace:
        server.cable.disconnect(user="ada")
        frames, _, _ = ada.last_words()
        assert frames == [{"type": "disconnect", "reason": "remote", "reconnect": True}]
        assert grace.pending() == []


def test_clients_are_told_of_a_restart(serve: Serve) -> None:
    server = serve()
    with server.welcomed() as client:
        server.shut_down()
        frames, _, _ = client.last_words()
    assert frames == [RESTART]


def test_app_is_told_of_each_client_at_shutdown(serve: Serve) -> None:
    server = serve(disconnect_mode="always")
    with ExitStack() as stack:
        clients = [stack.enter_context(server.welcomed()) for _ in range(3)]
        server.shut_down()
        assert [client.last_words()[0] for client in clients] == [[RESTART]] * 3
    assert sorted(server.service.calls) == ["Connect"] * 3 + ["Disconnect"] * 3
