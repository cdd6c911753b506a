"""Sometimes: what the scenario counts on to happen did happen."""

from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.base import Summary, finding, judged
from chaos.checks.verdict import Evidence, Finding, Obligation
from chaos.errors import UsageError, plural
from chaos.history import Action, History, Outcome
from chaos.history.action_names import unknown_action

__all__ = ["Witnessed", "WitnessedDetail"]


@dataclass(frozen=True, slots=True)
class WitnessedDetail:
    """How often the action had the outcome."""

    action: str
    outcome: Outcome
    seen: int
    at_least: int


@dataclass(frozen=True, slots=True)
class Witnessed:
    """At least `at_least` actions called `action` were journalled with this outcome.

    Never FAIL: that something was not seen says nothing against the system, but then the scenario proved nothing.
    """

    name: ClassVar[str] = "witnessed"
    Detail: ClassVar[type] = WitnessedDetail

    action: str
    outcome: Outcome = "ok"
    at_least: int = 1

    def __post_init__(self) -> None:
        if known := unknown_action(self.action):
            raise UsageError(f"Witnessed: no action is called {self.action!r}", known)
        if self.at_least < 1:
            raise ValueError(f"Witnessed.at_least: {self.at_least} is not at least 1")

    def __call__(self, history: History) -> Finding:
        called = [action for action in history.actions if action.name == self.action]
        seen = [action for action in called if action.outcome == self.outcome]
        times = plural(self.at_least, "time")
        return finding(
            self.name,
            f"{self.action} happens with outcome {self.outcome}, at least {times}.",
            [self._obligation(history, called, seen)],
            Summary(
                measured=f"{self.action} {self.outcome} seen {plural(len(seen), 'time')}",
                limit=f"at least {times}",
                detail=WitnessedDetail(self.action, self.outcome, len(seen), self.at_least),
            ),
        )

    def _obligation(self, history: History, called: list[Action], seen: list[Action]) -> Obligation:
        reason, settle = "", "a trial in which it happens"
        if history.facts.dry_run:
            reason = "a dry run (--gameday-dry-run) journals actions and does none of them"
            settle = "run it without --gameday-dry-run"
        elif len(seen) < self.at_least:
            other = f"{len(called) - len(seen)} more had another outcome" if len(called) > len(seen) else ""
            reason = other or ("no other was tried" if seen else "it was never tried")
        moments = (
            Evidence(
                one.begin_ns if one.end_ns is None else one.end_ns,
                f"{one.name} {one.target.kind} {one.target.name}: {one.outcome}",
            )
            for one in seen
        )
        return judged(
            self.action,
            reason,
            settle if reason else "",
            measured=f"{len(seen)} {self.outcome}",
            bound=f"at least {self.at_least}",
            evidence=tuple(moments),
        )
