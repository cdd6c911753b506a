"""Always: the trial did all that it set out to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chaos.checks.formatting import plural
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.history import History

__all__ = ["Completed"]


@dataclass(frozen=True, slots=True)
class Completed:
    """The trial ran to its end: not stopped, not killed, not a dry run, with every phase begun and ended.

    Never FAIL: that a trial was cut short says nothing against the system.
    """

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "completed"

    def __call__(self, history: History) -> Finding:
        """Judge the course of the trial."""
        reasons = tuple(_reasons(history))
        ended = sum(phase.end_ns is not None for phase in history.phases)
        return Finding(
            check=self.name,
            answer=Answer.UNKNOWN if reasons else Answer.PASS,
            rule="The trial ran to its end.",
            limit="all phases and the trial itself",
            measured=f"{ended} of {plural(len(history.phases), 'phase')} ended",
            reason="; ".join(reasons),
            settle=_settle(dry_run=history.facts.dry_run) if reasons else "",
            detail={"phases": len(history.phases), "phases_ended": ended, "finished": history.finished},
            evidence=tuple(Evidence(phase.begin_ns, f"phase {phase.name} began") for phase in history.phases),
        )


def _settle(*, dry_run: bool) -> str:
    return "run the trial for real" if dry_run else "run the trial again, to its end"


def _reasons(history: History) -> Iterator[str]:
    if history.facts.dry_run:
        yield "a dry run (--gameday-dry-run) changes nothing, so it proves nothing"
    if history.stopped:
        yield f"the trial was stopped: {history.stopped}"
    if not history.finished:
        yield "the run died before its end"
    if not history.phases:
        yield "no phase of the trial was recorded"
    for phase in history.phases:
        if phase.end_ns is None:
            yield f"phase {phase.name} never ended"
