"""What is drawn along the time axis: bands, lanes, and series of pods, nodes, budgets, autoscalers and requests.

See reports.model.report for what None and infinity mean in a column.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = [
    "AutoscalerSeries",
    "Buckets",
    "BudgetSeries",
    "EvictionMark",
    "FaultBand",
    "GeneratorSeries",
    "HeatMap",
    "Lanes",
    "LatencySeries",
    "Missing",
    "Moment",
    "NodeLane",
    "NodeSpan",
    "PhaseBand",
    "PodLane",
    "StateSpan",
    "StepLine",
    "TokenSeries",
    "TrafficSeries",
]

Lane = TypeVar("Lane")


@dataclass(frozen=True, slots=True)
class Moment:
    """Something said about one moment."""

    at_ns: int
    text: str


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
    spans: tuple[StateSpan, ...]
    struck_ns: int | None
    struck_by: str
    gone_ns: int | None
    answered: int | None = None


@dataclass(frozen=True, slots=True)
class Lanes(Generic[Lane]):
    """The pods or nodes that are drawn, of how many there were, and where their record has gaps.

    With a `slot_ns` above 0 there were too many changes to draw: each slot of that width has the worst state in it.
    """

    total: int
    shown: tuple[Lane, ...]
    missing: tuple[Missing, ...]
    slot_ns: int = 0


@dataclass(frozen=True, slots=True)
class NodeSpan:
    """What a node was for a while: `ready`, `not ready` or `unknown`; cordoned or not; its other taints."""

    ready: str
    cordoned: bool
    taints: tuple[str, ...]
    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class NodeLane:
    """One node's life within the trial. `replicas`: how many of the system's pods were ever on it."""

    name: str
    spans: tuple[NodeSpan, ...]
    replicas: int


@dataclass(frozen=True, slots=True)
class EvictionMark:
    """One eviction that was asked for, when it was answered, and how.

    `answer`: `accepted`; `refused` by a disruption budget (status 429 with that cause); `failed` for any other error;
    `not known`. `fault` is the id of the fault that asked, empty where it was somebody else.
    """

    at_ns: int
    pod: str
    answer: str
    words: str
    fault: str


@dataclass(frozen=True, slots=True)
class BudgetSeries:
    """One disruption budget as its controller counted, and the evictions of pods that it binds.

    The counts are known only where its status is about the newest bounds. `bounds` are those in words, each from
    its moment on. With an empty `name` it stands for evictions of pods that no disruption budget binds.
    """

    uid: str
    name: str
    bounds: tuple[Moment, ...]
    allowed: StepLine
    healthy: StepLine
    desired: StepLine
    evictions: tuple[EvictionMark, ...]


@dataclass(frozen=True, slots=True)
class AutoscalerSeries:
    """One autoscaler: how many replicas it wanted and counted, its bounds, and its metric beside the target.

    The metric is in percent of what `measure` says: of the pods' requests, or of its own target. `metric` is its name,
    empty if it has none that can be read. Nothing is known before its controller has first looked.
    """

    name: str
    desired: StepLine
    actual: StepLine
    least: StepLine
    most: StepLine
    metric: str
    measured: StepLine
    target: StepLine
    measure: str = "the pods' requests"


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
    """Time to the first token, and gaps between tokens, by the latency buckets; how many there were of each."""

    first_p50_s: tuple[float | None, ...]
    first_p99_s: tuple[float | None, ...]
    gap_p50_s: tuple[float | None, ...]
    gap_p99_s: tuple[float | None, ...]
    n: int
    gaps: int


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
