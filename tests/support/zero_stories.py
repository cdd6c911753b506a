"""Stories of a workload that KEDA takes to and from zero replicas."""

from __future__ import annotations

from typing import Any

from autoscaler_stories import ASKING, LAB_TIMES, Scaling, hpa
from histories import NAMESPACE, WORKLOAD, at, deployment, facts

from chaos.history.facts.autoscaler import KIND
from chaos.objects.scaled_object import SCALED_OBJECT


def scaled_object(**spec: Any) -> dict[str, Any]:
    """A raw ScaledObject over the workload: looks each 5 s, and goes to zero 20 s after the last active look."""
    annotations = spec.pop("annotations", {})
    target = {"scaleTargetRef": {"name": WORKLOAD}, "pollingInterval": 5, "cooldownPeriod": 20, "minReplicaCount": 0}
    return {
        "metadata": {"uid": "so-1", "name": "chat", "namespace": NAMESPACE, "annotations": annotations},
        "spec": {**target, **spec},
    }


def to_zero(at_s: float | None = 60, *, scaled: dict[str, Any] | None = None, until_s: float = 120) -> Scaling:
    """Two replicas are asked for 30 s and then no more; none is desired from `at_s` on, their pods going at once."""
    story = Scaling(until_s).stands("a", "b").saw(0, "LISTED", scaled or scaled_object(), SCALED_OBJECT)
    story.loaded(2, 0, 30)
    if at_s is not None:
        story.saw(at_s, "MODIFIED", deployment(0, spec=ASKING), "Deployment").ends(at_s + 0.1, "a", "b")
    return story


def from_zero(
    *,
    held: bool = True,
    ready_s: float | None = 70,
    until_s: float = 120,
    decided_s: float = 55,
    scaled: dict[str, Any] | None = None,
) -> Scaling:
    """At zero since 45 s; a request a second from 50 s on; a pod is asked for at 55 s and Ready at `ready_s`.

    Requests before that are held until then, or refused at once.
    """
    story = to_zero(45, until_s=until_s, scaled=scaled).loaded(1, 50, 100)
    story.saw(decided_s, "MODIFIED", deployment(1, spec=ASKING), "Deployment").made("c", decided_s + 0.2, ready_s)
    for row in story.rows:
        if at(50) <= row["intended_ns"] < at(ready_s or until_s):
            gone: dict[str, Any] = {"outcome": "refused", "first_token_ns": None, "first_byte_ns": None}
            held_row = {"end_ns": at((ready_s or 0) + 1), "first_token_ns": at((ready_s or 0) + 0.5)}
            row.update(held_row if held and ready_s else gone)
    return story


def timed_zero(story: Scaling, **autoscaling: Any) -> Scaling:
    """The same with a metric that is at most 5 s old, and what the owner declares of the autoscaling."""
    timings = {**LAB_TIMES, "metric_delay_s": 5}
    raw = {"system": {"selector": {"app": WORKLOAD}}, "timings": timings, "autoscaling": autoscaling}
    return story.has(facts=facts(raw=raw))


def blind_story(*, until_s: float = 120, fails: str = "FailedGetExternalMetric", least: int = 1) -> Scaling:
    """Two replicas, whose autoscaler has no metrics from 30 s to 60 s, and 40 % of 60 % before and after."""
    story = Scaling(until_s).stands("a", "b", scaler=hpa(2, measured=40, limits=(least, 8)))
    story.loaded(2, 0, until_s - 5).saw(30, "MODIFIED", hpa(2, inactive=fails, limits=(least, 8)), KIND)
    return story.saw(60, "MODIFIED", hpa(2, measured=40, limits=(least, 8)), KIND)
