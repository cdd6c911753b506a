"""Always: the trial did all that it set out to do."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from chaos.checks.base import Summary, finding, unknown
from chaos.checks.verdict import Evidence, Finding, Obligation
from chaos.errors import plural
from chaos.history import History, Phase

__all__ = ["Completed", "CompletedDetail"]

AGAIN = "run the trial again, to its end"


@dataclass(frozen=True, slots=True)
class CompletedDetail:
    """How many phases the trial had, how many of them ended, and whether the trial itself did."""

    phases: int
    phases_ended: int
    finished: bool


@dataclass(frozen=True, slots=True)
class Completed:
    """The trial ran to its end: not stopped, not killed, not a dry run, with every phase begun and ended.

    Never FAIL: that a trial was cut short says nothing against the system.
    """

    name: ClassVar[str] = "completed"
    Detail: ClassVar[type] = CompletedDetail

    def __call__(self, history: History) -> Finding:
        ended = sum(phase.end_ns is not None for phase in history.phases)
        return finding(
            self.name,
            "The trial ran to its end.",
            [*_whole(history), *(_phase(phase, dry_run=history.facts.dry_run) for phase in history.phases)],
            Summary(
                f"{ended} of {plural(len(history.phases), 'phase')} ended",
                "all phases and the trial itself",
                detail=CompletedDetail(len(history.phases), ended, history.finished),
            ),
        )


def _whole(history: History) -> Iterator[Obligation]:
    """What keeps the trial as a whole from being complete."""
    dry_run = history.facts.dry_run
    if dry_run:
        reason = "a dry run (--gameday-dry-run) changes nothing, so it proves nothing"
        yield unknown("the trial", reason, "run the trial for real")
    settle = "" if dry_run else AGAIN
    if history.stopped:
        yield unknown("the trial", f"the trial was stopped: {history.stopped}", settle)
    if not history.finished:
        yield unknown("the trial", "the run died before its end", settle)
    if not history.phases:
        yield unknown("the trial", "no phase of the trial was recorded", settle)


def _phase(phase: Phase, *, dry_run: bool) -> Obligation:
    evidence = (Evidence(phase.begin_ns, f"phase {phase.name} began"),)
    if phase.end_ns is not None:
        return Obligation(f"phase {phase.name}", measured="ended", evidence=evidence)
    missing = unknown(f"phase {phase.name}", f"phase {phase.name} never ended", "" if dry_run else AGAIN)
    return replace(missing, evidence=evidence)
