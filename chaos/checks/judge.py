"""Judge a saved run: load its history, ask every check, and write verdict.json beside the evidence."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chaos.checks.verdict import Answer, Check, Evidence, Finding, Verdict
from chaos.errors import UsageError
from chaos.history import History, load_history

__all__ = ["Judgement", "judge_run", "read_verdict", "unjudged"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A run, what it recorded, and what the checks said of it."""

    run: Path
    history: History
    verdict: Verdict

    def text(self) -> str:
        """The verdict as a failing test prints it: findings worst first, then where to look and how to replay."""
        seed = self.history.facts.seed
        nodeid = str(self.history.facts.raw.get("nodeid", ""))
        # What no scenario made, a command made, and is known by it.
        replay = f"pytest '{nodeid}'" if "::" in nodeid else nodeid
        return (
            f"{self.verdict.lines()}\nseed {seed}   report {self.run / 'report.html'}   replay: {replay} --seed {seed}"
        )


def judge_run(run: Path, checks: Iterable[Check]) -> Judgement:
    """Judge the run folder `run`, and write its verdict.json."""
    history = load_history(run)
    verdict = Verdict.of(check(history) for check in checks)
    (run / "verdict.json").write_text(json.dumps(_plain(verdict), indent=1) + "\n")
    return Judgement(run, history, verdict)


def _plain(verdict: Verdict) -> dict[str, Any]:
    """The verdict as plain data, answers by name."""
    findings = [asdict(finding) | {"answer": finding.answer.name} for finding in verdict.findings]
    return {"schema": 1, "answer": verdict.answer.name, "findings": findings}


def read_verdict(run: Path) -> Verdict:
    """The verdict that was written into the run folder. Raises `UsageError` if there is none."""
    path = run / "verdict.json"
    try:
        saved = json.loads(path.read_text())
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist: this run was not judged", f"pytest --rejudge {run}") from None
    return Verdict(tuple(_finding(finding) for finding in saved["findings"]))


def unjudged(run: Path) -> Verdict:
    """What is said of a run that ended before it was judged: nothing was claimed of it yet."""
    finding = Finding(
        check="judged",
        answer=Answer.UNKNOWN,
        rule="The trial was judged.",
        limit="a verdict",
        measured="none",
        reason="the run ended before it was judged",
        settle=f"judge it by its own scenario: pytest SCENARIO --rejudge {run}",
    )
    return Verdict((finding,))


def _finding(saved: dict[str, Any]) -> Finding:
    evidence = tuple(Evidence(**one) for one in saved["evidence"])
    return Finding(**(saved | {"answer": Answer[saved["answer"]], "evidence": evidence}))
