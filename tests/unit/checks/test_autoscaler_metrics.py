"""Autoscalers as they are met outside the lab: other metrics, failed metrics, other hands on the same number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from autoscaler_stories import ASKING, Scaling, aged, cpu, hpa
from histories import deployment, node, pod

from chaos.checks import NoFlapping, ScaledDown, ScaledUp, WithinLimits
from chaos.checks.verdict import Answer, Check
from chaos.history.facts.autoscaler import KIND
from chaos.slo import Slo

FOLLOWED_OR_OPEN = {Answer.PASS, Answer.UNKNOWN}
FIVE_EACH = {"type": "AverageValue", "averageValue": "5"}
EXTERNAL = {"type": "External", "external": {"metric": {"name": "s0-prometheus"}, "target": FIVE_EACH}}
PODS = {"type": "Pods", "pods": {"metric": {"name": "vllm_num_requests_waiting"}, "target": FIVE_EACH}}
OBJECT = {
    "type": "Object",
    "object": {
        "metric": {"name": "queue_length"},
        "describedObject": {"kind": "Service", "name": "model"},
        "target": FIVE_EACH,
    },
}
MEMORY_SHARE = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 90}},
}
MEMORY_AMOUNT = {
    "type": "Resource",
    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
}
FAILED = {"type": ""}
"""What status.currentMetrics holds in the place of a metric that could not be read."""


def percent(name: str, value: int) -> dict[str, Any]:
    """A resource in the autoscaler's status, in per cent of what is requested."""
    return {"type": "Resource", "resource": {"name": name, "current": {"averageUtilization": value}}}


def amount(metric: Mapping[str, Any], value: str) -> dict[str, Any]:
    """A metric in the autoscaler's status, as an amount for each pod."""
    kind = metric["type"]
    key = kind.lower()
    known = {name: metric[key][name] for name in ("metric", "name") if name in metric[key]}
    return {"type": kind, key: {**known, "current": {"averageValue": value}}}


