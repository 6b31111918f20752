"""A headless Chromium: the system's, else playwright's own."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def launch(playwright: Playwright) -> Browser:
    """Start it, without what containers do not have: a sandbox, and much shared memory."""
    return playwright.chromium.launch(
        executable_path=next(filter(None, map(shutil.which, NAMES)), None),
        args=["--no-sandbox", "--disable-dev-shm-usage"],
    )
