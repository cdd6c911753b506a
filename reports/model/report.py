"""What a report says, as numbers and labels: no markup, no drawing.

One `Report` feeds the HTML page, the terminal summary and the JSON, so each number is computed once. All `*_ns` are
UTC epoch nanoseconds. In a column, None means that nothing is known there (no traffic, or a gap in the record), never
zero; `math.inf` as a latency means that the request at that rank was not answered.
"""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

from chaos.checks.advice import Advice
from chaos.checks.recovery.recovered import LossDetail
from chaos.checks.recovery.recovered_in_time import VictimDetail
from reports.model.engine import EngineSeries, LastWords
from reports.model.parts import (
    AutoscalerSeries,
    Buckets,
    BudgetSeries,
    FaultBand,
    GeneratorSeries,
    HeatMap,
    Lanes,
    LatencySeries,
    Missing,
    Moment,
    NodeLane,
    PhaseBand,
    PodLane,
    StepLine,
    TokenSeries,
    TrafficSeries,
)

__all__ = [
    "NO_NOTES",
    "Coverage",
    "EvidenceFile",
    "FaultWindow",
    "FindingRow",
    "FollowUp",
    "Headline",
    "KeyFigures",
    "Limit",
    "Overlay",
    "PastAnswer",
    "Report",
    "TeamNotes",
    "Usual",
    "plain",
    "to_json",
]


@dataclass(frozen=True, slots=True)
class Headline:
    """What is said first: the verdict in one word and one sentence, and which trial it is about.

    `nodeid` and `place` (the cluster's context) say which trials are of the same kind. `run` names the run, `folder` is
    where it lies; `how_it_ended` is empty for a trial that ran to its end. `engine` is what answered, with its version;
    empty where nobody says.
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
    engine: str = ""


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """The few figures that sum a trial up.

    `answered_share` is of valid requests: all that users intended, less those that the generator could not send.
    `victims` counts the pods that were lost to a fault, `recovered` those made good. `silent_s` is how long traffic
    was due with no request on record. The longest stage is the slowest step of any victim's recovery; None with no
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
    longest_stage: str
    longest_stage_s: float | None
    silent_s: float


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """What an earlier trial answered, and when it began."""

    run: str
    began_ns: int
    answer: str


@dataclass(frozen=True, slots=True)
class Usual:
    """The range of one key figure over earlier trials of the same kind that passed, and over how many."""

    figure: str
    low: float
    high: float
    trials: int


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One check's answer, with both sides of the comparison. `evidence_total` counts what `evidence` may leave out.

    `past` are its answers in earlier trials, oldest first; `news` is what that makes of it: `new`, `still`, `fixed`,
    `flaky`, or empty.
    """

    check: str
    answer: str
    rule: str
    limit: str
    measured: str
    margin: str
    reason: str
    settle: str
    evidence: tuple[Moment, ...]
    evidence_total: int
    past: tuple[PastAnswer, ...] = ()
    news: str = ""


@dataclass(frozen=True, slots=True)
class FaultWindow:
    """What users met before, during or after a fault; failures count as infinite in the percentiles."""

    fault: str
    window: str
    begin_ns: int
    end_ns: int
    requests: int
    answered_share: float | None
    p50_s: float | None
    p99_s: float | None
    unanswered: int


@dataclass(frozen=True, slots=True)
class Limit:
    """An objective that a finding held users' requests to: `latency` or `first token`, the 99th percentile in s."""

    measure: str
    p99_s: float
    answer: str


@dataclass(frozen=True, slots=True)
class Overlay:
    """Lines of an earlier run, already moved by `shift_ns`; `p99` are (from, until, seconds) of its buckets."""

    run: str
    shift_ns: int
    ready: StepLine
    p99: tuple[tuple[int, int, float], ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What one source recorded: from when to when (None if never), and what is missing in between."""

    source: str
    begin_ns: int | None
    end_ns: int | None
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """One file of the run folder: its size and SHA-256, or None where it is absent."""

    name: str
    size_bytes: int | None
    sha256: str


@dataclass(frozen=True, slots=True)
class FollowUp:
    """One `- [ ] text @owner`; `owner` is empty if none is named."""

    done: bool
    text: str
    owner: str


@dataclass(frozen=True, slots=True)
class TeamNotes:
    """The notes: text without its check boxes, and those as follow-ups."""

    text: str
    follow_ups: tuple[FollowUp, ...]


NO_NOTES = TeamNotes("", ())


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
    lanes: Lanes[PodLane]
    budgets: tuple[BudgetSeries, ...]
    nodes: Lanes[NodeLane]
    autoscalers: tuple[AutoscalerSeries, ...]
    limits: tuple[Limit, ...]
    buckets: Buckets
    traffic: TrafficSeries
    latency: LatencySeries
    heat: HeatMap
    tokens: TokenSeries | None
    generator: GeneratorSeries
    losses: tuple[LossDetail, ...]
    recoveries: tuple[VictimDetail, ...]
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
    engines: tuple[EngineSeries, ...] = ()
    last_words: tuple[LastWords, ...] = ()


INFINITY = "inf"
"""How an infinite latency is written, since JSON has no word for it."""


def plain(value: Any) -> Any:
    """The value as dicts, lists, numbers and strings; infinity becomes the string `inf`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and math.isinf(value):
        return INFINITY
    return value


def to_json(report: Report) -> str:
    """The whole report as one JSON document; raises ValueError if a number is not a number."""
    return json.dumps(plain(report), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
