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


BROWSER = """#!/bin/sh
for word; do case $word in --screenshot=*) echo drawn > "${word#--screenshot=}";; esac; done
echo '<body data-height="10">'
"""


def test_a_picture_is_drawn_through_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run folder may be another's, as it came out of an archive: no file of this host is written over."""
    (browser := tmp_path / "chromium").write_text(BROWSER)
    browser.chmod(0o700)
    monkeypatch.setattr(shutil, "which", lambda _name: str(browser))
    (mine := tmp_path / "bashrc").write_text("mine")
    (picture := tmp_path / "timeline.png").symlink_to(mine)
    for _ in range(2):
        assert take_picture(tmp_path / "report.html", picture) == picture
        assert (picture.is_symlink(), picture.read_text(), mine.read_text()) == (False, "drawn\n", "mine")
