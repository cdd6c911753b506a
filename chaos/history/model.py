"""The ordered, immutable record of a trial: what `checks` judge and `reports` draw.

Shapes follow docs/run-folder.md. All `*_ns` are UTC epoch nanoseconds on the trial's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import polars as pl

from chaos.history.canary import Canary
from chaos.history.metrics import MetricsSample, MetricValues
from chaos.history.samples import NO_ENGINE, ContainerLog, EngineRecord
from chaos.objects.base import Ref
from chaos.objects.workload_kind import WorkloadKind

__all__ = [
    "REQUEST_SCHEMA",
    "Action",
    "Fault",
    "Gap",
    "GeneratorSample",
    "History",
    "LoadPoint",
    "LoadWorker",
    "Note",
    "Outcome",
    "Phase",
    "Stream",
    "TrialFacts",
    "WatchEvent",
]

Outcome = Literal["ok", "fail", "info"]
"""What became of an action: it happened, it did not, or we cannot know (a timeout after sending)."""

REQUEST_SCHEMA: Mapping[str, pl.DataType] = {
    "id": pl.Int64(),
    "stream": pl.String(),
    "intended_ns": pl.Int64(),
    "sent_ns": pl.Int64(),
    "first_byte_ns": pl.Int64(),
    "first_token_ns": pl.Int64(),
    "end_ns": pl.Int64(),
    "outcome": pl.String(),
    "status": pl.Int64(),
    "error": pl.String(),
    "replica": pl.String(),
    "tokens_in": pl.Int64(),
    "tokens_out": pl.Int64(),
    "token_gaps_ns": pl.List(pl.Int64()),
    "finish_reason": pl.String(),
    "turn": pl.Int64(),
    "attempts": pl.Int64(),
    "last_outcome": pl.String(),
    "last_end_ns": pl.Int64(),
    "leaves_after": pl.Int64(),
    "echo": pl.String(),
}
"""Columns of `History.requests`, as docs/run-folder.md describes requests.jsonl."""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One object state as the API server sent it, and when it was received.

    `VANISHED` was not sent: an object that the list before a gap had and the list after it lacks went at an unknown
    time in that gap. It carries the last state known, and stands where the list after the gap is complete.
    """

    at_ns: int
    kind: str
    type: Literal["LISTED", "ADDED", "MODIFIED", "DELETED", "VANISHED"]
    object: Mapping[str, Any]

    @property
    def gone(self) -> bool:
        """Whether the object is no more."""
        return self.type in ("DELETED", "VANISHED")


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which states of a kind may have been lost."""

    kind: str
    since_ns: int
    until_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class Action:
    """One mutation of the cluster, journalled before and after. `end_ns` is None if the run died in between."""

    id: str
    name: str
    target: Ref
    begin_ns: int
    end_ns: int | None
    outcome: Outcome
    fault: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its victims, when injection began, when it was proved to have landed, when it was healed.

    `landed_ns` is None if it never landed, and then `missed` says why. `parameters` are those that it was made with.
    `result` is how a fault that takes its time ended (`finished`, `blocked`, `stopped`, `failed`), at `result_ns`, with
    `result_words` for people and `result_detail` for machines; empty for one that is done at once.
    """

    id: str
    name: str
    words: str
    victims: tuple[Ref, ...]
    begin_ns: int
    landed_ns: int | None
    healed_ns: int | None
    proof: str = ""
    missed: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    result: str = ""
    result_ns: int | None = None
    result_words: str = ""
    result_detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Phase:
    """A named span of the trial; `end_ns` is None if the run died in it."""

    name: Literal["baseline", "fault", "recovery"]
    begin_ns: int
    end_ns: int | None


