"""A Turbo page in a browser, through the gateway and through anycable-go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from anycable_rpc import Cable
from anycable_rpc.settings.model import Settings

from . import servers
from .processes import free_port
from .servers import SECRET, broadcast_url
from .turbo_page import Visitor

PATIENCE = 10_000
APP = {"ANYCABLE_APP": "tests.e2e.turbo_page:cable", "ANYCABLE_WEB": "tests.e2e.turbo_page:app"}
TURBO = {"ANYCABLE_TURBO_STREAMS": "true", "ANYCABLE_TURBO_STREAMS_SECRET": "a key for the streams of Turbo pages"}


class Served(NamedTuple):
    """The address of the page, and the cable that broadcasts to it."""

    page: str
    cable: Cable


@pytest.fixture(scope="module", params=["gateway", "anycable_go"])
def served(request: pytest.FixtureRequest, node_clients: Path) -> Iterator[Served]:
    if request.param == "gateway":
        with servers.gateway(0, **APP, **TURBO) as chat:
            yield Served(chat.page, cable(chat.server))
        return
    request.getfixturevalue("anycable_go_binary")
    server, rpc_host = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    page = {"CABLE_URL": f"ws://{server}/cable"}
    with (
        servers.running_anycable_go(server, rpc_host, **TURBO),
        servers.running_rpc_server(server, rpc_host, **APP),
        servers.gateway(0, **APP, **TURBO, **page) as chat,
    ):
        yield Served(chat.page, cable(server))


def cable(server: str) -> Cable:
    return Cable(Visitor, settings=Settings(secret=SECRET, http_broadcast_url=broadcast_url(server)))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_context().new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.context.close()
    assert errors == []


def test_what_is_broadcast_changes_the_page(served: Served, page: Page) -> None:
    page.goto(f"{served.page}1")
    expect(page.locator("turbo-cable-stream-source[connected]")).to_have_count(1, timeout=PATIENCE)
    room, messages = ("room", "1"), page.locator("#messages li")

    served.cable.turbo_stream(room, "append", "messages", '<li id="m1">Hello</li>')
    expect(messages).to_have_text(["Hello"], timeout=PATIENCE)
    served.cable.turbo_stream(room, "prepend", "messages", '<li id="m0">First &amp; foremost</li>')
    expect(messages).to_have_text(["First & foremost", "Hello"], timeout=PATIENCE)
    served.cable.turbo_stream(room, "replace", "m1", '<li id="m1">Good bye</li>')
    expect(messages).to_have_text(["First & foremost", "Good bye"], timeout=PATIENCE)
    served.cable.turbo_stream(("room", "2"), "remove", "m0")
    served.cable.turbo_stream(room, "update", targets=".note", html="noted")
    expect(page.locator(".note")).to_have_text(["noted", "noted"], timeout=PATIENCE)
    served.cable.turbo_stream(room, "remove", "m1")
    expect(messages).to_have_text(["First & foremost"], timeout=PATIENCE)


def test_a_stream_that_was_not_signed_here_is_not_heard(served: Served, page: Page) -> None:
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    page.goto(f"{served.page}1?forged")
    for _ in range(100):
        page.wait_for_timeout(100)
        if any("reject_subscription" in frame for frame in frames):
            break
    else:
        pytest.fail(f"no rejection among {frames}")
    expect(page.locator("turbo-cable-stream-source[connected]")).to_have_count(0)
