"""Take the picture for the README: `python -m tests.e2e.screenshot [FILE]`, by default docs/chat.png.

The picture has two windows of the chat side by side. The light one signed in with a cookie. The dark one signed in
later, with a token, and shows the history.
"""

from __future__ import annotations

import sys
from base64 import b64encode

from playwright.sync_api import Browser, expect, sync_playwright

from ..support.paths import PROJECT
from .browser import launch
from .servers import gateway
from .visitor import Visitor

WINDOW = {"width": 760, "height": 690}
TALK = [
    ("ada", "Hello! Opening my socket asked Python who I am. It read my cookie."),
    ("grace", "Nobody asked about me: my URL carries a signed token."),
    ("ada", "And yet we share a room."),
    ("grace", "Tomorrow I may come in with a cookie, and be the same Grace to the byte."),
    ("ada", "See you in #python then?"),
]
STAGE = """
<style>
  body {{ margin: 0; width: 1600px; height: 800px; background: linear-gradient(135deg, #f8d9cc, #e9c6d8 45%, #c9cdf0);
         display: flex; gap: 24px; justify-content: center; align-items: center; }}
  figure {{ margin: 0; border-radius: 14px; overflow: hidden; box-shadow: 0 24px 60px -12px rgb(40 10 40 / .45); }}
  figcaption {{ height: 34px; display: flex; align-items: center; gap: 8px; padding: 0 14px; background: #e9e4e4; }}
  .dark figcaption {{ background: #2c2832; }}
  i {{ width: 11px; height: 11px; border-radius: 50%; background: #b9b0b4; }}
  .dark i {{ background: #57505f; }}
  img {{ display: block; width: 760px; height: 690px; }}
</style>
<figure><figcaption><i></i><i></i><i></i></figcaption><img src="{light}"></figure>
<figure class="dark"><figcaption><i></i><i></i><i></i></figcaption><img src="{dark}"></figure>
"""


def main(file: str) -> None:
    """Start the chat, let two people talk, take the picture."""
    with gateway() as chat, sync_playwright() as playwright:
        browser = launch(playwright)
        windows = talk(browser, chat.page)
        stage = browser.new_page(viewport={"width": 1600, "height": 800}, device_scale_factor=2)
        stage.set_content(STAGE.format(light=picture(windows["ada"]), dark=picture(windows["grace"])))
        stage.screenshot(path=file)
        browser.close()


def talk(browser: Browser, address: str) -> dict[str, Visitor]:
    """Return two windows, by name, in which people have talked and one is typing."""
    windows = {
        name: Visitor.arrive(
            browser, address, viewport=WINDOW, color_scheme=scheme, device_scale_factor=2, reduced_motion="reduce"
        )
        for name, scheme in (("ada", "light"), ("grace", "dark"))
    }
    windows["ada"].sign_in("Ada Lovelace", "cookie")
    for name, text in TALK:
        if name == "grace" and not windows[name].page.locator("#chat").is_visible():
            windows[name].sign_in("Grace Hopper", "token")
        windows[name].say(text)
        windows[name].message(text)
    for window in windows.values():
        for _, text in TALK:
            window.message(text)
        expect(window.page.locator("#people li")).to_have_count(2)
    windows["grace"].type("I’ll be")
    windows["ada"].sees("#typing", "Grace Hopper is typing")
    return windows


def picture(visitor: Visitor) -> str:
    """Return a screenshot of the window as a data: URL."""
    return "data:image/png;base64," + b64encode(visitor.page.screenshot()).decode()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(PROJECT / "docs/chat.png"))
