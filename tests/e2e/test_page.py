"""The chat's page in a real browser, through the gateway and through anycable-go."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from time import time

import pytest
from playwright.sync_api import Browser, Route, WebSocketRoute, expect

from . import servers
from .servers import Chat
from .visitor import PATIENCE, Visitor

Arrive = Callable[..., Visitor]


@pytest.fixture
def arrive(page_packages: None, browser: Browser, chat: Chat) -> Iterator[Arrive]:
    """A function that opens the page in a new window; all windows are closed at the end."""
    visitors: list[Visitor] = []

    def arrive(**window: object) -> Visitor:
        visitors.append(Visitor.arrive(browser, chat.page, **window))
        return visitors[-1]

    yield arrive
    for visitor in visitors:
        visitor.leave()


def since_1_6(chat: Chat) -> None:
    """Skip the test on anycable-go before 1.6, which has no presence."""
    if chat.version < (1, 6):
        pytest.skip(f"anycable-go {'.'.join(map(str, chat.version))} keeps no presence: that came with 1.6")


class Line:
    """The connection of a visitor to the server, which can be cut."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self._is_cut = False
        self._open: list[WebSocketRoute] = []

    def lead(self, visitor: Visitor) -> None:
        """Route the WebSockets of the visitor through this line, from now on."""
        visitor.page.route_web_socket(re.compile("/cable"), self._connect)
        visitor.page.reload()

    def cut(self) -> None:
        """Close the open WebSockets and refuse new ones."""
        self._is_cut = True
        for socket in self._open:
            socket.close()

    def mend(self) -> None:
        """Let WebSockets through again."""
        self._is_cut = False

    def _connect(self, socket: WebSocketRoute) -> None:
        if self._is_cut:
            socket.close()
            return
        self.addresses.append(socket.url)
        self._open.append(socket)
        socket.connect_to_server()


def test_two_windows_chat_one_by_cookie_and_one_by_token(arrive: Arrive) -> None:
    ada, grace = arrive(), arrive()
    ada.sign_in("Ada Lovelace", "cookie")
    grace.sign_in("Grace", "token")
    expect(ada.page.locator("#my-badge")).to_have_text("RPC")
    expect(grace.page.locator("#my-badge")).to_have_text("JWT")
    expect(ada.page.locator("#status")).to_have_text("Connected")

    ada.say("Is anybody there?")
    heard = grace.message("Is anybody there?")
    expect(heard.locator("strong")).to_have_text("Ada Lovelace")
    expect(heard.locator(".badge")).to_have_text("RPC")
    expect(heard).not_to_have_class(re.compile("mine"))
    expect(ada.message("Is anybody there?")).to_have_class(re.compile("mine"))

    grace.say("Me.")
    answer = ada.message("Me.")
    expect(answer.locator("strong")).to_have_text("Grace")
    expect(answer.locator(".badge")).to_have_text("JWT")
    assert grace.context.cookies() == []


def test_typing_shows_in_the_other_window_until_the_message_is_there(arrive: Arrive) -> None:
    ada, grace = arrive(), arrive()
    ada.sign_in("Ada", "cookie")
    grace.sign_in("Grace", "token")
    expect(grace.page.locator("#typing")).to_be_empty()

    ada.type("Hel")
    grace.sees("#typing", "Ada is typing")
    ada.say("Hello")
    grace.message("Hello")
    expect(grace.page.locator("#typing")).to_be_empty()
    expect(ada.page.locator("#typing")).to_be_empty()


def test_people_see_who_is_here(arrive: Arrive, chat: Chat) -> None:
    since_1_6(chat)
    ada, grace = arrive(), arrive()
    for visitor, name, way in ((ada, "Ada", "cookie"), (grace, "Grace", "token")):
        visitor.fill_in(name, way)
        visitor.go_to("who")
    for visitor in (ada, grace):
        expect(visitor.page.locator("#people li")).to_have_text(["A Ada RPC", "G Grace JWT"], timeout=PATIENCE)
        expect(visitor.page.locator("#here-count")).to_have_text("2")

    grace.go_to("elsewhere")
    expect(ada.page.locator("#people li")).to_have_text(["A Ada RPC"], timeout=PATIENCE)
    expect(grace.page.locator("#people li")).to_have_text(["G Grace JWT"], timeout=PATIENCE)


def test_newcomers_see_what_was_said_lately(arrive: Arrive) -> None:
    ada = arrive()
    ada.sign_in("Ada", "cookie")
    ada.go_to("history")
    expect(ada.page.locator("#chat")).to_have_attribute("data-ready", "true", timeout=PATIENCE)
    for text in ("one", "two", "three"):
        ada.say(text)
        ada.message(text)

    grace = arrive()
    grace.fill_in("Grace", "token")
    grace.go_to("history")
    expect(grace.page.locator("#messages .text")).to_have_text(["one", "two", "three"], timeout=PATIENCE)
    ada.go_to("elsewhere")
    ada.go_to("history")
    expect(ada.page.locator("#messages .text")).to_have_text(["one", "two", "three"], timeout=PATIENCE)


