"""@anycable/web in a browser, with a token in the URL and with a token as a sub-protocol.

A browser has no third way: its WebSocket sends no headers that the page chooses.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from time import time
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from .servers import Chat

PATIENCE = 10_000  # milliseconds

ENTER = """
async ({ socket, way, param, first, next, room }) => {
  const { createCable } = await import("@anycable/web")
  window.reasons = []
  window.refreshed = 0
  window.heard = []
  window.opened = []
  class Socket extends WebSocket {
    constructor(url, ...rest) {
      window.opened.push(url)
      super(url, ...rest)
    }
  }
  window.cable = createCable(socket, {
    auth: { token: first, param },
    websocketAuthStrategy: way,
    websocketImplementation: Socket,
    logLevel: "error",
    tokenRefresher: async transport => {
      window.refreshed += 1
      transport.setToken(next, param)
    },
  })
  window.cable.on("close", ({ reason }) => window.reasons.push(reason))
  window.room = window.cable.subscribeTo("ChatChannel", { room })
  window.room.on("message", message => window.heard.push(message))
}
"""
"""Open the socket with the first token; the refresher gives the next."""


@pytest.fixture
def page(page_packages: None, browser: Browser, chat: Chat) -> Iterator[Page]:
    """The chat's page in a window of its own without a cookie; only its modules are used."""
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(chat.page)
        yield page


@pytest.mark.parametrize("way", ["param", "sub-protocol"])
def test_a_browser_is_known_by_its_token_and_refreshes_it(page: Page, chat: Chat, way: str) -> None:
    if way == "sub-protocol" and chat.version < (1, 6):
        pytest.skip(
            f"anycable-go {'.'.join(map(str, chat.version))} takes no token by sub-protocol: that came with 1.6"
        )
    user = f"Grace by {way} {os.getpid()}"
    expired, fresh = chat.cable.token(user=user, expires_at=time() - 60), chat.cable.token(user=user)

    enter(page, chat, way, expired, fresh)
    page.wait_for_function("heard.some(({ type }) => type === 'you')")
    messages = page.evaluate("heard.filter(({ type }) => type !== 'join' && type !== 'leave')")
    assert messages == [{"type": "you", "user": user, "via": "JWT"}]
    assert (page.evaluate("reasons"), page.evaluate("refreshed")) == (["token_expired"], 1)
    assert page.evaluate("opened") == urls(chat, way, expired, fresh)

    page.evaluate("room.perform('speak', { text: 'by token' })")
    page.wait_for_function("heard.some(({ text }) => text === 'by token')")

    chat.cable.disconnect(user=user, reconnect=False)
    page.wait_for_function("reasons.includes('remote')")
    assert page.evaluate("refreshed") == 1


def test_a_browser_sends_no_header(page: Page, chat: Chat) -> None:
    token = chat.cable.token(user="Grace")
    enter(page, chat, "header", token, token)
    page.wait_for_function("reasons.length")
    assert page.evaluate("reasons") == ["unauthorized"]
    assert page.evaluate("heard") == []


def enter(page: Page, chat: Chat, way: str, first: str, following: str) -> None:
    """Open the socket from within the page."""
    given: dict[str, Any] = {"socket": chat.socket, "way": way, "param": chat.cable.settings.jwt_param}
    page.evaluate(ENTER, {**given, "first": first, "next": following, "room": f"web-{os.getpid()}"})


def urls(chat: Chat, way: str, *tokens: str) -> list[str]:
    """Return the expected URLs of the sockets; with a sub-protocol they have no token."""
    return [f"{chat.socket}?jid={token}" if way == "param" else chat.socket for token in tokens]
