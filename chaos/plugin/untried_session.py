"""A session that tried nothing: nobody may take it for one in which all went well."""

from __future__ import annotations

import pytest

__all__ = ["untried"]

TRIED = ("passed", "failed", "error", "xfailed", "xpassed")


def untried(session: pytest.Session) -> str:
    """Say that all scenarios were skipped, and that no other test ran; empty if something was tried."""
    terminal: pytest.TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    scenarios = [item for item in session.items if "stage" in getattr(item, "fixturenames", ())]
    if terminal is None or not scenarios or any(terminal.stats.get(kind) for kind in TRIED):
        return ""
    skipped = len(terminal.stats.get("skipped") or ())
    return f"nothing was tried: {skipped} skipped, which proves nothing (pytest -rs says why)" if skipped else ""
