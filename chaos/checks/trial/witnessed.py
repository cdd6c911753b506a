"""Sometimes: what the scenario counts on to happen did happen."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.checks.formatting import plural
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.history import History, Outcome

__all__ = ["Witnessed"]


@dataclass(frozen=True, slots=True)
class Witnessed:
    """At least `at_least` actions called `action` were journalled with this outcome.

    Never FAIL: that something was not seen says nothing against the system, but then the scenario proved nothing.
    """

    action: str
    outcome: Outcome = "ok"
    at_least: int = 1

    def __post_init__(self) -> None:
        if self.at_least < 1:
            raise ValueError(f"Witnessed.at_least: {self.at_least} is not at least 1")

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "witnessed"

    def __call__(self, history: History) -> Finding:
        """Count the actions."""
        called = [action for action in history.actions if action.name == self.action]
        seen = [action for action in called if action.outcome == self.outcome]
        dry_run = history.facts.dry_run
        enough = len(seen) >= self.at_least and not dry_run
        return Finding(
            check=self.name,
            answer=Answer.PASS if enough else Answer.UNKNOWN,
            rule=f"{self.action} happens with outcome {self.outcome}, at least {plural(self.at_least, 'time')}.",
            limit=f"at least {plural(self.at_least, 'time')}",
            measured=f"{self.action} {self.outcome} seen {plural(len(seen), 'time')}",
            reason="" if enough else _reason(len(called), len(seen), dry_run=dry_run),
            settle="" if enough else "run it for real" if dry_run else "a trial in which it happens",
            values={
                "action": self.action,
                "outcome": self.outcome,
                "seen": len(seen),
                "at_least": self.at_least,
                "other_outcomes": len(called) - len(seen),
            },
            evidence=tuple(
                Evidence(
                    action.begin_ns if action.end_ns is None else action.end_ns,
                    f"{action.name} {action.target.kind} {action.target.name}: {action.outcome}",
                )
                for action in seen
            ),
        )


def _reason(called: int, seen: int, *, dry_run: bool) -> str:
    if dry_run:
        return "a dry run (--gameday-dry-run) journals actions and does none of them"
    if called > seen:
        return f"{called - seen} more had another outcome"
    return "no other was tried" if seen else "it was never tried"
