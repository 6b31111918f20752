"""Launch a headless Chromium: the system's, else the one that playwright brings."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def launch(playwright: Playwright) -> Browser:
    """Start Chromium without a sandbox and with little shared memory, so that it also runs in a container."""
    return playwright.chromium.launch(
        executable_path=next(filter(None, map(shutil.which, NAMES)), None),
        args=["--no-sandbox", "--disable-dev-shm-usage"],
    )
