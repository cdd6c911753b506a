"""How soon an autoscaler must follow: sums of the parts that its spec and the cluster's timings give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chaos.semantics import KUBERNETES, LAB, Timings
from chaos.semantics.hpa.bounds import fall_bound, rise_bound
from chaos.semantics.hpa.stabilization import Behaviour, down_steps

PODS_2 = {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]}
TENTH = {"policies": [{"type": "Percent", "value": 10, "periodSeconds": 30}]}


def behaviour(**spec: dict[str, Any]) -> Behaviour:
    """The behaviour of a spec."""
    return Behaviour.of({"behavior": spec} if spec else {})


def test_the_bound_of_a_rise() -> None:
    """15 s of measuring, two windows of the metrics, a sync, the scale-up window, the allowance."""
    assert rise_bound(behaviour(), LAB).total_s == 15 + 2 * 10 + 5 + 0 + 5
    assert rise_bound(behaviour(), KUBERNETES).total_s == 15 + 2 * 15 + 15 + 0 + 5
    held = behaviour(scaleUp={"stabilizationWindowSeconds": 60})
    assert rise_bound(held, LAB).total_s == rise_bound(behaviour(), LAB).total_s + 60


def test_nobody_promises_how_old_a_foreign_metric_is() -> None:
    """An External metric has no part of metrics-server's; its age is unpromised, or what was declared."""
    silent = rise_bound(behaviour(), LAB, ["External"])
    assert silent.total_s == 5 + 0 + 5
    assert "metric_delay_s" in silent.unpromised[0].reason
    declared = replace(LAB, metric_delay_s=60)
    assert rise_bound(behaviour(), declared, ["Pods"]).total_s == 60 + 5 + 0 + 5
    assert not rise_bound(behaviour(), declared, ["Pods"]).unpromised
    # of two metrics either may show the load first: the slower one is waited for
    assert rise_bound(behaviour(), declared, ["Resource", "External"]).total_s == 60 + 5 + 0 + 5
    assert fall_bound(behaviour(), LAB, ["Object"], peak=8, bottom=2).unpromised


def test_the_bound_of_a_fall() -> None:
    """The same way to the metric, a sync on either side of the window, and each further step of the rate."""
    assert fall_bound(behaviour(), LAB, peak=8, bottom=2).total_s == 15 + 2 * 10 + 2 * 5 + 300 + 0 + 5
    slow = behaviour(scaleDown={"stabilizationWindowSeconds": 30, **PODS_2})
    assert fall_bound(slow, LAB, peak=8, bottom=2).total_s == 15 + 20 + 10 + 30 + 2 * (60 + 5) + 5
    never = fall_bound(behaviour(scaleDown={"selectPolicy": "Disabled"}), LAB, peak=8, bottom=2)
    assert never.unpromised


@pytest.mark.parametrize(
    ("rules", "peak", "bottom", "steps"),
    [
        ({}, 8, 2, 1),
        ({}, 2, 2, 0),
        (PODS_2, 8, 2, 3),
        (PODS_2, 7, 2, 3),
        # 20, 18, 16, 14, 12, 10: cut to whole pods
        (TENTH, 20, 10, 5),
        ({"selectPolicy": "Disabled"}, 8, 2, None),
    ],
)
def test_the_steps_of_a_fall(rules: dict[str, Any], peak: int, bottom: int, steps: int | None) -> None:
    """As many as the rates need, and none where they never let it fall."""
    assert down_steps(behaviour(scaleDown=rules).down, peak, bottom) == steps


def test_an_earlier_record_calls_the_delay_of_metrics_otherwise() -> None:
    """What `custom_metrics_s` said in trial.json still counts."""
    assert Timings.of({"custom_metrics_s": 20}).metric_delay_s == 20
