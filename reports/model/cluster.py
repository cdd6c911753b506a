"""The parts of a `Report` that tell what the cluster did besides its pods: disruption budgets, nodes, autoscalers."""

from __future__ import annotations

from dataclasses import dataclass

from reports.model.parts import Missing, Moment, StepLine

__all__ = ["AutoscalerCourse", "BudgetCourse", "EvictionMark", "Limit", "NodeLane", "NodeSpan", "Nodes", "Overlay"]


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
class BudgetCourse:
    """One disruption budget as its controller counted, and the evictions of pods that it binds.

    The counts are known only where its status speaks of the newest wish. `wishes` are its bounds in words, each from
    its moment on. With an empty `name` it stands for evictions of pods that no disruption budget binds.
    """

    uid: str
    name: str
    wishes: tuple[Moment, ...]
    allowed: StepLine
    healthy: StepLine
    desired: StepLine
    evictions: tuple[EvictionMark, ...]


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
class Nodes:
    """The nodes that are drawn, of how many there were, and where the record of nodes has gaps.

    With a `slot_ns` above 0 there were too many changes to draw: each slot of that width has the worst state in it.
    """

    total: int
    shown: tuple[NodeLane, ...]
    missing: tuple[Missing, ...]
    slot_ns: int = 0


@dataclass(frozen=True, slots=True)
class AutoscalerCourse:
    """One autoscaler: how many replicas it wanted and counted, its bounds, and its metric beside the target.

    The metric is in percent of the request, averaged over the pods; `metric` is its name, empty if it has none that is
    measured so. Nothing is known before its controller has first looked.
    """

    name: str
    desired: StepLine
    actual: StepLine
    least: StepLine
    most: StepLine
    metric: str
    measured: StepLine
    target: StepLine


@dataclass(frozen=True, slots=True)
class Overlay:
    """Lines of an earlier run, already moved by `shift_ns`; `p99` are (from, until, seconds) of its buckets."""

    run: str
    shift_ns: int
    ready: StepLine
    p99: tuple[tuple[int, int, float], ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """An objective that a finding held users' requests to: `latency` or `first token`, the 99th percentile in s."""

    measure: str
    p99_s: float
    answer: str
