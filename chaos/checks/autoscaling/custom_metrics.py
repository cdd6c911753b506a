"""What the metrics ask for that are not metrics-server's (Pods, Object, External).

There are two sources: the values that the metrics APIs gave us, and what the autoscaler's own status shows of each look
that it took. The status is what it decided by, but shows averages only; between two of our questions a value may have
come and gone.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from chaos.checks.autoscaling.scaling import NEAR_NS
from chaos.checks.autoscaling.seen_pods import pods_seen
from chaos.checks.base import timings_of
from chaos.clock import NS
from chaos.history import History
from chaos.history.cache import once
from chaos.history.facts.autoscaler import AutoscalerView, MetricView
from chaos.history.facts.replica_counts import desired_replicas, workload_states
from chaos.history.facts.server_clock import clocks_apart_ns
from chaos.history.metrics import MetricValues
from chaos.objects.pod import PodView
from chaos.semantics.hpa.bounds import MEASURED, metric_bound
from chaos.semantics.hpa.pod_groups import PodSample, group_pods, replica_state
from chaos.semantics.hpa.replica_calculator import (
    Pods,
    Proposal,
    Target,
    Tolerance,
    metric_replicas,
    outside_replicas,
    shown_replicas,
)

__all__ = [
    "UNKNOWN_AT_ZERO",
    "averaged_over",
    "counted_pods",
    "first_over",
    "refusal",
    "sampled",
    "target_of",
    "told",
]

UNKNOWN_AT_ZERO = "of no replica its status shows no average"


def target_of(metric: MetricView) -> Target | None:
    """What a metric of the spec is held against; None where that cannot be read."""
    amount = None if metric.kind is None else metric.amount(metric.kind)
    return None if metric.kind is None or not amount else Target(metric.kind, amount)


def sampled(
    history: History, metric: MetricView, span: tuple[int, int], current: int, tolerance: Tolerance
) -> frozenset[Proposal]:
    """What a metric may have asked for in a span by what the metrics APIs gave us; empty where they were not asked."""
    target, found = target_of(metric), set[Proposal]()
    if target is None:
        return frozenset({Proposal(None, reason=f"{metric.name} has no target that can be read")})
    snapshots = tuple(pods_seen(history, *span))
    for sample in _around(_of_key(history, metric.key), *span):
        if sample.error or not sample.values:
            found.add(Proposal(None, reason=f"{metric.name} could not be read: {sample.error or 'it has no value'}"))
        elif metric.outside:
            used = sum(value for _, value in sample.values)
            found |= set(_outside(history, target, used, span, (current, tolerance)))
        else:
            found |= {_of_pods(target, sample, pods, current, tolerance) for pods in snapshots}
    return frozenset(found)


def told(
    history: History,
    metric: MetricView,
    views: Iterable[AutoscalerView],
    span: tuple[int, int],
    scale: tuple[int, Tolerance],
) -> frozenset[Proposal]:
    """What a metric asked for in a span by these states of the autoscaler, at least and at most and all between.

    `scale` are the replicas that are desired, and the tolerance.
    """
    target, found = target_of(metric), set[Proposal]()
    current, tolerance = scale
    for view in views:
        seen = next((seen for one, seen in view.readings if one.key == metric.key), None)
        shown = None if target is None or seen is None else seen.amount(target.kind)
        if target is None or shown is None:
            found.add(Proposal(None, reason=f"{metric.name} could not be read"))
        elif metric.outside and target.kind != "AverageValue":
            found |= set(_outside(history, target, shown, span, scale))
        else:
            over = averaged_over(history, view, span) if metric.outside else {current}
            if metric.outside and over == {0}:
                found.add(Proposal(None, reason=UNKNOWN_AT_ZERO))
                continue
            for at_ns, of in ((at_ns, of) for at_ns in span for of in over):
                pods = counted_pods(history, metric, at_ns)
                least, most = shown_replicas(
                    target, shown, current=of, pods=pods, tolerance=tolerance, outside=metric.outside
                )
                found |= {Proposal(number, shown) for number in range(least, most + 1)}
    return frozenset(found)


def refusal(history: History, metric: MetricView, span: tuple[int, int]) -> str:
    """What the metrics API told us instead of a metric in a span, e.g. that we may not read it; empty if nothing."""
    return next((one.error for one in _around(_of_key(history, metric.key), *span) if one.error), "")


def first_over(history: History, metric: MetricView, over: float, begin_ns: int, end_ns: int) -> int | None:
    """When the metrics API first had a metric above its target times `over`, None if it never did."""
    target = target_of(metric)
    for sample in _of_key(history, metric.key):
        if target is None or not sample.values or not begin_ns < sample.at_ns <= end_ns:
            continue
        amount = sum(value for _, value in sample.values)
        if target.kind == "AverageValue":
            amount //= (desired_replicas(history).value_at(sample.at_ns) or 1) if metric.outside else len(sample.values)
        if amount > target.value * over:
            return sample.at_ns
    return None


def averaged_over(history: History, view: AutoscalerView, span: tuple[int, int]) -> set[int]:
    """Over how many replicas an average that is none of the pods' may be: those of the sync that reported it, or since.

    That is the number in the workload's own status, which differs from what is desired in a release with a surge and
    under a quota (Kubernetes' pkg/controller/podautoscaler/replica_calculator.go, `GetExternalPerPodMetricReplicas`).
    """
    desired = int(view.status.get("currentReplicas") or desired_replicas(history).value_at(span[1]) or 0)
    return {one for one in (desired, *_statuses(history, span[0] - NEAR_NS, span[1])) if one} or {0}


def counted_pods(history: History, metric: MetricView, at_ns: int) -> Pods:
    """How many pods the metric may be about, and how many of them are Ready and measured beyond doubt.

    A pod that has only turned Ready may not be measured yet, unless the metric is none of the pods'.
    """
    pods = [pod for pod in next(pods_seen(history, at_ns, at_ns)) if not pod.deleting and pod.phase != "Failed"]
    settled_s = 0.0 if metric.outside else metric_bound(timings_of(history)).total_s
    states = [state for pod in pods if (state := replica_state(pod, "")).ready and state.phase == "Running"]
    now_s = (at_ns - max(clocks_apart_ns(history))) / NS
    old = {one.name for one in states if (one.ready_since_s or 0.0) + settled_s <= now_s}
    samples = history.metrics[: bisect_right(history.metrics, at_ns, key=lambda one: one.at_ns)]
    if metric.type in MEASURED and samples and not samples[-1].error:
        old &= samples[-1].pods.keys()
    return Pods(len(pods), len(old))


def _outside(
    history: History, target: Target, used: int, span: tuple[int, int], scale: tuple[int, Tolerance]
) -> Iterator[Proposal]:
    """What such a metric may ask for, by each number of replicas and of Ready pods that there was in a span.

    A pod that is going counts as long as it is Ready (`getReadyPodsCount` of the replica calculator).
    """
    current, tolerance = scale
    replicas = {*_statuses(history, *span)} or {current}
    ready = {
        sum(state.ready is True and state.phase == "Running" for state in (replica_state(pod, "") for pod in pods))
        for pods in pods_seen(history, *span)
    }
    for of in replicas:
        for there in ready:
            yield outside_replicas(target, used, current=current, replicas=of, ready=there, tolerance=tolerance)


def _statuses(history: History, begin_ns: int, end_ns: int) -> set[int]:
    """The numbers of replicas that the workload's own status said in a span, and the last one before it.

    A status without a number says 0 only where the workload's controller has reported at all.
    """
    known = [(at_ns, int(view.status.get("replicas") or 0)) for at_ns, view in workload_states(history) if view.status]
    before = [count for at_ns, count in known if at_ns <= begin_ns][-1:]
    return {*before, *(count for at_ns, count in known if begin_ns < at_ns <= end_ns)}


def _of_pods(
    target: Target, sample: MetricValues, pods: tuple[PodView, ...], current: int, tolerance: Tolerance
) -> Proposal:
    """What a metric with one value a pod asks for; no pod of it is young."""
    states = [replica_state(pod, "") for pod in pods]
    names = {one.name for one in states}
    values = {name: PodSample(value, 0.0, 0.0) for name, value in sample.values if name in names}
    groups = group_pods(states, values, cpu=False, now_s=0.0, cpu_initialization_s=0.0, initial_readiness_s=0.0)
    return metric_replicas(states, values, groups, target, current=current, tolerance=tolerance)


@once
def _by_key(history: History) -> dict[str, list[MetricValues]]:
    found: dict[str, list[MetricValues]] = {}
    for one in history.metric_values:
        found.setdefault(one.metric, []).append(one)
    return found


def _of_key(history: History, key: str) -> list[MetricValues]:
    return _by_key(history).get(key, [])


def _around(samples: list[MetricValues], begin_ns: int, end_ns: int) -> list[MetricValues]:
    """The samples whose values may have held in a span: from the last before it to the first after it."""
    first = bisect_right(samples, begin_ns, key=lambda one: one.at_ns) - 1
    last = bisect_left(samples, end_ns, key=lambda one: one.asked_ns)
    return samples[max(0, first) : last + 1]
