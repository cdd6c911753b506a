"""The legs of each victim's recovery, as the finding on them judged them (docs/run-folder.md, `verdict.json`)."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.checks.verdict import Verdict

__all__ = ["LegRow", "LegTable", "leg_tables"]


@dataclass(frozen=True, slots=True)
class LegRow:
    """One leg: its part of the whole, and what it took from the step that it begins with, beside its bound.

    None: not seen, or for a bound that nobody promises one. `answer` is PASS, UNKNOWN or FAIL; `note` says why.
    """

    leg: str
    at_ns: int | None
    seconds: float
    since: str
    took_s: float | None
    bound_s: float | None
    bound_words: str
    answer: str
    note: str


@dataclass(frozen=True, slots=True)
class LegTable:
    """The recovery of one victim: `whole_s` from the fault to the last step, of which the legs' `seconds` are parts."""

    fault: str
    victim: str
    way: str
    replacement: str
    whole_s: float
    late: tuple[str, ...]
    legs: tuple[LegRow, ...]


def leg_tables(verdict: Verdict) -> tuple[LegTable, ...]:
    """One table a victim, the worst first; none if no check judged legs."""
    return tuple(
        LegTable(
            fault=told["fault"],
            victim=told["victim"],
            way=told["way"],
            replacement=told["replacement"] or "",
            whole_s=told["whole_s"],
            late=tuple(told["late"]),
            legs=tuple(LegRow(**leg) for leg in told["legs"]),
        )
        for finding in verdict.findings
        if finding.check == "recovered-in-time"
        for told in finding.values.get("recoveries", ())
    )
