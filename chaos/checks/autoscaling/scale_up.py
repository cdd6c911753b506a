"""How the system followed a load spike up, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chaos.checks.autoscaling.common import Rescale, behaviour_at, rescales
from chaos.checks.autoscaling.recommendations import Reach
from chaos.checks.autoscaling.slo_regained import answered_rps, regained_ns
from chaos.checks.verdict import Evidence
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.offered_load import LoadSpike
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import desired_replicas, ready_replicas
from chaos.slo import Slo

__all__ = ["Climb", "FollowedDetail", "climb_of"]

RATE_SPAN_NS = 10 * NS
"""Answers are counted over ten seconds before the step, after it, and at the end of the spike."""


@dataclass(frozen=True, slots=True)
class StagesDetail:
    """Seconds from the step to the end of each stage; None for what was not seen before the spike ended."""

    metric_over_s: float | None
    desired_raised_s: float | None
    scheduled_s: float | None
    started_s: float | None
    ready_s: float | None
    slo_regained_s: float | None


@dataclass(frozen=True, slots=True)
class FollowedDetail:
    """One load spike as the system followed it, in numbers; the metric's are None where it is no percentage."""

    spike_begin_ns: int
    spike_end_ns: int
    before_rps: float
    peak_rps: float
    stages: StagesDetail
    bound_s: float
    metric: str
    measured_percent_max: int | None
    target_percent: int | None
    desired_before: int
    desired_at_end: int
    ready_at_end: int
    replicas_max: int
    rises: tuple[tuple[int, int, int], ...]
    answered_before_rps: float | None
    answered_at_step_rps: float | None
    answered_at_end_rps: float | None


@dataclass(frozen=True, slots=True)
class Climb:
    """One spike as the system followed it. Moments are None for what was not seen before the spike ended.

    `over_ns`: when the metrics API, or where it was not recorded the autoscaler, first said that a metric is over its
    target (`measured` at its highest, of `target`,
    in percent, None for metrics that are no percentage). `rises`: desired replicas. `pods`: those made since the first
    rise. `desired` and `ready`: at the end of the spike. `regained_ns`: users inside the SLO again.
    """

    spike: LoadSpike
    end_ns: int
    most: int
    start: int
    over_ns: int | None
    metric: str
    measured: int | None
    target: int | None
    rises: tuple[Rescale, ...]
    pods: tuple[PodLife, ...]
    desired: int
    ready: int
    regained_ns: int | None
    answered: tuple[float | None, float | None, float | None]

    @property
    def at_most(self) -> bool:
        """Whether desired replicas were at the autoscaler's maximum when the spike ended."""
        return self.desired >= self.most

    @property
    def stages(self) -> dict[str, float | None]:
        """Seconds from the step to each stage's end."""
        last = {
            name: _last(tuple(getattr(life, f"{name}_ns") for life in self.pods))
            for name in ("scheduled", "started", "ready")
        }
        moments = {"metric_over": self.over_ns, "desired_raised": self.rises[0].at_ns if self.rises else None}
        moments |= last | {"slo_regained": self.regained_ns}
        return {
            f"{name}_s": None if at_ns is None else round(seconds(at_ns - self.spike.begin_ns), 3)
            for name, at_ns in moments.items()
        }

    def detail(self, bound_s: float) -> FollowedDetail:
        """The climb in numbers."""
        before, after, end = self.answered
        return FollowedDetail(
            spike_begin_ns=self.spike.begin_ns,
            spike_end_ns=self.end_ns,
            before_rps=self.spike.before_rps,
            peak_rps=self.spike.peak_rps,
            stages=StagesDetail(**self.stages),
            bound_s=bound_s,
            metric=self.metric,
            measured_percent_max=self.measured,
            target_percent=self.target,
            desired_before=self.start,
            desired_at_end=self.desired,
            ready_at_end=self.ready,
            replicas_max=self.most,
            rises=tuple((one.at_ns, one.before, one.after) for one in self.rises),
            answered_before_rps=before,
            answered_at_step_rps=after,
            answered_at_end_rps=end,
        )

    def evidence(self) -> Iterator[Evidence]:
        """The moments that the climb consists of."""
        yield Evidence(self.spike.begin_ns, f"the load rose from {self.spike.words}")
        if self.over_ns is not None:
            yield Evidence(self.over_ns, f"{self.metric} was over its target of {self.target} %")
        for rise in self.rises:
            yield Evidence(rise.at_ns, rise.words)
        for life in self.pods:
            if life.ready_ns is not None:
                yield Evidence(
                    life.ready_ns, f"{life.name} was Ready, {seconds(life.ready_ns - life.created_ns):.1f} s old"
                )
        _, after, end = self.answered
        if after is not None and end is not None:
            text = f"{end:g} answers/s from {self.ready} replicas, {after:g}/s from {self.start} at the step"
            yield Evidence(self.end_ns, f"{text}, {self.spike.peak_rps:g}/s asked for")
        if self.regained_ns is not None:
            yield Evidence(self.regained_ns, "users were inside the SLO from here to the end of the spike")


