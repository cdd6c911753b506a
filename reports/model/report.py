"""What a report says, as numbers and labels: no markup, no drawing.

One `Report` feeds the HTML page, the terminal summary and the JSON, so each number is computed once. All `*_ns` are
UTC epoch nanoseconds. In a column, None means that nothing is known there (no traffic, or a gap in the record), never
zero; `math.inf` as a latency means that the request at that rank was not answered.
"""

from __future__ import annotations

from dataclasses import dataclass

from chaos.checks.remediation import Advice
from reports.build.recovery_stages import LegTable
from reports.build.team_notes import NO_NOTES, TeamNotes
from reports.model.cluster import AutoscalerCourse, BudgetCourse, Limit, Nodes, Overlay
from reports.model.parts import (
    Buckets,
    Coverage,
    EvidenceFile,
    FaultBand,
    FaultWindow,
    FindingRow,
    GeneratorSeries,
    HeatMap,
    Lanes,
    LatencySeries,
    Moment,
    PastAnswer,
    PhaseBand,
    StepLine,
    TokenSeries,
    TrafficSeries,
    Usual,
)
from reports.model.recovery import Dip, RecoveryRow

__all__ = ["Headline", "KeyFigures", "Report"]


@dataclass(frozen=True, slots=True)
class Headline:
    """What is said first: the verdict in one word and one sentence, and which trial it is about.

    `nodeid` and `place` (the cluster's context) say which trials are of the same kind. `run` names the run, `folder` is
    where it lies; `how_it_ended` is empty for a trial that ran to its end.
    """

    answer: str
    sentence: str
    scenario: str
    nodeid: str
    place: str
    claim: str
    run: str
    folder: str
    seed: int
    dry_run: bool
    began_ns: int
    ended_ns: int
    duration_s: float
    how_it_ended: str
    passes: int
    unknowns: int
    fails: int


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """The few figures that sum a trial up.

    `answered_share` is of valid requests: all that users intended, less those that the generator could not send.
    `victims` counts the pods that were lost to a fault, `recovered` those made good. `silent_s` is how long traffic
    was due with no request on record. The longest leg is the slowest step of any victim's recovery; None with no
    recovery seen.
    """

    requests: int
    valid: int
    answered: int
    unsent: int
    answered_share: float | None
    p50_s: float | None
    p99_s: float | None
    faults: int
    faults_landed: int
    victims: int
    recovered: int
    slowest_recovery_s: float | None
    longest_leg: str
    longest_leg_s: float | None
    silent_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the page, the terminal and the JSON show of one judged trial."""

    headline: Headline
    key: KeyFigures
    findings: tuple[FindingRow, ...]
    phases: tuple[PhaseBand, ...]
    faults: tuple[FaultBand, ...]
    ready: StepLine
    desired: StepLine
    lanes: Lanes
    budgets: tuple[BudgetCourse, ...]
    nodes: Nodes
    autoscalers: tuple[AutoscalerCourse, ...]
    limits: tuple[Limit, ...]
    buckets: Buckets
    traffic: TrafficSeries
    latency: LatencySeries
    heat: HeatMap
    tokens: TokenSeries | None
    generator: GeneratorSeries
    recovery: tuple[RecoveryRow, ...]
    legs: tuple[LegTable, ...]
    dips: tuple[Dip, ...]
    windows: tuple[FaultWindow, ...]
    coverage: tuple[Coverage, ...]
    story: tuple[Moment, ...]
    notes: tuple[Moment, ...]
    provenance: tuple[tuple[str, str], ...]
    evidence: tuple[EvidenceFile, ...]
    advice: tuple[Advice, ...] = ()
    past: tuple[PastAnswer, ...] = ()
    usual: tuple[Usual, ...] = ()
    overlay: Overlay | None = None
    team: TeamNotes = NO_NOTES
