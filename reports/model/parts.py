"""The parts of a `Report`: bands, lanes, series by time bucket, tables.

See reports.model.report for what None and infinity mean in a column.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Buckets",
    "Coverage",
    "EvidenceFile",
    "FaultBand",
    "FaultWindow",
    "FindingRow",
    "GeneratorSeries",
    "HeatMap",
    "Lanes",
    "LatencySeries",
    "Missing",
    "Moment",
    "PastAnswer",
    "PhaseBand",
    "PodLane",
    "StateSpan",
    "StepLine",
    "TokenSeries",
    "TrafficSeries",
    "Usual",
]


@dataclass(frozen=True, slots=True)
class Moment:
    """Something said about one moment."""

    at_ns: int
    text: str


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
class PhaseBand:
    """A phase of the trial; `cut_short` if the record ends inside it."""

    name: str
    begin_ns: int
    end_ns: int
    cut_short: bool


@dataclass(frozen=True, slots=True)
class FaultBand:
    """When a fault began, landed and was healed; the band ends with the record if it never was healed.

    `result` is how one that takes its time ended (`finished`, `blocked`, `stopped`, `failed`), empty for any other.
    """

    id: str
    name: str
    words: str
    victims: tuple[str, ...]
    begin_ns: int
    landed_ns: int | None
    healed_ns: int | None
    end_ns: int
    proof: str
    missed: str
    result: str = ""
    result_ns: int | None = None
    result_words: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """A span of which the record says nothing, and why."""

    begin_ns: int
    end_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class StepLine:
    """A value that holds from its moment until the next; known only within `begin_ns` to `end_ns`, less `missing`.

    With a `slot_ns` above 0 there were too many changes to draw: each slot of that width has the least value in it.
    """

    points: tuple[tuple[int, int], ...]
    begin_ns: int
    end_ns: int
    missing: tuple[Missing, ...]
    slot_ns: int = 0


@dataclass(frozen=True, slots=True)
class StateSpan:
    """What a pod was for a while: `pending`, `starting`, `ready`, `not ready` or `terminating`."""

    state: str
    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class PodLane:
    """One pod's life. `struck_ns` is when a fault took it, `struck_by` the fault's id; None and empty otherwise.

    `answered` is how many requests it answered in full; None where no answer says who gave it.
    """

    uid: str
    name: str
    label: str
    node: str
    restarts: int
    spans: tuple[StateSpan, ...]
    struck_ns: int | None
    struck_by: str
    gone_ns: int | None
    answered: int | None = None


@dataclass(frozen=True, slots=True)
class Lanes:
    """The pods that are drawn, of how many there were, and where the record of pods has gaps.

    With a `slot_ns` above 0 there were too many changes to draw: each slot of that width has the worst state in it.
    """

    total: int
    shown: tuple[PodLane, ...]
    missing: tuple[Missing, ...]
    slot_ns: int = 0


@dataclass(frozen=True, slots=True)
class Buckets:
    """How time is cut: bucket k covers [begin + k * width, begin + (k + 1) * width)."""

    begin_ns: int
    width_ns: int
    count: int


@dataclass(frozen=True, slots=True)
class TrafficSeries:
    """Requests by the bucket of their intended start.

    `offered` and `answered` are counts, `*_rps` the same per second of traffic in the bucket; `outcomes` holds a
    column of counts for every outcome but `ok` that occurred.
    """

    offered: tuple[int | None, ...]
    answered: tuple[int | None, ...]
    offered_rps: tuple[float | None, ...]
    answered_rps: tuple[float | None, ...]
    outcomes: dict[str, tuple[int | None, ...]]
    totals: dict[str, int]
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class LatencySeries:
    """Percentiles of response time by bucket, from the raw records; `n` valid requests lie behind each.

    `thin` marks buckets of so few requests that the 99th percentile is little more than their maximum.
    """

    buckets: Buckets
    n: tuple[int | None, ...]
    p50_s: tuple[float | None, ...]
    p90_s: tuple[float | None, ...]
    p99_s: tuple[float | None, ...]
    thin: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Answered requests by bucket and latency bin (columns of one table), and the unanswered by bucket.

    Bin b covers [edges_s[b], edges_s[b + 1]).
    """

    edges_s: tuple[float, ...]
    bucket: tuple[int, ...]
    bin: tuple[int, ...]
    n: tuple[int, ...]
    unanswered: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class TokenSeries:
    """Time to the first token, and gaps between tokens, by the latency buckets and over all."""

    first_p50_s: tuple[float | None, ...]
    first_p99_s: tuple[float | None, ...]
    gap_p50_s: tuple[float | None, ...]
    gap_p99_s: tuple[float | None, ...]
    n: int
    first_all_p50_s: float | None
    first_all_p99_s: float | None
    gaps: int
    gap_all_p50_s: float | None
    gap_all_p99_s: float | None


@dataclass(frozen=True, slots=True)
class GeneratorSeries:
    """How far the load generator ran behind its plan and how busy it was: the worst second of each bucket."""

    lag_p99_s: tuple[float | None, ...]
    lag_max_s: tuple[float | None, ...]
    cpu_share: tuple[float | None, ...]
    in_flight: tuple[int | None, ...]
    worst_lag_s: float | None
    worst_cpu_share: float | None
    missing: tuple[Missing, ...]


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