def climb_of(history: History, life: AutoscalerLife, spike: LoadSpike, slo: Slo | None) -> Climb:
    """Read a climb off the history."""
    begin_ns = spike.begin_ns
    end_ns = history.ended_ns if spike.end_ns is None else spike.end_ns
    changes = [one for one in rescales(history) if begin_ns < one.at_ns <= end_ns]
    rises = tuple(one for one in changes if one.up)
    first_ns = rises[0].at_ns if rises else end_ns
    # News of a pod may come a moment before that of the number that asked for it.
    pods = tuple(life for life in pod_lives(history) if first_ns - NS <= life.created_ns <= end_ns) if rises else ()
    over_ns, metric, measured, target = _metric(history, life, begin_ns, end_ns)
    # The metrics API had it before the autoscaler looked, where it was recorded.
    sampled_ns = Reach.of(history, life).first_over(begin_ns, end_ns if over_ns is None else over_ns)
    over_ns = over_ns if sampled_ns is None else sampled_ns
    return Climb(
        spike=spike,
        end_ns=end_ns,
        most=life.at(end_ns).most,
        start=desired_replicas(history).value_at(begin_ns) or 0,
        over_ns=over_ns,
        metric=metric,
        measured=measured,
        target=target,
        rises=rises,
        pods=pods,
        desired=desired_replicas(history).value_at(end_ns) or 0,
        ready=ready_replicas(history).value_at(end_ns) or 0,
        regained_ns=None if slo is None else regained_ns(history, slo, begin_ns, end_ns),
        answered=(
            answered_rps(history, begin_ns - RATE_SPAN_NS, begin_ns),
            answered_rps(history, begin_ns, min(end_ns, begin_ns + RATE_SPAN_NS)),
            answered_rps(history, max(begin_ns, end_ns - RATE_SPAN_NS), end_ns),
        ),
    )


def _metric(
    history: History, life: AutoscalerLife, begin_ns: int, end_ns: int
) -> tuple[int | None, str, int | None, int | None]:
    """When a metric was first over its target, which, its highest value, and the target, in percent.

    Of several metrics it is the one that came highest above its target.
    """
    worst: tuple[float, int | None, str, int | None, int | None] = (-1.0, None, "", None, None)
    for number, metric in enumerate(life.at(begin_ns).metrics):
        name, target = metric.name, metric.percent
        if target is None:
            worst = max(worst, (-0.5, None, name, None, None), key=lambda one: one[0])
            continue
        over = 1.0 + behaviour_at(history, life, begin_ns).up.tolerance
        seen = [
            (at_ns, reading.percent)
            for at_ns, view in life.states
            if begin_ns < at_ns <= end_ns
            for wanted, reading in view.readings[number : number + 1]
            if wanted.name == name and reading.percent is not None
        ]
        high = max((percent for _, percent in seen), default=None)
        first_ns = next((at_ns for at_ns, percent in seen if percent / target > over), None)
        ratio = -0.25 if high is None else high / target
        worst = max(worst, (ratio, first_ns, name, high, target), key=lambda one: one[0])
    return worst[1:]


def _last(moments: tuple[int | None, ...]) -> int | None:
    """The last of all moments, None if one has not come."""
    known = [at_ns for at_ns in moments if at_ns is not None]
    return max(known) if known and len(known) == len(moments) else None