@pytest.mark.parametrize("way", ["cookie", "token"])
def test_a_lost_connection_loses_no_message(arrive: Arrive, chat: Chat, way: str) -> None:
    since_1_6(chat)
    line = Line()
    grace, ada = arrive(), arrive()
    line.lead(grace)
    for visitor, name in ((grace, "Grace"), (ada, "Ada")):
        visitor.sign_in(name, way if visitor is grace else "token")
        visitor.go_to(f"lost-{way}")
        expect(visitor.page.locator("#people li")).to_have_count(1 if visitor is grace else 2, timeout=PATIENCE)
    ada.say("before")
    grace.message("before")

    line.cut()
    expect(grace.page.locator("#status")).to_have_text("Reconnecting…", timeout=PATIENCE)
    for number in range(5):
        ada.say(f"meanwhile {number}")
        ada.message(f"meanwhile {number}")
    line.mend()
    texts = ["before", *(f"meanwhile {number}" for number in range(5))]
    expect(grace.page.locator("#messages .text")).to_have_text(texts, timeout=PATIENCE)

    expect(grace.page.locator("#chat")).to_have_attribute("data-ready", "true", timeout=PATIENCE)
    ada.say("after")
    grace.message("after")
    expect(grace.page.locator("#messages .text")).to_have_text([*texts, "after"])
    expect(ada.page.locator("#people li")).to_have_count(2)
    assert "sid=" in line.addresses[-1]


def test_without_a_broker_the_page_says_what_is_not_known(page_packages: None, browser: Browser) -> None:
    with servers.gateway(ANYCABLE_BROKER="none") as chat:
        ada, grace = Visitor.arrive(browser, chat.page), Visitor.arrive(browser, chat.page)
        ada.sign_in("Ada", "cookie")
        grace.sign_in("Grace", "token")
        expect(ada.page.locator("#here")).to_contain_text("this server keeps no presence")
        ada.say("and yet")
        grace.message("and yet")
        expect(grace.page.locator("#toasts")).to_be_empty()
        for visitor in (ada, grace):
            visitor.leave()


def test_rooms_are_apart(arrive: Arrive) -> None:
    ada, grace = arrive(), arrive()
    ada.sign_in("Ada", "cookie")
    grace.sign_in("Grace", "token")
    ada.go_to("Café 1815", named="café-1815")
    expect(ada.page.locator("#chat")).to_have_attribute("data-ready", "true", timeout=PATIENCE)

    ada.say("only here")
    ada.message("only here")
    grace.say("only there")
    grace.message("only there")
    expect(grace.page.get_by_text("only here")).to_have_count(0)
    expect(ada.page.get_by_text("only there")).to_have_count(0)

    grace.page.goto(ada.page.url)
    expect(grace.page.locator("#chat")).to_have_attribute("data-ready", "true", timeout=PATIENCE)
    ada.say("now you hear me")
    grace.message("now you hear me")


def test_what_people_write_is_text(arrive: Arrive) -> None:
    nasty = "<img src=x onerror=\"document.title='broken in'\"> & <b>bold</b>"
    ada, grace = arrive(), arrive()
    ada.sign_in("<i>Ada</i>", "cookie")
    grace.sign_in("Grace", "token")
    ada.type("Hel")
    grace.sees("#typing", "<i>Ada</i> is typing")
    ada.say(nasty)
    expect(grace.message(nasty).locator("strong")).to_have_text("<i>Ada</i>")
    expect(grace.page.locator("#messages img, #messages b, #messages i")).to_have_count(0)
    assert "broken in" not in grace.page.title()


