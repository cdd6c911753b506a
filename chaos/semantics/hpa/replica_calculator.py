"""How many replicas a horizontal autoscaler's metrics ask for, as autoscaling/v2 computes it.

Follows the replica calculator of Kubernetes 1.36 (kubernetes.md A.7) in its own arithmetic: amounts are whole
thousandths of a unit, averages are cut to whole numbers, and only the ratio to the target is a float. What a proposal
becomes (stabilisation, rates, limits) is `chaos.semantics.hpa.stabilization`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from chaos.semantics.hpa.pod_groups import Groups, PodSample, ReplicaState
from chaos.semantics.timings import KUBERNETES

__all__ = [
    "Pods",
    "Proposal",
    "Target",
    "Tolerance",
    "metric_replicas",
    "outside_replicas",
    "shown_replicas",
    "strongest",
]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far the ratio of measured to desired may lie from 1 without any change, each end included."""

    up: float = KUBERNETES.hpa_tolerance
    down: float = KUBERNETES.hpa_tolerance

    def holds(self, ratio: float) -> bool:
        """Whether the ratio is too near to 1 to act on."""
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True)
class Target:
    """What a metric is held against: percent of the request, or thousandths, for each pod on average or as a whole."""

    kind: Literal["Utilization", "AverageValue", "Value"]
    value: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one metric asks for. `replicas` is None if it cannot be computed, and `reason` says why.

    `measured` is what the autoscaler shows: percent of the requests, or the average in thousandths.
    """

    replicas: int | None
    measured: int | None = None
    reason: str = ""


def metric_replicas(
    pods: Iterable[ReplicaState],
    samples: Mapping[str, PodSample],
    groups: Groups,
    target: Target,
    *,
    current: int,
    tolerance: Tolerance,
) -> Proposal:
    """What a metric with one sample a pod asks for (Resource, ContainerResource, Pods).

    Whoever has no sample, or is not ready, is taken to speak against the change: on the way up as using nothing, on
    the way down as using its whole request (or the target, where that is more). If with them the ratio is within the
    tolerance or points the other way, nothing changes.
    """
    everyone = tuple(pods)
    if not everyone:
        return Proposal(None, reason="no pods were selected")
    usage = {
        name: sample.usage
        for name, sample in samples.items()
        if name not in groups.ignored and name not in groups.unready
    }
    if not usage:
        return Proposal(None, reason="no sample of any pod that counts (pods may be unready)")
    requests: dict[str, int] = {}
    if target.kind == "Utilization":
        if bare := [pod.name for pod in everyone if pod.request is None]:
            return Proposal(None, reason=f"missing request in pod {bare[0]}")
        requests = {pod.name: pod.request or 0 for pod in everyone}
    measured = _measured(usage, requests, target)
    if measured is None:
        return Proposal(None, reason="no sample matched a known pod")
    ratio = measured / target.value
    rising = ratio > 1.0
    if not (groups.unready and rising) and not groups.missing:
        wanted = current if tolerance.holds(ratio) else math.ceil(ratio * groups.counted)
        return Proposal(wanted, measured)
    filled = usage | _filled(groups, requests, target, ratio)
    return Proposal(_refined(filled, requests, target, ratio, current=current, tolerance=tolerance), measured)


def outside_replicas(
    target: Target, used: int, *, current: int, replicas: int, ready: int, tolerance: Tolerance
) -> Proposal:
    """What a metric that is none of the pods' (Object, External) asks for, of which all series add up to `used`.

    An average is one over the `replicas` of the workload's own status; a value is held against the target as a whole,
    and its ratio multiplies the pods that are `ready`.
    """
    if target.kind == "AverageValue":
        wanted = math.ceil(used / target.value)
        if not replicas:
            return Proposal(wanted)
        held = tolerance.holds(used / (target.value * replicas))
        return Proposal(replicas if held else wanted, math.ceil(used / replicas))
    ratio = used / target.value
    if not current:
        return Proposal(math.ceil(ratio), used)
    return Proposal(current if tolerance.holds(ratio) else math.ceil(ratio * ready), used)


def _measured(usage: Mapping[str, int], requests: Mapping[str, int], target: Target) -> int | None:
    """Percent of the requests, or the average; None if no pod with a request has a sample."""
    if target.kind == "AverageValue":
        return sum(usage.values()) // len(usage)
    known = [name for name in usage if name in requests]
    asked = sum(requests[name] for name in known)
    return sum(usage[name] for name in known) * 100 // asked if asked else None


def _filled(groups: Groups, requests: Mapping[str, int], target: Target, ratio: float) -> dict[str, int]:
    """What is assumed of the pods that have no sample that counts."""
    assumed: dict[str, int] = {}
    if ratio > 1.0:
        assumed = dict.fromkeys(groups.missing | groups.unready, 0)
    elif ratio < 1.0:
        share = max(100, target.value)
        for name in groups.missing:
            assumed[name] = requests[name] * share // 100 if target.kind == "Utilization" else target.value
    return assumed


def _refined(
    usage: Mapping[str, int],
    requests: Mapping[str, int],
    target: Target,
    ratio: float,
    *,
    current: int,
    tolerance: Tolerance,
) -> int:
    measured = _measured(usage, requests, target)
    assert measured is not None, "more pods are known than before, and then some had a request"
    refined = measured / target.value
    if tolerance.holds(refined) or (ratio < 1.0 < refined) or (refined < 1.0 < ratio):
        return current
    wanted = math.ceil(refined * len(usage))
    if (refined < 1.0 and wanted > current) or (refined > 1.0 and wanted < current):
        return current
    return wanted


@dataclass(frozen=True, slots=True)
class Pods:
    """How many pods the selector selects, and how many of them are surely Ready and measured."""

    all: int
    counted: int


def shown_replicas(
    target: Target, shown: int, *, current: int, pods: Pods, tolerance: Tolerance, outside: bool
) -> tuple[int, int]:
    """The fewest and the most replicas that a metric asks for which the autoscaler's status shows at `shown`.

    The status does not say which pods were measured. One that was not damps a rise and may forbid a fall. `outside`:
    the metric is none of the pods' (Object, External): its average is the sum over all replicas, shown rounded up.
    """
    if outside and target.kind == "AverageValue":
        if not current:
            return 0, 0
        least, most = (
            current if tolerance.holds(used / (target.value * current)) else math.ceil(used / target.value)
            for used in (max(0, (shown - 1) * current + 1), shown * current)
        )
        return least, most
    ratio = shown / target.value
    if not current:
        return math.ceil(ratio), math.ceil(ratio)
    if tolerance.holds(ratio) or not pods.all:
        return current, current
    most = math.ceil(ratio * pods.all)
    if ratio < 1.0:
        return math.ceil(ratio * pods.counted), most if pods.counted == pods.all else max(current, most)
    # The others count as idle, and the average of all is cut to a whole number again.
    damped = shown * pods.counted // pods.all / target.value
    least = current if tolerance.holds(damped) or damped < 1.0 else max(current, math.ceil(damped * pods.all))
    return min(least, most), max(least, most)


def strongest(proposals: Iterable[Proposal], *, current: int) -> Proposal:
    """The proposal that counts among those of all metrics: the highest.

    A metric that cannot be computed does not hold a rise up, but lets nothing fall.
    """
    everyone = tuple(proposals)
    valid = [one for one in everyone if one.replicas is not None]
    failed = [one for one in everyone if one.replicas is None]
    if not valid:
        return failed[0] if failed else Proposal(None, reason="there is no metric")
    best = max(valid, key=lambda one: one.replicas or 0)
    if failed and (best.replicas or 0) < current:
        return failed[0]
    return best
