"""llama.cpp's own server, unmodified, adopted by what `gameday init` wrote, with nothing edited: scenarios decide.

None of its answers names a replica, and SIGTERM ends it at once. Behind a preStop sleep that is longer than its answers
users lose nothing; without one it cuts what it has taken, and the scenarios of termination have to say so.
"""

from __future__ import annotations

from pathlib import Path

from adopted_by_init import adopted_by_init, tried
from adopted_session import ROOT, lab
from llama_cpp import BARE, PATIENT
from plain_model import spec_with
from test_adopted_set import pytestmark

from chaos.checks.judge import read_verdict
from chaos.checks.verdict import Answer
from chaos.history import load_history
from chaos.lab import Lab, LabFacts
from chaos.trial.config import read_config

__all__ = ["lab", "pytestmark"]

OF_TERMINATION = "scenarios/test_termination.py"
NAMELESS = "names the replica"


def test_init_leaves_nothing_to_edit(lab: tuple[Lab, LabFacts], tmp_path: Path) -> None:
    """The engine, its version and its model are in the file, and that each replica is to be asked directly."""
    _, facts = lab
    with adopted_by_init(facts, "team-llama-init", tmp_path / "init", spec_with(PATIENT)) as file:
        traffic = read_config(file).traffic
        assert (traffic.engine, traffic.profile, traffic.canary) == ("llama.cpp", "openai-chat", True)
        assert traffic.engine_version
        assert traffic.request["model"]


def test_every_scenario_that_applies_passes_behind_a_pre_stop_sleep(lab: tuple[Lab, LabFacts], tmp_path: Path) -> None:
    """None is UNKNOWN because no answer names its replica; what does not apply is skipped in words."""
    _, facts = lab
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "scenarios").glob("test_*.py"))
    chosen = [file for file in files if file not in (OF_TERMINATION, "scenarios/test_soak.py")]
    with adopted_by_init(facts, "team-llama", tmp_path / "set", spec_with(PATIENT)) as file:
        found = tried(facts, file, "team-llama", chosen)
    wrong = [f"{row.scenario}: {row.result} {row.reason}" for row in found if row.result not in {"PASS", "skipped"}]
    assert wrong == []
    assert [row.scenario for row in found if NAMELESS in row.reason] == []
    assert sum(row.result == "PASS" for row in found) >= len(("a kill", "an eviction", "a drain", "a rollout"))


def test_a_server_that_cuts_its_streams_fails_to_end_gracefully(lab: tuple[Lab, LabFacts], tmp_path: Path) -> None:
    """Killed without a preStop sleep, each replica cuts what it was given; the finding says so, and of whom."""
    _, facts = lab
    scenario = f"{OF_TERMINATION}::test_a_killed_replica_ends_its_streams[own-drain]"
    with adopted_by_init(facts, "team-llama-bare", tmp_path / "bare", spec_with(BARE)) as file:
        found = tried(facts, file, "team-llama-bare", [scenario])
        runs = [path.parent for path in (file.parent / "runs").glob("*/verdict.json")]
    assert "failure" in {row.result for row in found}
    for run in runs:
        verdict = {one.check: one for one in read_verdict(run).findings}
        ended = verdict["graceful-termination"]
        assert ended.answer is Answer.FAIL, ended.line()
        assert "does not finish what it has taken" in ended.reason, ended.line()
        canary = load_history(run).canary
        assert canary is not None
        assert canary.held