def test_an_expired_token_is_refreshed(arrive: Arrive, chat: Chat) -> None:
    expired = chat.cable.token(user="Grace", expires_at=time() - 60)
    asked: list[str] = []

    def give_an_expired_one_first(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.fulfill(json={"token": expired})
        else:
            route.continue_()

    grace = arrive()
    grace.page.route("**/token", give_an_expired_one_first)
    grace.sign_in("Grace", "token")
    assert len(asked) == 2
    expect(grace.page.locator("#my-badge")).to_have_text("JWT")
    grace.say("still here")
    grace.message("still here")


def test_a_client_that_was_sent_away_comes_back(arrive: Arrive, chat: Chat) -> None:
    ada = arrive()
    ada.sign_in("Ada the first", "cookie")
    ada.say("before")
    ada.message("before")
    with ada.page.expect_websocket(timeout=PATIENCE):
        chat.cable.disconnect(user="Ada the first", reconnect=True)
    expect(ada.page.locator("#status")).to_have_text("Connected", timeout=PATIENCE)
    expect(ada.page.locator("#chat")).to_have_attribute("data-ready", "true", timeout=PATIENCE)
    ada.say("after")
    ada.message("after")


def test_a_client_that_was_sent_away_for_good_may_ask_again(arrive: Arrive, chat: Chat) -> None:
    grace = arrive()
    grace.sign_in("Grace the first", "token")
    chat.cable.disconnect(user="Grace the first", reconnect=False)
    expect(grace.page.locator("#status")).to_have_text("Disconnected", timeout=PATIENCE)
    grace.say("not heard")
    grace.sees("#toasts", "your message was not sent")
    expect(grace.page.get_by_label("Message", exact=True)).to_have_value("not heard")
    grace.page.get_by_role("button", name="Reconnect").click()
    expect(grace.page.locator("#chat")).to_have_attribute("data-ready", "true", timeout=PATIENCE)
    grace.page.get_by_role("button", name="Send").click()
    grace.message("not heard")


def test_a_client_without_its_cookie_is_shown_the_door(arrive: Arrive, chat: Chat) -> None:
    ada = arrive()
    ada.sign_in("Ada the second", "cookie")
    ada.context.clear_cookies()
    chat.cable.disconnect(user="Ada the second", reconnect=True)
    expect(ada.page.locator("#door-notice")).to_contain_text("did not let you in", timeout=PATIENCE)
    expect(ada.page.locator("#chat")).to_be_hidden()


def test_a_room_that_the_server_refuses_is_said(arrive: Arrive) -> None:
    ada = arrive()
    ada.sign_in("Ada", "cookie")
    ada.go_to("no.such.room")
    ada.sees("#empty", "The server refused “no.such.room”")
    expect(ada.page.get_by_text("refused")).to_have_count(1)
    expect(ada.page.get_by_text("keeps no presence")).to_be_hidden()
    expect(ada.page.get_by_label("Message", exact=True)).to_be_hidden()
    expect(ada.page.locator("#rooms")).not_to_contain_text("no.such.room")
    expect(ada.page.get_by_role("link", name="Go to the lobby")).to_be_focused()
    ada.page.get_by_role("link", name="Go to the lobby").click()
    expect(ada.page.locator("#chat")).to_have_attribute("data-ready", "true", timeout=PATIENCE)
    ada.say("here again")
    ada.message("here again")


@pytest.mark.parametrize("way", ["cookie", "token"])
def test_signing_in_is_remembered_and_signing_out_is_not(arrive: Arrive, way: str) -> None:
    ada = arrive()
    ada.fill_in("  ", way)
    ada.sees("#name-error", "Say who you are")
    ada.sign_in("Ada", way)
    ada.page.reload()
    expect(ada.page.locator("#chat")).to_have_attribute("data-ready", "true", timeout=PATIENCE)
    ada.page.get_by_role("button", name="Sign out").click()
    expect(ada.page.get_by_label("Your name")).to_be_focused()
    assert ada.context.cookies() == []
    ada.page.reload()
    expect(ada.page.get_by_label("Your name")).to_be_visible()


def test_two_tabs_of_one_browser_share_the_cookie_and_are_told(arrive: Arrive, chat: Chat) -> None:
    ada = arrive()
    ada.sign_in("Ada the third", "cookie")
    second = Visitor(ada.context.new_page())
    second.page.goto(chat.page)
    expect(second.page.locator("input[value=token]")).to_be_checked()
    second.sign_in("Grace", "cookie")
    chat.cable.disconnect(user="Ada the third", reconnect=True)
    ada.sees("#toasts", "You are Grace now")
    expect(ada.page.locator("#my-name")).to_have_text("Grace")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_its_window_and_has_a_light_and_a_dark_face(arrive: Arrive, width: int) -> None:
    ada = arrive(viewport={"width": width, "height": 800}, color_scheme="light")
    ada.sign_in("Ada", "cookie")
    text = f"{width}-pixels-" * 30
    ada.say(text)
    ada.message(text)
    assert ada.page.evaluate("document.documentElement.scrollWidth") <= width
    light = brightness(ada)
    ada.page.emulate_media(color_scheme="dark")
    assert brightness(ada) < 0.3 < 0.7 < light


def brightness(visitor: Visitor) -> float:
    """Return the brightness of the page's background, from 0 to 1."""
    colour = visitor.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    levels = [int(level) for level in re.findall(r"\d+", colour)][:3]
    return sum(levels) / 3 / 255
