"""What the autoscaler may have recommended at each moment, computed again from the recorded metrics and pods."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise, product

from chaos.checks.autoscaling.custom_metrics import UNKNOWN_AT_ZERO, refusal, sampled, target_of, told
from chaos.checks.autoscaling.scaling import NEAR_NS, behaviour_at
from chaos.checks.autoscaling.seen_pods import pods_seen
from chaos.checks.base import timings_of
from chaos.clock import NS
from chaos.history import History, MetricsSample
from chaos.history.facts.autoscaler import AutoscalerLife, AutoscalerView, MetricView
from chaos.history.facts.replica_counts import desired_replicas
from chaos.history.facts.server_clock import clocks_apart_ns
from chaos.objects.pod import PodView
from chaos.semantics import Timings
from chaos.semantics.hpa.bounds import MEASURED
from chaos.semantics.hpa.pod_groups import PodSample, group_pods, replica_state
from chaos.semantics.hpa.replica_calculator import Proposal, Tolerance, metric_replicas, strongest

__all__ = ["BEFORE_NS", "Reach"]

BEFORE_NS = 2 * NS
"""A decision was made at most this long before we received news of it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The recorded inputs of one autoscaler, read with these timings of the cluster, by default the recorded ones.

    `apart_ns`: by how much what it was shown may have been older or newer than what we were shown. `telling`: of
    metrics that are not metrics-server's, what its own status showed counts beside what we were shown. `by_status`: of
    all metrics that alone counts.
    """

    history: History
    life: AutoscalerLife
    given: Timings | None = None
    apart_ns: int = 0
    telling: bool = False
    by_status: bool = False

    @property
    def timings(self) -> Timings:
        return timings_of(self.history) if self.given is None else self.given

    def uncomputable(self, begin_ns: int, end_ns: int, current: int, announced: AutoscalerView | None) -> str:
        """Which metric of the autoscaler nothing recorded tells, in words; empty if all can be computed."""
        metrics = self.life.at(end_ns).metrics
        for metric in (one for one in metrics if one.type not in MEASURED):
            found = self._other(metric, (begin_ns, end_ns), current, announced)
            reasons = [one.reason for one in found if one.replicas is None]
            # By its own status it decided without this one, and by another.
            failed = announced is not None and len(metrics) > 1 and UNKNOWN_AT_ZERO not in reasons
            if any(one.replicas is not None for one in found) or (failed and reasons):
                continue
            refused = refusal(self.history, metric, (begin_ns, end_ns))
            text = reasons[0] if reasons else f"metric {metric.name} is of type {metric.type}, and was not recorded"
            return f"{text}; the metrics API told us: {refused}" if refused else text
        return ""

    def holes(self, begin_ns: int, end_ns: int) -> str:
        """Why the samples do not cover a span, empty if they do: none may be further apart than new values come."""
        if not any(one.type in MEASURED for one in self.life.at(end_ns).metrics):
            return ""
        samples = self._around(begin_ns, end_ns)
        if not samples or samples[0].asked_ns > begin_ns or samples[-1].at_ns < end_ns:
            return "the metrics were not recorded all that time"
        limit_ns = round(self.timings.metrics_resolution_s * NS)
        gaps = (after.asked_ns - before.at_ns for before, after in pairwise(samples))
        return "there is a hole in the recorded metrics" if any(gap_ns > limit_ns for gap_ns in gaps) else ""

    def proposals(
        self, begin_ns: int, end_ns: int, current: int, announced: AutoscalerView | None = None
    ) -> frozenset[Proposal]:
        """What the metrics may have asked for at some moment of a span, with `current` replicas desired.

        `announced` is the status that the autoscaler wrote with the decision that is computed, where it is known.
        """
        metrics = self.life.at(end_ns).metrics
        others = [
            self._other(one, (begin_ns, end_ns), current, announced) or {Proposal(None, reason="not recorded")}
            for one in metrics
            if self.by_status or one.type not in MEASURED
        ]
        own = (
            {()}
            if metrics and len(others) == len(metrics)
            else {self._measured(*look, current) for look in self._looks(begin_ns, end_ns)}
        )
        return frozenset(strongest((*one, *rest), current=current) for one in own for rest in product(*others))

    def unsampled(self, begin_ns: int, end_ns: int, current: int, announced: AutoscalerView) -> str:
        """Which metric its status shows at a value that no sample of a span gives, in words; empty if there is none."""
        looks = tuple(self._looks(begin_ns, end_ns))
        for metric, seen in announced.readings:
            if metric.type not in MEASURED or metric.kind is None or (amount := seen.amount(metric.kind)) is None:
                continue
            found = {
                self._metric(metric, sample, pods, now_ns - ahead_ns, (current, Tolerance())).measured
                for sample, pods, (now_ns, ahead_ns) in looks
            }
            if amount not in found:
                return f"{metric.name} was at {seen.shown(metric.kind)} by its own status, which no sample gives"
        return ""

    def _looks(
        self, begin_ns: int, end_ns: int
    ) -> Iterator[tuple[MetricsSample, tuple[PodView, ...], tuple[int, int]]]:
        """What it may have seen in a span: each sample with each state of the pods, at either end by any clock."""
        snapshots = tuple(pods_seen(self.history, begin_ns, end_ns))
        moments = tuple(product({begin_ns, end_ns}, clocks_apart_ns(self.history)))
        return product(self._around(begin_ns - self.apart_ns, end_ns + self.apart_ns), snapshots, moments)

    def _other(
        self, metric: MetricView, span: tuple[int, int], current: int, announced: AutoscalerView | None
    ) -> frozenset[Proposal]:
        """What a metric that is not metrics-server's may have asked for in a span."""
        tolerance = behaviour_at(self.history, self.life, span[1], self.timings).tolerance
        shown = sampled(self.history, metric, span, current, tolerance)
        if not self.telling:
            return shown
        # That we were refused says nothing of the autoscaler.
        shown = frozenset(one for one in shown if one.replicas is not None)
        if announced is not None:
            said = told(self.history, metric, (announced,), span, (current, tolerance))
            exact = metric.outside and all(one.reason != UNKNOWN_AT_ZERO for one in said)
            return said if exact else said | shown
        views = (view for _, view in self.life.within(span[0], span[1] + NEAR_NS))
        return shown | told(self.history, metric, views, span, (current, tolerance))

    def recommended(self, at_ns: int) -> frozenset[int | None]:
        """What may have been recommended by a sync at about a moment; None: perhaps nothing.

        Nothing is by a sync that has no metrics, that could not scale by the autoscaler's own status, or that only
        brings the number back between the limits.
        """
        current, view = desired_replicas(self.history).value_at(at_ns) or 0, self.life.at(at_ns)
        if not view.least <= current <= view.most:
            return frozenset({None})
        found = self.proposals(max(self.life.first_ns, at_ns - BEFORE_NS), at_ns, current)
        unable = any(one.inactive for _, one in self.life.within(at_ns - BEFORE_NS, at_ns + BEFORE_NS))
        numbers = frozenset(one.replicas for one in found)
        return numbers | {None} if unable else numbers

    def first_over(self, begin_ns: int, end_ns: int) -> int | None:
        """When the metrics API first had a metric above its target and tolerance, None if it never did."""
        for sample in self.history.metrics:
            if begin_ns < sample.at_ns <= end_ns and self._over(sample):
                return sample.at_ns
        return None

    def _over(self, sample: MetricsSample) -> bool:
        over = 1.0 + behaviour_at(self.history, self.life, sample.at_ns).up.tolerance
        pods = next(pods_seen(self.history, sample.at_ns, sample.at_ns))
        current = desired_replicas(self.history).value_at(sample.at_ns) or 0
        for metric in (one for one in self.life.at(sample.at_ns).metrics if one.type in MEASURED):
            found = self._metric(metric, sample, pods, sample.at_ns, (current, Tolerance()))
            target = target_of(metric)
            if target is not None and found.measured is not None and found.measured / target.value > over:
                return True
        return False

    def _around(self, begin_ns: int, end_ns: int) -> tuple[MetricsSample, ...]:
        """The samples whose values may have held in a span: from the last before it to the first after it."""
        samples = self.history.metrics
        first = bisect_right(samples, begin_ns, key=lambda one: one.at_ns) - 1
        last = bisect_left(samples, end_ns, key=lambda one: one.asked_ns)
        return samples[max(0, first) : last + 1]

    def _measured(
        self, sample: MetricsSample, pods: tuple[PodView, ...], moment: tuple[int, int], current: int
    ) -> tuple[Proposal, ...]:
        """What usage asks for at a moment, whose clock is ahead of that by which pods say how old they are."""
        now_ns, ahead_ns = moment
        scale = (current, behaviour_at(self.history, self.life, now_ns, self.timings).tolerance)
        metrics = (one for one in self.life.at(now_ns).metrics if one.type in MEASURED)
        return tuple(self._metric(one, sample, pods, now_ns - ahead_ns, scale) for one in metrics)

    def _metric(
        self,
        metric: MetricView,
        sample: MetricsSample,
        pods: tuple[PodView, ...],
        now_ns: int,
        scale: tuple[int, Tolerance],
    ) -> Proposal:
        target = target_of(metric)
        if sample.error or target is None:
            return Proposal(None, reason=sample.error or f"{metric.name} has no target that can be read")
        resource, container = str(metric.source.get("name", "")), str(metric.source.get("container", ""))
        states = [replica_state(pod, resource, container) for pod in pods]
        if lacking := _without(sample, {one.name for one in states}, container):
            return Proposal(None, reason=f"container {container} is not among the metrics of pod {lacking}")
        usage = dict(_usage(sample, {one.name for one in states}, resource, container))
        groups = group_pods(
            states,
            usage,
            cpu=resource == "cpu",
            now_s=now_ns / NS,
            cpu_initialization_s=self.timings.hpa_cpu_initialization_s,
            initial_readiness_s=self.timings.hpa_initial_readiness_s,
        )
        current, tolerance = scale
        return metric_replicas(states, usage, groups, target, current=current, tolerance=tolerance)


def _usage(sample: MetricsSample, names: set[str], resource: str, container: str) -> Iterator[tuple[str, PodSample]]:
    """Each pod's usage; a pod of which one container has none has none itself."""
    for name, pod in sample.pods.items():
        chosen: Mapping[str, Mapping[str, int]] = pod.containers
        if container:
            chosen = {container: chosen[container]} if container in chosen else {}
        if name in names and chosen and all(resource in usage for usage in chosen.values()):
            yield name, PodSample(sum(usage[resource] for usage in chosen.values()), pod.stamp_s, pod.window_s)


def _without(sample: MetricsSample, names: set[str], container: str) -> str:
    """A pod that is measured without the container that a metric is about, empty if there is none.

    One such pod, e.g. of a server that has not started beside its sidecar, fails the metric as a whole (Kubernetes'
    pkg/controller/podautoscaler/metrics/client.go, `getContainerMetrics`).
    """
    measured = (name for name in sorted(names & sample.pods.keys()) if container)
    return next((name for name in measured if container not in sample.pods[name].containers), "")
