"""A picture needs a browser, and its absence is said in words."""

import shutil
from pathlib import Path

import pytest

from chaos.errors import UsageError
from reports.page.screenshot import take_picture


def test_without_a_browser_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a host without a browser nothing is drawn, and the error says what to install."""
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(UsageError, match="apt-get install chromium"):
        take_picture(tmp_path / "report.html", tmp_path / "timeline.png")
