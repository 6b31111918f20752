"""The public side of a gateway: made of a cable, its app replaced while sockets are open, and observed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from anycable_rpc import Cable, Channel, Connection, action, gateway
from anycable_rpc.gateway import Event, Gateway, GatewayOptions
from anycable_rpc.gateway.core.session import Broadcast, RemoteDisconnect
from anycable_rpc.gateway.events import (
    BroadcastSent,
    ClientRefused,
    CommandAnswered,
    Connected,
    Disconnected,
    RemotelyDisconnected,
)
from anycable_rpc.protocol.messages import ConnectionResponse, Status
from anycable_rpc.settings.model import Settings

from .client import Client
from .scripted import ScriptedApp
from .servers import Running, ask, running_gateway
from .verdicts import SECRET

REMOTE_DISCONNECT = {"command": "disconnect", "payload": {"identifier": '{"from":"rpc"}'}}


class Visitor(Connection):
    identified_by = ("user_id",)

    def connect(self) -> None:
        self.user_id = self.query_params.get("user") or self.reject()


class Echo(Channel):
    def subscribed(self) -> None:
        self.stream_from("echo")

    @action
    def say(self, text: str) -> None:
        self.cable.broadcast("echo", text)


@contextmanager
def served(gateway: Gateway) -> Iterator[Running]:
    server = Running(gateway, gateway.options)
    try:
        yield server
    finally:
        server.run(gateway.shutdown())
        server.stop()


class TestOfACable:
    def test_serves_the_cable_by_its_settings(self) -> None:
        settings = Settings(secret=SECRET, path="/live", ping_interval=0, broker="none")
        cable = Cable(Visitor, channels=[Echo], settings=settings)
        gateway = Gateway.of(cable)
        cable.broadcaster = gateway

        with served(gateway) as server:
            with Client(f"ws://{server.address}/live?user=ada") as client:
                assert client.next()["type"] == "welcome"
                identifier = client.subscribe("Echo")
                assert client.next() == {"identifier": identifier, "type": "confirm_subscription"}
                client.send("message", identifier, data=json.dumps({"action": "say", "text": "hello"}))
                assert client.next() == {"identifier": identifier, "message": "hello"}
            with Client(f"ws://{server.address}/live") as stranger:
                assert stranger.next()["reason"] == "unauthorized"
            assert ask(f"http://{server.address}/").status == 404
        assert gateway.options == GatewayOptions.of(settings)

    def test_answers_with_the_web_application_elsewhere(self) -> None:
        gateway = Gateway.of(Cable(Visitor, settings=Settings()), PlainTextResponse("a page"))

        with served(gateway) as server:
            assert ask(f"http://{server.address}/") == (200, "a page")
            assert ask(f"http://{server.address}/cable").status == 400

    def test_limits_the_size_of_answers_by_the_settings(self) -> None:
        cable = Cable(Visitor, settings=Settings(rpc_max_call_recv_size=100, ping_interval=0))

        with (
            served(Gateway.of(cable)) as server,
            Client(f"ws://{server.address}/cable?user={'x' * 200}") as client,
        ):
            assert client.last_words() == ([], 1011, "Auth Error")


class TestReplaceApp:
    def test_open_sockets_perform_on_the_new_app(self) -> None:
        old, new = ScriptedApp(), ScriptedApp()
        with running_gateway(old) as (server, gateway, running), server.welcomed() as client:
            identifier = client.subscribe("A", istate={"kept": "1"})
            client.perform(identifier, transmissions=['"old"'])
            assert client.pending() == [{"identifier": identifier, "type": "confirm_subscription"}, "old"]

            running.run(replace(gateway, new))

            client.perform(identifier, transmissions=['"new"'])
            assert client.pending() == ["new"]
            (request,) = new.requests("Command")
            assert (request.connection_identifiers, request.env.istate) == ('{"from":"rpc"}', {"kept": "1"})
            assert len(old.requests("Command")) == 2
        assert (len(old.requests("Disconnect")), len(new.requests("Disconnect"))) == (0, 1)

    def test_a_call_under_way_is_answered_by_the_old_app(self) -> None:
        old, new = ScriptedApp(), ScriptedApp()
        with running_gateway(old) as (server, gateway, running), server.welcomed() as client:
            identifier = client.subscribe("A", wait=True)
            old.wait_for("Command")
            running.run(replace(gateway, new))
            old.released.set()
            assert client.pending() == [{"identifier": identifier, "type": "confirm_subscription"}]
        assert new.requests("Command") == []

    def test_without_rpc_there_is_no_app_to_replace(self) -> None:
        app = ScriptedApp()
        with running_gateway(ScriptedApp(), norpc=True, noauth=True) as (server, gateway, running):
            running.run(replace(gateway, app))
            with server.welcomed() as client:
                client.subscribe("A")
                assert client.next()["type"] == "reject_subscription"
        assert app.calls == []


async def replace(gateway: Gateway, app: ScriptedApp) -> None:
    """Replace the app, on the event loop of the server."""
    gateway.replace_app(app.rpc)


class TestObservers:
    def test_are_told_what_happens_and_the_log_says_the_same(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "anycable_rpc")
        app, events = ScriptedApp(), list[Any]()
        with running_gateway(app) as (server, gateway, _):
            gateway.observers.append(events.append)
            with server.welcomed(headers={"X-Request-ID": "s1"}) as client:
                identifier = client.subscribe("A", subscribe={"streams": ["s"]}, message={})
                client.pending()
                server.broadcast("s", {"a": 1})
                client.perform(identifier)
                client.send("unsubscribe", identifier)
                client.pending()
                server.publish(REMOTE_DISCONNECT)
                client.last_words()
            app.wait_for("Disconnect")

        commands = [event for event in events if isinstance(event, CommandAnswered)]
        assert [event for event in events if event not in commands] == [
            Connected("s1", '{"from":"rpc"}', "RPC", is_resumed=False),
            BroadcastSent(Broadcast("s", '{"a": 1}'), 1),
            RemotelyDisconnected(RemoteDisconnect('{"from":"rpc"}'), 1),
            Disconnected("s1", '{"from":"rpc"}', "closed remotely"),
        ]
        assert [event.request.command for event in commands] == ["subscribe", "message", "unsubscribe"]
        assert [event.request for event in commands] == app.requests("Command")
        assert {event.response.status for event in commands} == {Status.SUCCESS}
        assert caplog.messages == list(map(str, events))

    def test_are_told_of_a_refusal(self) -> None:
        app, events = ScriptedApp(ConnectionResponse(Status.FAILURE)), list[Any]()
        with running_gateway(app) as (server, gateway, _):
            gateway.observers.append(events.append)
            with server.client(headers={"X-Request-ID": "s1"}) as client:
                client.last_words()

        assert events == [ClientRefused("s1", "refused by RPC")]

    def test_one_that_fails_is_logged_and_stops_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        def fail(event: Event) -> None:
            raise RuntimeError("out of order")

        events = list[Any]()
        with running_gateway(ScriptedApp()) as (server, gateway, _):
            gateway.observers.extend([fail, events.append])
            with server.welcomed() as client:
                assert client.pending() == []

        assert [type(event) for event in events] == [Connected, Disconnected]
        assert caplog.messages.count("an observer of the gateway failed") == 2


def test_the_folder_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match=r"module 'anycable_rpc\.gateway' has no attribute 'Node'"):
        _ = gateway.Node
