"""Of which commit a trial says that it was run by."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.trial import request


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where programs were run; each prints a commit."""
    where: list[Path] = []

    def run(_argv: list[str], *, cwd: Path, **_given: Any) -> SimpleNamespace:
        where.append(cwd)
        return SimpleNamespace(stdout="0a1b2c3+\n")

    monkeypatch.setattr(subprocess, "run", run)
    return where


def test_what_is_installed_inside_a_strangers_checkout_is_none_of_its_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran: list[Path]
) -> None:
    """Nor is git run there, which would run what that repository's configuration names."""
    (tmp_path / ".git").mkdir()
    packages = tmp_path / "venv" / "site-packages"
    packages.mkdir(parents=True)
    monkeypatch.setattr(request, "CHECKOUT", packages)
    assert (request._git_head(), ran) == ("", [])


@pytest.mark.parametrize("worktree", [False, True])
def test_a_checkout_of_ours_has_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran: list[Path], *, worktree: bool
) -> None:
    """Be it a clone, or a work tree beside one, where `.git` is a file."""
    if worktree:
        (tmp_path / ".git").write_text("gitdir: /elsewhere\n")
    else:
        (tmp_path / ".git").mkdir()
    monkeypatch.setattr(request, "CHECKOUT", tmp_path)
    assert (request._git_head(), ran) == ("0a1b2c3+", [tmp_path])


def test_this_package_is_looked_for_where_it_lies() -> None:
    """The folder that holds `chaos`."""
    assert (request.CHECKOUT / "chaos" / "trial" / "request.py").samefile(request.__file__)
