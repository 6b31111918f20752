"""A visitor of the chat's page, in a browser window of their own."""

from __future__ import annotations

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

PATIENCE = 10_000  # milliseconds


class Visitor:
    """A person who uses the page and looks at it. `errors` lists the exceptions of the page's code."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.context: BrowserContext = page.context
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    @classmethod
    def arrive(cls, browser: Browser, address: str, **window: object) -> Visitor:
        """Open the page in a window that shares no cookies or storage with others."""
        visitor = cls(browser.new_context(**window).new_page())  # type: ignore[arg-type]
        visitor.page.goto(address)
        return visitor

    def sign_in(self, name: str, way: str) -> None:
        """Fill in the form, send it, and wait for the room."""
        self.fill_in(name, way)
        expect(self.page.locator("#chat")).to_have_attribute("data-ready", "true", timeout=PATIENCE)

    def fill_in(self, name: str, way: str) -> None:
        """Fill in the form and send it."""
        self.page.get_by_label("Your name").fill(name)
        self.page.locator(f"input[name=way][value={way}]").check()
        self.page.get_by_role("button", name="Enter").click()

    def say(self, text: str) -> None:
        """Type a message and send it."""
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.keyboard.press("Enter")

    def type(self, text: str) -> None:
        """Type a text without sending it."""
        self.page.get_by_label("Message", exact=True).press_sequentially(text)

    def go_to(self, room: str, named: str = "") -> None:
        """Enter a room, and wait until its name is on the page."""
        self.page.get_by_label("Go to another room").fill(room)
        self.page.keyboard.press("Enter")
        expect(self.page.locator("#room")).to_have_text(named or room, timeout=PATIENCE)

    def message(self, text: str) -> Locator:
        """Wait for the message with this text and return it."""
        found = self.page.locator("#messages li").filter(has=self.page.get_by_text(text, exact=True))
        expect(found).to_have_count(1, timeout=PATIENCE)
        return found

    def sees(self, selector: str, text: str) -> None:
        """Wait until the element contains this text."""
        expect(self.page.locator(selector)).to_contain_text(text, timeout=PATIENCE)

    def leave(self) -> None:
        """Close the window, and assert that the page's code threw nothing."""
        self.context.close()
        assert self.errors == []
