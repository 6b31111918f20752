"""Servers that end while clients are connected: each client is told, and each comes back."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, expect

from .client import Client
from .processes import free_port
from .servers import Chat, anycable_go, gateway
from .visitor import PATIENCE, Visitor


def test_clients_are_told_when_dev_ends() -> None:
    with gateway() as chat, come_in(chat) as client:
        client.wait_for_type("welcome")
        assert chat.programs["server"].stop() == 0
        told_and_closed(client)


@pytest.mark.usefixtures("anycable_go_binary")
def test_clients_are_told_when_anycable_go_ends() -> None:
    with anycable_go() as chat, come_in(chat) as client:
        client.wait_for_type("welcome")
        assert chat.programs["server"].stop() == 0
        told_and_closed(client)


def come_in(chat: Chat) -> Client:
    """Return a client with a token."""
    return Client(chat.socket, token=chat.cable.token(user="Ada"))


def told_and_closed(client: Client) -> None:
    """Assert that the client got the frames that anycable-go sends when it ends. The gateway sends the same."""
    assert client.closed() == (1001, "Server restart")
    assert client.received == [
        {"type": "welcome", "sid": client.received[0]["sid"]},
        {"type": "disconnect", "reason": "server_restart", "reconnect": True},
    ]


@pytest.mark.usefixtures("page_packages")
@pytest.mark.parametrize("way", ["cookie", "token"])
def test_the_page_comes_back_after_a_restart(browser: Browser, way: str) -> None:
    port = free_port()
    with ExitStack() as stack:
        with gateway(port) as chat:
            ada = Visitor.arrive(browser, chat.page)
            stack.callback(ada.leave)
            ada.sign_in("Ada", way)
            ada.say("before")
            ada.message("before")
        expect(ada.page.locator("#status")).to_have_text("Reconnecting…", timeout=PATIENCE)
        expect(ada.page.locator("#chat")).to_have_attribute("data-ready", "false")
        stack.enter_context(gateway(port))
        expect(ada.page.locator("#chat")).to_have_attribute("data-ready", "true", timeout=2 * PATIENCE)
        expect(ada.page.locator("#status")).to_have_text("Connected")
        ada.say("after")
        ada.message("after")
