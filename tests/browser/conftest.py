"""A real browser, Debian's chromium, driven through its own driver. `make test` installs both."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_logs import logs
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--window-size=1280,900",
)  # fmt: skip
MEND = "apt-get install chromium chromium-driver fonts-dejavu-core"


def program(name: str) -> str:
    """The path of a program of the host."""
    found = shutil.which(name)
    assert found, f"{name} is not on this host: {MEND}"
    return found


@pytest.fixture(scope="session")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One browser for all tests; it tells what it asked the network for and what it complained of."""
    options = ChromeOptions()
    options.binary_location = program("chromium")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=ChromeService(executable_path=program("chromedriver")))
    driver.set_page_load_timeout(30)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def browser(chrome: Chrome) -> Iterator[Chrome]:
    """The browser as new: wide, on a blank page, in UTC, its logs empty."""
    chrome.set_window_size(1280, 900)
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    chrome.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "UTC"})
    chrome.get("about:blank")
    logs(chrome)
    yield chrome
    chrome.get("about:blank")


@pytest.fixture
def show(browser: Chrome, tmp_path: Path) -> Callable[..., Any]:
    """Write a page and open it, at an anchor if one is given."""

    def opener(text: str, anchor: str = "") -> Path:
        path = tmp_path / "report.html"
        path.write_text(text, "utf-8")
        browser.get(path.as_uri() + anchor)
        return path

    return opener
