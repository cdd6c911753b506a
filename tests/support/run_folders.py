"""A run folder written line by line, for the tests of loading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from histories import NAMESPACE, at

from chaos.history import History, load_history

TRIAL = {
    "schema": 2,
    "scenario": "test_story",
    "claim": "A claim.",
    "seed": 7,
    "dry_run": False,
    "clock": {"utc_ns": at(0), "mono_ns": 5},
    "system": {"namespace": NAMESPACE, "workload": {"kind": "Deployment", "name": "model"}, "service": "model"},
}


class Folder:
    """A run folder in the making."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "trial.json").write_text(json.dumps(TRIAL))

    def lines(self, name: str, *lines: dict[str, Any], cut: str = "") -> Folder:
        """Write a file of JSON lines; `cut` is the beginning of one more."""
        (self.path / name).write_text("".join(json.dumps(line) + "\n" for line in lines) + cut)
        return self

    def watch(self, *lines: tuple[float, str, str, dict[str, Any]]) -> Folder:
        """Write watch.jsonl from (seconds, kind, type, more fields)."""
        whole = ({"at_ns": at(at_s), "kind": kind, "type": type_, **more} for at_s, kind, type_, more in lines)
        return self.lines("watch.jsonl", *whole)

    def actions(self, *lines: tuple[float, str, dict[str, Any]], cut: str = "") -> Folder:
        """Write actions.jsonl from (seconds, event, more fields)."""
        whole = ({"at_ns": at(at_s), "event": event, **more} for at_s, event, more in lines)
        return self.lines("actions.jsonl", *whole, cut=cut)

    def load(self) -> History:
        """The history."""
        return load_history(self.path)
