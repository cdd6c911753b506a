"""What the plugin's hooks and fixtures share: what is kept in pytest's stashes, and how a scenario is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chaos.plugin.session_report import SessionReport
    from chaos.trial.run import RunningTrial

__all__ = ["SESSION_REPORT", "STAGED", "UNTRIED", "scenario_id"]

SESSION_REPORT: pytest.StashKey[SessionReport] = pytest.StashKey()
STAGED: pytest.StashKey[RunningTrial] = pytest.StashKey()
UNTRIED: pytest.StashKey[str] = pytest.StashKey()


def scenario_id(item: pytest.Item) -> str:
    """The name by which pytest finds the scenario again: a ready-made one by its package, wherever that lies."""
    module = str(getattr(getattr(item, "module", None), "__name__", ""))
    return f"{module}::{item.nodeid.partition('::')[2]}" if module.startswith("gameday_scenarios.") else item.nodeid
