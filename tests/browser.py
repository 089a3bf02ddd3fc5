"""Headless Chromium, where it is installed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PATH = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Without these it calls home, and waits where the network is closed.
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
_QUIET += ["--disable-component-update", "--disable-sync"]

needs_browser = pytest.mark.skipif(PATH is None, reason="Chromium is not installed")


@contextmanager
def page() -> Iterator:
    """An empty page that notes in ``requests`` what it asks other hosts for."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PATH, args=_QUIET)
        opened = browser.new_page(viewport={"width": 1000, "height": 1200})
        yield opened
        browser.close()
