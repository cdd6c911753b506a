"""DecisionsRecomputed where the trial's clock is not the cluster's, by which pods say how old they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from autoscaler_stories import LAB_TIMES, Scaling
from histories import WORKLOAD, facts

from chaos.checks import DecisionsRecomputed
from chaos.checks.verdict import Answer
from chaos.history.facts.server_clock import clocks_apart_ns

FLAGS = {**LAB_TIMES, "hpa_cpu_initialization_s": 60, "hpa_tolerance": 0.1, "hpa_downscale_stabilization_s": 300}


def early(text: str, by_s: float) -> str:
    """A moment as it reads on a clock that is behind by so much."""
    return (datetime.fromisoformat(text) - timedelta(seconds=by_s)).isoformat().replace("+00:00", "Z")


def young(replicas: int, *, ahead_s: float, stamped: bool = True) -> Scaling:
    """Two new pods are Ready at 46 s, and too young to count when the autoscaler sets that number at 52 s.

    The trial's clock is ahead of the cluster's by `ahead_s`; without `stamped` no object says when it was made.
    """
    story = Scaling(120).stands("a", "b").loaded(1, 0, 115).loaded(4, 30, 110)
    story.has(facts=facts(raw={"system": {"selector": {"app": WORKLOAD}}, "timings": FLAGS}))
    story.used(0, 40, 80, "a", "b").used(40, 50, 200, "a", "b").used(50, 120, 300, *"abcd")
    story.rescaled(42, 4, measured=100).made("c", 42.1, 46).made("d", 42.2, 47).rescaled(52, replicas, measured=150)
    for place, one in enumerate(story.events):
        if one.kind == "Pod":
            raw: dict[str, Any] = {**one.object, "status": {**one.object["status"]}}
            status, (ready,) = raw["status"], raw["status"]["conditions"]
            status["startTime"] = early(status["startTime"], ahead_s)
            status["conditions"] = [{**ready, "lastTransitionTime": early(ready["lastTransitionTime"], ahead_s)}]
            if stamped:
                raw["metadata"] = {**raw["metadata"], "creationTimestamp": status["startTime"]}
            story.events[place] = replace(one, object=raw)
    samples = story.parts["metrics"]
    shifted = (
        {name: replace(pod, stamp_s=pod.stamp_s - ahead_s) for name, pod in sample.pods.items()} for sample in samples
    )
    return story.has(metrics=tuple(replace(one, pods=pods) for one, pods in zip(samples, shifted, strict=True)))


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(young(5, ahead_s=0), Answer.PASS, id="one clock"),
        pytest.param(young(5, ahead_s=0, stamped=False), Answer.PASS, id="one clock, nothing stamped"),
        pytest.param(young(5, ahead_s=120), Answer.PASS, id="the trial's is ahead"),
        pytest.param(young(5, ahead_s=-120), Answer.PASS, id="the trial's is behind"),
        pytest.param(young(6, ahead_s=0), Answer.FAIL, id="a wrong number by one clock"),
        pytest.param(young(6, ahead_s=120), Answer.FAIL, id="a wrong number by two"),
    ],
)
def test_how_old_a_pod_is_goes_by_the_clusters_clock(story: Scaling, answer: Answer) -> None:
    """A pod that has just become Ready does not count for CPU; a host whose clock is ahead takes it for old."""
    finding = DecisionsRecomputed()(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("ahead_s", "apart"),
    [(0, (0,)), (3, (0,)), (120, (114.1, 120.1)), (-120, (-125.9, -119.9))],
)
def test_the_quickest_word_of_a_new_object_tells_of_the_clocks(ahead_s: float, apart: tuple[float, ...]) -> None:
    """What the API server made is stamped in whole seconds, and told up to some seconds later."""
    found = clocks_apart_ns(young(5, ahead_s=ahead_s).history())
    assert [one / 1e9 for one in found] == pytest.approx(apart)
