"""Stories of an autoscaler: a spike of the load, what the metrics said, and how desired replicas followed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Self

from histories import NAMESPACE, PROBED, WORKLOAD, Story, at, deployment, facts, node, pod, replica_set

from chaos.clock import NS
from chaos.history import LoadPoint, MetricsSample, PodUsage
from chaos.history.facts.autoscaler import KIND

LAB_TIMES = {"hpa_sync_s": 5, "hpa_cpu_initialization_s": 10, "hpa_initial_readiness_s": 5, "metrics_resolution_s": 10}
ASKING: Mapping[str, Any] = {
    **PROBED,
    "containers": [{**PROBED["containers"][0], "resources": {"requests": {"cpu": "200m"}}}],
}
"""Pods that ask for 200m and are Ready at most 8 s after their start: within 29 s of being made."""

RISE_BOUND_S, FALL_BOUND_S = 45.0, 80.0
"""In the lab's timings: 15 + 20 s to the metric, 5 s sync, 5 s allowance; down 5 s more and a window of 30 s."""


def cpu(percent: int) -> dict[str, Any]:
    """A metric of the autoscaler's spec."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def hpa(
    desired: int,
    *,
    measured: int | None = None,
    name: str = WORKLOAD,
    limits: tuple[int, int] = (2, 8),
    window_s: int = 30,
    inactive: str = "",
    limited: str = "",
    metrics: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """The raw autoscaler.

    `measured` is the percentage that its status shows, `inactive` why it cannot compute, `limited` what cut its wish.
    """
    wished = list(metrics) or [cpu(60)]
    status: dict[str, Any] = {"desiredReplicas": desired, "currentReplicas": desired, "conditions": []}
    if measured is not None:
        source = wished[0]["resource"]["name"]
        current = {"averageUtilization": measured}
        status["currentMetrics"] = [{"type": "Resource", "resource": {"name": source, "current": current}}]
    if inactive:
        status["conditions"] = [{"type": "ScalingActive", "status": "False", "reason": inactive, "message": "no"}]
    if limited:
        status["conditions"] = [{"type": "ScalingLimited", "status": "True", "reason": limited, "message": "more"}]
    return {
        "metadata": {"uid": f"hpa-{name}", "name": name, "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": WORKLOAD},
            "minReplicas": limits[0],
            "maxReplicas": limits[1],
            "metrics": wished,
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": window_s}},
        },
        "status": status,
    }


def aged(raw: dict[str, Any], made_s: float, ready_s: float | None) -> dict[str, Any]:
    """A pod with the moments that the calculator reads."""

    def stamp(seconds: float) -> str:
        return datetime.fromtimestamp(at(seconds) // NS, UTC).isoformat().replace("+00:00", "Z")

    condition = {"type": "Ready", "status": "True" if ready_s is not None else "False"}
    condition["lastTransitionTime"] = stamp(made_s if ready_s is None else ready_s)
    return {**raw, "status": {**raw["status"], "startTime": stamp(made_s), "conditions": [condition]}}


class Scaling(Story):
    """A story of a system with an autoscaler, in the lab's timings."""

    def stands(self, *uids: str, scaler: Mapping[str, Any] | None = None) -> Self:
        """The system stands when the watch begins, long since Ready; without `scaler` with the usual autoscaler."""
        self.saw(0, "LISTED", deployment(len(uids), spec=ASKING), "Deployment")
        self.saw(0, "LISTED", replica_set(len(uids)), "ReplicaSet").saw(0, "LISTED", node("n1"), "Node")
        for uid in uids:
            self.saw(0, "LISTED", aged(pod(uid, ready=True, spec=ASKING), -100, -95))
        if scaler is None or scaler:
            self.saw(0, "LISTED", scaler or hpa(len(uids), measured=40), KIND)
        kinds = ("Pod", "Deployment", "ReplicaSet", "Node", "EndpointSlice", KIND)
        raw = {"system": {"selector": {"app": WORKLOAD}}, "timings": LAB_TIMES}
        return self.has(facts=facts(raw=raw), covered_ns=dict.fromkeys(kinds, (at(0), at(self.end_s))))

    def loaded(self, rate_rps: float, begin_s: float, end_s: float) -> Self:
        """A steady stream, every request answered at once."""
        self.traffic(rate_rps=rate_rps, begin_s=begin_s, end_s=end_s)
        *others, last = self.parts["streams"]
        return self.has(streams=(*others, replace(last, rate_profile=(LoadPoint(at(begin_s), rate_rps),))))

    def slow(self, begin_s: float, end_s: float) -> Self:
        """Requests intended in a span take 7 s."""
        for row in self.rows:
            if at(begin_s) <= row["intended_ns"] < at(end_s):
                row["end_ns"] = row["intended_ns"] + 7 * NS
        return self

    def rescaled(self, at_s: float, desired: int, *, measured: int | None = None, **spec: Any) -> Self:
        """Desired replicas change, and the autoscaler says so a moment later."""
        self.saw(at_s, "MODIFIED", deployment(desired, spec=ASKING), "Deployment")
        return self.saw(at_s + 0.05, "MODIFIED", hpa(desired, measured=measured, **spec), KIND)

    def made(self, uid: str, at_s: float, ready_s: float | None) -> Self:
        """A pod is made, scheduled, started, and Ready at `ready_s`, if ever."""
        self.saw(at_s, "ADDED", aged(pod(uid, node="", spec=ASKING), at_s, None))
        self.saw(at_s + 0.1, "MODIFIED", aged(pod(uid, spec=ASKING), at_s, None))
        self.saw(at_s + 1, "MODIFIED", aged(pod(uid, running=True, spec=ASKING), at_s, None))
        if ready_s is not None:
            self.saw(ready_s, "MODIFIED", aged(pod(uid, ready=True, spec=ASKING), at_s, ready_s))
        return self

    def ends(self, at_s: float, *uids: str) -> Self:
        """Pods are deleted, and gone 3 s later."""
        for uid in uids:
            going = aged(pod(uid, ready=True, deleting=True, spec=ASKING), at_s - 60, at_s - 50)
            self.saw(at_s, "MODIFIED", going).saw(at_s + 3, "DELETED", going)
        return self

    def used(self, begin_s: int, end_s: int, amount: int, *uids: str, every_s: int = 10) -> Self:
        """The metrics API, asked each second, says that these pods use so many thousandths; new each ten seconds."""
        samples = [*self.parts.get("metrics", ())]
        for second in range(begin_s, end_s):
            fresh_s = begin_s + (second - begin_s) // every_s * every_s
            usage = PodUsage((at(fresh_s - 1)) / NS, 10.0, {"m": {"cpu": amount}})
            pods = {f"model-{uid}": usage for uid in uids}
            samples.append(MetricsSample(at(second + 0.02), at(second), pods))
        return self.has(metrics=tuple(samples))


