"""The chat's page on screens of every size: phones with a keyboard, wide screens, long words and emoji."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from . import servers
from .servers import Chat
from .test_page import Line
from .visitor import PATIENCE, Visitor

PHONE: ViewportSize = {"width": 390, "height": 844}
KEYBOARD: ViewportSize = {"width": 390, "height": 420}
LANDSCAPE: ViewportSize = {"width": 844, "height": 390}
ZOOMED: ViewportSize = {"width": 640, "height": 400}  # 1280 × 800 at 200 %
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
WIDE: ViewportSize = {"width": 1920, "height": 1000}
LONG_NAME = "Maximiliane von Und-zu-Hohens"
ROOMS = count(1)
LONG_WORD = "Donaudampfschiff" * 30
TARGETS = """[...document.querySelectorAll("button, a, textarea, label.way, input:not([type=radio])")]
  .filter(each => each.checkVisibility({ visibilityProperty: true }))
  .map(each => [each.id || each.textContent.trim(), each.getBoundingClientRect()])
  .filter(([, box]) => box.width < 40 || box.height < 40)
  .map(([name]) => name)"""


@pytest.fixture
def ada(page_packages: None, browser: Browser, gateway: Chat, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """A visitor with a window of the size that the test names."""
    window: dict[str, Any] = {"viewport": getattr(request, "param", DESKTOP), "reduced_motion": "reduce"}
    visitor = Visitor.arrive(browser, gateway.page, **window)
    yield visitor
    visitor.leave()


@pytest.fixture
def room() -> str:
    """A room of the test's own: rooms keep a history."""
    return f"screens-{next(ROOMS)}"


def on(*screens: ViewportSize) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("ada", screens, indirect=True, ids=[str(screen["width"]) for screen in screens])


def enter(visitor: Visitor, room: str, name: str = "Ada") -> None:
    """Sign in, go to the room, and wait until it is ready."""
    visitor.sign_in(name, "token")
    visitor.go_to(room)
    expect(visitor.page.locator("#chat")).to_have_attribute("data-ready", "true", timeout=PATIENCE)


def fill(chat: Chat, visitor: Visitor, room: str, last: int) -> None:
    """Send messages as somebody else, and wait for the last."""
    for number in range(1, last + 1):
        tell(chat, room, f"message {number}")
    visitor.message(f"message {last}")


def tell(chat: Chat, room: str, text: str, user: str = "Grace") -> None:
    message = {"type": "message", "user": user, "via": "JWT", "text": text, "at": "2026-01-01T12:00:00+00:00"}
    chat.cable.broadcast(f"chat/{room}", message)


def in_sight(visitor: Visitor, text: str) -> None:
    """Wait until the whole message is on the screen, above the composer."""
    visitor.message(text)
    visitor.page.wait_for_function(
        """text => {
          const box = [...document.querySelectorAll("#messages .text")].find(each => each.textContent === text)
            .getBoundingClientRect()
          const list = document.querySelector("#scroll").getBoundingClientRect()
          return box.top >= list.top && box.bottom <= list.bottom + 1
        }""",
        arg=text,
    )


@on(PHONE)
def test_the_end_of_the_messages_stays_in_sight_when_a_keyboard_opens(ada: Visitor, gateway: Chat, room: str) -> None:
    enter(ada, room)
    fill(gateway, ada, room, 30)

    ada.page.set_viewport_size(KEYBOARD)
    in_sight(ada, "message 30")
    tell(gateway, room, "said meanwhile")
    in_sight(ada, "said meanwhile")
    ada.page.set_viewport_size(PHONE)
    in_sight(ada, "said meanwhile")


@on(PHONE)
def test_a_reader_of_older_messages_is_left_there_and_told_of_new_ones(ada: Visitor, gateway: Chat, room: str) -> None:
    enter(ada, room)
    fill(gateway, ada, room, 40)
    ada.page.locator("#messages li").first.scroll_into_view_if_needed()
    in_sight(ada, "message 1")

    tell(gateway, room, "news")
    ada.message("news")
    in_sight(ada, "message 1")
    ada.page.get_by_role("button", name="New messages").click()

    in_sight(ada, "news")
    expect(ada.page.locator("#newest")).to_be_hidden()
    expect(ada.page.get_by_label("Message", exact=True)).to_be_focused()


@on(KEYBOARD, LANDSCAPE, ZOOMED)
def test_the_header_is_low_on_a_low_screen(ada: Visitor, room: str) -> None:
    enter(ada, room)

    top = ada.page.locator("#scroll").bounding_box()
    assert top
    assert top["y"] <= 56
    expect(ada.page.locator("#rooms a[aria-current]")).to_be_in_viewport(ratio=0.9)
    for reachable in ("#sign-out", "#room-name", "#people li"):
        ada.page.locator(reachable).scroll_into_view_if_needed()
        expect(ada.page.locator(reachable)).to_be_in_viewport(ratio=0.9)


@on(PHONE, KEYBOARD, DESKTOP)
def test_everything_to_touch_has_40_pixels(ada: Visitor, gateway: Chat, room: str) -> None:
    assert ada.page.evaluate(TARGETS) == []
    enter(ada, room)
    gateway.cable.disconnect(user="Ada", reconnect=False)
    ada.sees("#toasts", "closed the connection")
    expect(ada.page.get_by_role("button", name="Reconnect")).to_be_visible()

    assert ada.page.evaluate(TARGETS) == []


