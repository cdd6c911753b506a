"""A PNG of the timeline for a chat, taken by a browser of the host from the page itself."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from chaos.errors import UsageError

__all__ = ["take_picture"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip
WIDTH_PX = 1200
DEADLINE_S = 60.0
HEIGHT_MAX_PX = 6000


def take_picture(page: Path, picture: Path) -> Path:
    """Draw the head of a report and its timeline into a PNG, and return its path.

    The page says how high it is when it is opened with `#picture`. Raises `UsageError` if the host has no browser, or
    if that does not draw within `DEADLINE_S` seconds.
    """
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise UsageError("no browser to draw a picture with", "apt-get install chromium")
    address = f"{page.resolve().as_uri()}#picture"
    found = re.search(r'data-height="(\d+)"', _run(browser, "--dump-dom", f"--window-size={WIDTH_PX},900", address))
    if found is None:
        raise UsageError(f"{page} is not a report of this version", "draw it again: gameday report RUN --picture")
    height = min(int(found[1]), HEIGHT_MAX_PX)
    # In a run folder of others it may be a link to a file of this host.
    picture.unlink(missing_ok=True)
    _run(browser, f"--screenshot={picture.resolve()}", f"--window-size={WIDTH_PX},{height}", address)
    if not picture.is_file():
        raise UsageError(f"{browser} drew no picture of {page}", f"try it by hand: {browser} {address}")
    return picture


def _run(browser: str, *arguments: str) -> str:
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *FLAGS, f"--user-data-dir={profile}", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=False)
        except subprocess.TimeoutExpired:
            raise UsageError(f"{browser} did not draw within {DEADLINE_S:g} s", "try it again") from None
        return done.stdout.decode(errors="replace")