def scaler(desired: int, metrics: Sequence[Mapping[str, Any]], current: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """An autoscaler on these metrics, whose status shows those values."""
    raw = hpa(desired, limits=(2, 8), metrics=[cpu(60)])
    raw["spec"]["metrics"] = list(metrics)
    raw["status"]["currentMetrics"] = list(current)
    return raw


# --- where the controller's own arithmetic ends -------------------------------------------------------------


@pytest.mark.parametrize("measured", [41, 45, 53])
def test_three_replicas_that_the_load_needs_stay_three(measured: int) -> None:
    """Three replicas at 41 to 53 % of a target of 60 % are rounded up to three again, so nothing is to fall.

    Before the spike there were two at 62 %, which is within the tolerance.
    """
    story = Scaling(220).stands("a", "b", scaler=hpa(2, measured=62)).loaded(4, 0, 215).loaded(8, 30, 90)
    story.saw(41, "MODIFIED", hpa(2, measured=110), KIND)
    story.rescaled(42, 4, measured=110).made("c", 42.1, 46).made("d", 42.2, 47)
    story.saw(110, "MODIFIED", hpa(4, measured=31), KIND)
    story.rescaled(140, 3, measured=31).ends(140.1, "d")
    story.saw(150, "MODIFIED", hpa(3, measured=measured), KIND)
    finding = ScaledDown()(story.history())
    assert finding.answer in FOLLOWED_OR_OPEN, finding.line()


# --- one of several metrics cannot be read ------------------------------------------------------------------


@pytest.mark.parametrize(
    "failed",
    [
        pytest.param((), id="cpu alone"),
        pytest.param((EXTERNAL,), id="after a failed one"),
    ],
)
def test_a_metric_over_its_target_is_found_in_its_own_place(failed: Sequence[Mapping[str, Any]]) -> None:
    """The autoscaler's own status shows cpu at 150 % of 60 %, whatever became of the metric before it."""
    metrics, empty = [*failed, cpu(60)], [FAILED] * len(failed)
    story = Scaling(200).stands("a", "b", scaler=scaler(2, metrics, [*empty, percent("cpu", 40)]))
    story.loaded(1, 0, 195).loaded(4, 30, 120)
    story.saw(50, "MODIFIED", scaler(2, metrics, [*empty, percent("cpu", 150)]), KIND)
    finding = ScaledUp()(story.history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert "desired replicas did not rise" in finding.reason


def test_a_metric_that_was_never_read_has_no_figure() -> None:
    """Cpu cannot be read, which lets nothing fall, and the 60 % in the status are memory's."""
    metrics, current = [cpu(60), MEMORY_SHARE], [FAILED, percent("memory", 60)]
    story = Scaling(220).stands("a", "b", scaler=scaler(2, metrics, current))
    story.loaded(1, 0, 215).loaded(4, 30, 90)
    story.saw(42, "MODIFIED", deployment(4, spec=ASKING), "Deployment")
    story.saw(42.05, "MODIFIED", scaler(4, metrics, current), KIND)
    story.saw(120, "MODIFIED", scaler(4, metrics, current), KIND)
    finding = ScaledDown()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "cpu is at 60 %" not in finding.reason


# --- metrics that are not the kubelet's ---------------------------------------------------------------------


each_foreign = pytest.mark.parametrize("metric", [EXTERNAL, PODS, OBJECT], ids=["External", "Pods", "Object"])


@each_foreign
def test_nobody_promises_how_soon_a_foreign_metric_shows_the_load(metric: Mapping[str, Any]) -> None:
    """A metric out of Prometheus passes its target 49 s after the step, and the autoscaler follows within 1 s."""
    story = Scaling(300).stands("a", "b", scaler=scaler(2, [metric], [amount(metric, "2")]))
    story.loaded(1, 0, 295).loaded(4, 30, 200)
    story.saw(79, "MODIFIED", scaler(2, [metric], [amount(metric, "12")]), KIND)
    story.saw(80, "MODIFIED", deployment(5, spec=ASKING), "Deployment")
    story.saw(80.05, "MODIFIED", scaler(5, [metric], [amount(metric, "12")]), KIND)
    for uid in "cde":
        story.made(uid, 80.2, 85)
    finding = ScaledUp()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert f"how soon a metric of type {metric['type']} shows the load" in finding.reason


@each_foreign
def test_nobody_promises_how_soon_a_foreign_metric_shows_that_the_load_is_gone(metric: Mapping[str, Any]) -> None:
    """It may stay high long after the spike; once it shows the fall, the autoscaler has its own time and no more."""
    story = Scaling(300).stands("a", "b", scaler=scaler(2, [metric], [amount(metric, "2")]))
    story.loaded(1, 0, 295).loaded(4, 30, 90)
    story.saw(42, "MODIFIED", deployment(4, spec=ASKING), "Deployment")
    story.saw(42.05, "MODIFIED", scaler(4, [metric], [amount(metric, "9")]), KIND)
    story.made("c", 42.1, 46).made("d", 42.2, 47)
    late = story.saw(260, "MODIFIED", scaler(4, [metric], [amount(metric, "1")]), KIND)
    finding = ScaledDown()(late.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert f"how soon a metric of type {metric['type']} shows the load" in finding.reason
    ignored = late.saw(100, "MODIFIED", scaler(4, [metric], [amount(metric, "1")]), KIND)
    assert ScaledDown()(ignored.history()).answer is Answer.FAIL


USERS = Slo(availability=0.9, latency_p99_s=2)


@pytest.mark.parametrize(
    ("metric", "low", "high", "slo"),
    [
        pytest.param(PODS, "2", "12", USERS, id="of pods, users outside the SLO"),
        pytest.param(PODS, "2", "12", None, id="of pods"),
        pytest.param(MEMORY_AMOUNT, "500Mi", "3Gi", None, id="memory"),
    ],
)
def test_an_amount_over_its_target_calls_for_a_rise(
    metric: Mapping[str, Any], low: str, high: str, slo: Slo | None
) -> None:
    """The autoscaler's own status shows more than twice the target for minutes, and it does nothing."""
    story = Scaling(300).stands("a", "b", scaler=scaler(2, [metric], [amount(metric, low)]))
    story.loaded(1, 0, 295).loaded(4, 30, 200).slow(30, 200)
    for at_s in (50, 70, 90):
        story.saw(at_s, "MODIFIED", scaler(2, [metric], [amount(metric, high)]), KIND)
    finding = ScaledUp(slo=slo)(story.history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert "never passed its target" not in finding.reason


# --- who changed the number ---------------------------------------------------------------------------------


def test_a_rise_that_no_autoscaler_of_kubernetes_made_was_a_rise() -> None:
    """An operator raises desired replicas 12 s after the step, and both pods are Ready 5 s later."""
    story = Scaling(220).stands("a", "b", scaler={}).loaded(1, 0, 215).loaded(4, 30, 120)
    story.saw(42, "MODIFIED", deployment(4, spec=ASKING), "Deployment").made("c", 42.1, 46).made("d", 42.2, 47)
    finding = ScaledUp()(story.history())
    assert finding.answer in FOLLOWED_OR_OPEN, finding.line()


def set_back() -> Scaling:
    """Somebody sets desired replicas back to 2 at 52 s, while the autoscaler's status goes on saying 4."""
    story = Scaling(220).stands("a", "b").loaded(1, 0, 215).loaded(4, 30, 120)
    story.saw(41, "MODIFIED", hpa(2, measured=100), KIND)
    story.rescaled(42, 4, measured=100).made("c", 42.1, 46).made("d", 42.2, 47)
    story.saw(52, "MODIFIED", deployment(2, spec=ASKING), "Deployment").ends(52.1, "c", "d")
    story.rescaled(57, 4, measured=100).made("e", 57.2, 62).made("f", 57.3, 62)
    return story.rescaled(160, 2, measured=10).ends(160.1, "e", "f")


@pytest.mark.parametrize("check", [ScaledDown(), NoFlapping()], ids=["scaled-down", "no-flapping"])
def test_a_change_by_somebody_else_is_not_the_autoscalers(check: Check) -> None:
    """Desired replicas that fall while the autoscaler's status still says 4 were set by somebody else."""
    finding = check(set_back().history())
    assert finding.answer in {Answer.FAIL, Answer.UNKNOWN}, finding.line()
    assert "the autoscaler did not ask for it" in finding.reason
    assert "before its window" not in finding.reason


@pytest.mark.parametrize("check", [ScaledUp(), WithinLimits()], ids=["scaled-up", "within-limits"])
def test_an_autoscaler_that_was_made_anew_is_one(check: Check) -> None:
    """The autoscaler was deleted and made anew under its name long before the spike: there never were two."""
    story = Scaling(220).stands("a", "b").loaded(1, 0, 215).loaded(4, 60, 150)

    def anew(desired: int, measured: int) -> dict[str, Any]:
        raw = hpa(desired, measured=measured)
        return {**raw, "metadata": {**raw["metadata"], "uid": "hpa-second"}}

    story.saw(20, "DELETED", hpa(2, measured=40), KIND).saw(21, "ADDED", anew(2, 40), KIND)
    story.saw(71, "MODIFIED", anew(2, 100), KIND)
    story.saw(72, "MODIFIED", deployment(4, spec=ASKING), "Deployment").saw(72.05, "MODIFIED", anew(4, 100), KIND)
    finding = check(story.made("c", 72.1, 76).made("d", 72.2, 77).history())
    assert finding.answer in FOLLOWED_OR_OPEN, finding.line()
    assert "2 autoscalers" not in finding.reason


# --- no room ------------------------------------------------------------------------------------------------


def test_nobody_promises_how_soon_a_node_comes() -> None:
    """The autoscaler acts in time; its pod waits 58 s for a node that is provisioned, and is Ready 5 s later."""
    words = "0/1 nodes are available: 1 Insufficient cpu."
    waiting = aged(pod("c", node="", spec=ASKING), 42, None)
    waiting["status"]["conditions"].append(
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
    )
    story = Scaling(300).stands("a", "b").loaded(1, 0, 295).loaded(4, 30, 200)
    story.saw(41, "MODIFIED", hpa(2, measured=100), KIND).rescaled(42, 3, measured=100)
    story.saw(42.1, "ADDED", waiting).saw(100, "ADDED", node("n9"), "Node")
    story.saw(101, "MODIFIED", aged(pod("c", node="n9", spec=ASKING), 42, None))
    story.saw(102, "MODIFIED", aged(pod("c", node="n9", running=True, spec=ASKING), 42, None))
    story.saw(106, "MODIFIED", aged(pod("c", node="n9", ready=True, spec=ASKING), 42, 106))
    finding = ScaledUp()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "Insufficient cpu" in finding.reason