@on(WIDE)
def test_lines_on_a_wide_screen_can_be_read(ada: Visitor, gateway: Chat, room: str) -> None:
    enter(ada, room)
    tell(gateway, room, "so many words " * 30)
    ada.say("mine")
    ada.message("mine")

    boxes = [each.bounding_box() for each in ada.page.locator("#messages .text, #composer textarea").all()]
    assert len(boxes) == 3
    assert all(box and box["x"] + box["width"] < 1620 for box in boxes)
    assert boxes[0]
    assert boxes[0]["width"] <= 640


@on(PHONE, DESKTOP)
def test_nothing_that_people_write_breaks_the_page(ada: Visitor, gateway: Chat, room: str) -> None:
    enter(ada, room, LONG_NAME)
    tell(gateway, room, LONG_WORD, "Grace " + "W" * 24)
    tell(gateway, room, "مرحبا بالعالم!", LONG_NAME[::-1])
    ada.say("🎉👩‍👩‍👧 😀")
    ada.message(LONG_WORD)
    own, arabic = ada.message("🎉👩‍👩‍👧 😀"), ada.message("مرحبا بالعالم!")

    assert arabic.locator(".text").evaluate("each => getComputedStyle(each).direction") == "rtl"
    assert own.locator(".text").evaluate("each => parseFloat(getComputedStyle(each).fontSize)") > 30
    width = ada.page.viewport_size and ada.page.viewport_size["width"]
    assert ada.page.evaluate(
        "[document.documentElement, document.querySelector('#scroll')].map(e => e.scrollWidth - e.clientWidth)"
    ) == [0, 0]
    for each in ada.page.locator("#messages time, #sign-out, #messages .text").all():
        box = each.bounding_box()
        assert not box or (width and box["x"] + box["width"] <= width)


def test_a_thousand_messages_are_followed_to_the_last(ada: Visitor, gateway: Chat, room: str) -> None:
    enter(ada, room)
    fill(gateway, ada, room, 1000)

    in_sight(ada, "message 1000")
    expect(ada.page.locator("#messages li")).to_have_count(500)


def test_the_page_can_be_used_by_keyboard_alone(ada: Visitor) -> None:
    keyboard = ada.page.keyboard
    expect(ada.page.get_by_label("Your name")).to_be_focused()
    keyboard.type("Ada")
    keyboard.press("Enter")
    expect(ada.page.locator("#chat")).to_have_attribute("data-ready", "true", timeout=PATIENCE)
    keyboard.type("by keyboard")
    keyboard.press("Shift+Enter")
    keyboard.type("alone")
    keyboard.press("Enter")
    ada.sees("#messages", "by keyboard\nalone")

    seen = set()
    for _ in range(12):
        keyboard.press("Tab")
        seen.add(ada.page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
        outline = "document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle"
        assert ada.page.evaluate(outline) in (True, "solid")
    assert {"lobby", "python", "room-name", "sign-out", "scroll", "text"} <= seen


def test_nothing_moves_for_people_who_asked_for_that(ada: Visitor, room: str) -> None:
    enter(ada, room)
    ada.say("still")
    assert ada.message("still").evaluate("each => getComputedStyle(each).animationName") == "none"


@on(PHONE, KEYBOARD, DESKTOP)
def test_a_lost_connection_is_shown_until_it_is_back(ada: Visitor, room: str) -> None:
    line = Line()
    line.lead(ada)
    enter(ada, room)
    line.cut()
    expect(ada.page.locator("#status-text")).to_have_text("Reconnecting…", timeout=PATIENCE)
    expect(ada.page.locator("#status-text")).to_be_in_viewport(ratio=1)
    expect(ada.page.locator("#chat")).to_have_attribute("data-ready", "false")
    ada.say("kept")
    ada.sees("#toasts", "your message was not sent")

    line.mend()
    expect(ada.page.locator("#chat")).to_have_attribute("data-ready", "true", timeout=2 * PATIENCE)
    ada.page.get_by_role("button", name="Send").click()
    ada.message("kept")


def test_while_the_server_has_not_answered_nothing_is_said_of_presence(ada: Visitor) -> None:
    ada.page.route_web_socket(re.compile("/cable"), lambda socket: None)  # opens, and says nothing
    ada.fill_in("Ada", "token")
    expect(ada.page.locator("#status-text")).to_have_text("Connecting…")
    expect(ada.page.get_by_text("keeps no presence")).to_be_hidden()


def test_a_refused_room_is_said_once_where_there_is_no_presence(page_packages: None, browser: Browser) -> None:
    with servers.gateway(ANYCABLE_BROKER="none") as chat:
        ada = Visitor.arrive(browser, chat.page)
        ada.sign_in("Ada", "cookie")
        ada.sees("#here", "keeps no presence")
        for room in ("no.such", "nor.this"):
            ada.go_to(room)
            ada.sees("#empty", f"The server refused “{room}”")
            expect(ada.page.get_by_text("refused")).to_have_count(1)
            expect(ada.page.get_by_text("keeps no presence")).to_be_hidden()
            expect(ada.page.locator("#rooms li")).to_have_text(["lobby", "python", "random"])
        ada.leave()