def spike_story(*, until_s: float = 180) -> Scaling:
    """Two replicas, five times the load from 30 s to 90 s: 2, 4 at 42 s, 7 at 62 s, and 2 again at 132 s.

    Users wait 7 s until 70 s, and none at all from then on.
    """
    story = Scaling(until_s).stands("a", "b")
    story.loaded(1, 0, until_s - 5).loaded(4, 30, 90).slow(30, 70)
    story.used(0, 40, 80, "a", "b").used(40, 60, 200, "a", "b")
    story.saw(41, "MODIFIED", hpa(2, measured=100), KIND)
    story.rescaled(42, 4, measured=100).made("c", 42.1, 46).made("d", 42.2, 47)
    story.used(60, 72, 200, "a", "b", "c", "d")
    story.rescaled(62, 7, measured=100)
    for uid in "efg":
        story.made(uid, 62.1, 67)
    story.used(72, 100, 110, *"abcdefg").used(100, 132, 20, *"abcdefg")
    story.rescaled(132, 2, measured=10).ends(132.1, *"cdefg")
    story.used(132, round(until_s), 80, "a", "b")
    return story


MOST_FOUR = (2, 4)
"""The limits of an autoscaler at whose maximum a spike is carried."""

BEYOND = "TooManyReplicas"


def at_maximum(*, beyond: str = BEYOND, reached: int = 4) -> Scaling:
    """A spike from 30 to 90 s, for which the autoscaler sets a number at 42 s and, it may be, asks for more."""
    story = Scaling(120).stands("a", "b", scaler=hpa(2, measured=40, limits=MOST_FOUR))
    story.loaded(1, 0, 110).loaded(4, 30, 90)
    story.rescaled(42, reached, measured=100, limits=MOST_FOUR, limited=beyond)
    for uid in "cdef"[: reached - 2]:
        story.made(uid, 42.1, 46)
    return story
