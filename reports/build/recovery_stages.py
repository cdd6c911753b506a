"""The stages of each victim's recovery, as the finding on them judged them (docs/run-folder.md, `verdict.json`)."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.checks.verdict import Verdict

__all__ = ["StageRow", "StageTable", "stage_tables"]


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage: its part of the whole, and what it took from the step that it begins with, beside its bound.

    None: not seen, or for a bound that nobody promises one. `answer` is PASS, UNKNOWN or FAIL; `note` says why.
    """

    stage: str
    at_ns: int | None
    seconds: float
    since: str
    took_s: float | None
    bound_s: float | None
    bound_words: str
    answer: str
    note: str


@dataclass(frozen=True, slots=True)
class StageTable:
    """The recovery of one victim: `whole_s` from the fault to the last step, the sum of the stages' `seconds`."""

    fault: str
    victim: str
    path: str
    replacement: str
    whole_s: float
    late: tuple[str, ...]
    stages: tuple[StageRow, ...]


def stage_tables(verdict: Verdict) -> tuple[StageTable, ...]:
    """One table a victim, the worst first; none if no check judged stages."""
    return tuple(
        StageTable(
            fault=told["fault"],
            victim=told["victim"],
            path=told["path"],
            replacement=told["replacement"] or "",
            whole_s=told["whole_s"],
            late=tuple(told["late"]),
            stages=tuple(StageRow(**stage) for stage in told["stages"]),
        )
        for finding in verdict.findings
        if finding.check == "recovered-in-time"
        for told in finding.values.get("recoveries", ())
    )
