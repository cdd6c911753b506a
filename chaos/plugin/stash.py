"""What the plugin keeps in pytest's stashes, between its hooks and its fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chaos.plugin.session_report import SessionReport
    from chaos.trial.run import RunningTrial

__all__ = ["SESSION_REPORT", "STAGED", "UNTRIED"]

SESSION_REPORT: pytest.StashKey[SessionReport] = pytest.StashKey()
STAGED: pytest.StashKey[RunningTrial] = pytest.StashKey()
UNTRIED: pytest.StashKey[str] = pytest.StashKey()