class LoadPoint(NamedTuple):
    """The rate that was meant to be offered at a moment; two points at one moment are a jump."""

    at_ns: int
    rate_rps: float


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of traffic; `end_ns` is None if the run died while it flowed.

    `rate_rps` is its least rate. `rate_profile` is its rate over time, as points joined by straight lines; the last
    goes on to the end; a stream that ended early never came to what lies behind its end. It is empty for a trace.
    `plan` is the shape as `loadgen.shapes.shape_from_plain` takes it; None in a record that has none.
    """

    name: str
    shape: str
    rate_rps: float
    begin_ns: int
    end_ns: int | None
    profile: str
    origin: str
    url: str = ""
    rate_profile: tuple[LoadPoint, ...] = ()
    plan: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class GeneratorSample:
    """How the load generator itself was doing, over the second that ended at `at_ns`.

    `due`, `sent` and `done` count from its start, as do connections `opened` and `reused` for one more request (None in
    a record that has no such counts). Several workers have each their own. Only the last of an orderly end is `final`.
    """

    at_ns: int
    due: int
    sent: int
    done: int
    in_flight: int
    lag_p50_ns: int | None
    lag_p99_ns: int | None
    lag_max_ns: int | None
    cpu_share: float
    final: bool = False
    opened: int | None = None
    reused: int | None = None
    worker: int = 0


@dataclass(frozen=True, slots=True)
class LoadWorker:
    """One of `workers` pods that sent the load: in which pod, on which node.

    `offset_ns` is how far its wall clock was ahead of the trial's, give or take `error_ns`; it was given the trial's
    clock, right to within that much. `drift_ns` is how far the two had gone apart at the end, give or take
    `drift_error_ns`; None if nobody asked it. `lost_ns` and `lost` say when it was found lost and why, if it
    was: what it had not sent by then it never did.
    """

    number: int
    workers: int
    pod: str
    node: str = ""
    offset_ns: int = 0
    error_ns: int = 0
    drift_ns: int | None = None
    drift_error_ns: int = 0
    lost_ns: int | None = None
    lost: str = ""

    @property
    def clock_error_ns(self) -> int:
        """How far its times may be off the trial's clock, by all that was read."""
        return max(self.error_ns, abs(self.drift_ns or 0) + self.drift_error_ns)


@dataclass(frozen=True, slots=True)
class Note:
    """A remark that the trial made as it ran."""

    at_ns: int
    text: str


@dataclass(frozen=True, slots=True)
class TrialFacts:
    """What was known before the trial began: trial.json, with the fields that checks use given names."""

    scenario: str
    claim: str
    seed: int
    dry_run: bool
    namespace: str
    workload_kind: str
    workload_name: str
    service: str
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def workload(self) -> WorkloadKind:
        """What kind of workload the system is."""
        known = self.raw.get("system", {}).get("workload") or {}
        return WorkloadKind.of_plain({**known, "kind": self.workload_kind})


@dataclass(frozen=True, slots=True)
class History:
    """Everything that one trial recorded, in order.

    `watch` is in order of receipt. `covered_ns` says for each kind from when to when it was watched. `gaps` are spans
    in which states were lost, up to the list that follows; in `late` spans none was lost, but what was received at the
    end may have happened any time within. `ended_ns` is the last moment that any file speaks of. `stopped` says why
    the trial was stopped before its end (unsteady baseline, interrupted), empty if it was not. `finished` is False for
    a run that died before writing `trial-end`. `canary` is None in a run that had none. `roles`: the trial as other
    workloads of the system saw it.
    """

    facts: TrialFacts
    began_ns: int
    ended_ns: int
    watch: tuple[WatchEvent, ...] = ()
    gaps: tuple[Gap, ...] = ()
    covered_ns: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    faults: tuple[Fault, ...] = ()
    phases: tuple[Phase, ...] = ()
    streams: tuple[Stream, ...] = ()
    generator: tuple[GeneratorSample, ...] = ()
    notes: tuple[Note, ...] = ()
    requests: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REQUEST_SCHEMA))
    stopped: str = ""
    finished: bool = True
    late: tuple[Gap, ...] = ()
    metrics: tuple[MetricsSample, ...] = ()
    metric_values: tuple[MetricValues, ...] = ()
    load_workers: tuple[LoadWorker, ...] = ()
    engine: EngineRecord = NO_ENGINE
    logs: tuple[ContainerLog, ...] = ()
    canary: Canary | None = None
    roles: Mapping[str, History] = field(default_factory=dict)
    memo: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was derived from this history already, by name: see `chaos.history.cache`."""
