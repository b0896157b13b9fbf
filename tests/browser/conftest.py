"""A browser that opens pages from disk, and tells what they say on the console and ask of the network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

#: Where Debian puts them (packages chromium and chromium-driver, listed in tests/apt.txt).
CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--enable-unsafe-swiftshader",  # draws WebGL without a graphics card
)


@dataclass
class Browser:
    """A headless Chromium: `driver` is selenium's, `downloads` the folder of what pages save."""

    driver: webdriver.Chrome
    downloads: Path

    def open(self, page: Path, width: int = 1280, height: int = 900) -> None:
        """Open a page from disk in a window of a size; forgets what was recorded before."""
        self.driver.set_window_size(width, height)
        self.problems()
        self.requests()
        self.driver.get(page.resolve().as_uri())

    def problems(self) -> list[str]:
        """Warnings and errors on the console since the last call."""
        entries = self.driver.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]

    def requests(self) -> list[str]:
        """Addresses asked for since the last call, but for files and data in the page."""
        asked = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                asked.append(message["params"]["request"]["url"])
        return [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]

    def run(self, script: str, *arguments: Any) -> Any:
        """Result of a script in the page."""
        return self.driver.execute_script(script, *arguments)


@pytest.fixture(scope="session")
def chromium() -> tuple[str, str]:
    """Paths of browser and driver; skips where they are not installed."""
    browser, driver = shutil.which(CHROMIUM), shutil.which(DRIVER)
    if browser is None or driver is None:
        pytest.skip(
            f"BROWSER ABSENT: {CHROMIUM} or {DRIVER} is not there, so no page was opened in a browser"
        )
    return browser, driver


@contextmanager
def started(chromium: tuple[str, str], folder: Path) -> Iterator[Browser]:
    """A browser with profile and downloads in a folder; for fixtures that several tests share."""
    downloads = folder / "downloads"
    downloads.mkdir()
    options = webdriver.ChromeOptions()
    options.binary_location = chromium[0]
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromium[1]))
    try:
        yield Browser(driver, downloads)
    finally:
        driver.quit()


@pytest.fixture
def browser(chromium, tmp_path) -> Iterator[Browser]:
    """A fresh browser with a profile of its own."""
    with started(chromium, tmp_path) as fresh:
        yield fresh
