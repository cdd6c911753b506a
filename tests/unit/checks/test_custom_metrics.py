"""Metrics that are not metrics-server's, by hand: what fails, what nobody may read, what moves at no replica."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from autoscaler_stories import ASKING, Scaling, hpa
from histories import WORKLOAD, at, deployment, facts
from metric_stories import FLAGS, Metric
from zero_stories import scaled_object, to_zero

from chaos.checks import DecisionsRecomputed, ScaledUp, WithinLimits
from chaos.checks.verdict import Answer, Finding
from chaos.history import MetricValues
from chaos.history.facts.autoscaler import KIND, MetricView
from chaos.objects.scaled_object import SCALED_OBJECT

QUEUE = Metric("External", "AverageValue", 5000, "queue")
LAG = Metric("External", "Value", 10_000, "lag")
KEY = MetricView(QUEUE.spec).key


def scaler(desired: int, *metrics: Metric, shown: Any = (), scaled: str = "") -> dict[str, Any]:
    """An autoscaler over these metrics that has said what it could read; `scaled`: when it last scaled."""
    raw = hpa(desired, metrics=[one.spec for one in metrics or (QUEUE,)], window_s=0)
    raw["status"] |= {"currentMetrics": list(shown), "currentReplicas": 2}
    raw["status"]["conditions"] = [{"type": "AbleToScale", "status": "True"}]
    return {**raw, "status": raw["status"] | ({"lastScaleTime": scaled} if scaled else {})}


def decided(after: int, *metrics: Metric, shown: Any, said: tuple[MetricValues, ...] = ()) -> Finding:
    """Two replicas become so many at 40 s, by what the autoscaler shows then and the metrics APIs told us."""
    story = Scaling(90).stands("a", "b", scaler=scaler(2, *metrics)).loaded(1, 0, 85)
    working = {**deployment(2, spec=ASKING), "status": {"replicas": 2}}
    story.saw(0, "MODIFIED", working, "Deployment")
    story.saw(40, "MODIFIED", {**working, "spec": deployment(after, spec=ASKING)["spec"]}, "Deployment")
    story.saw(40.1, "MODIFIED", scaler(after, *metrics, shown=shown, scaled="40"), KIND)
    known = facts(raw={"system": {"selector": {"app": WORKLOAD}}, "timings": FLAGS})
    return DecisionsRecomputed()(story.has(metric_values=said, facts=known).history())


def answered(value: int, *, error: str = "") -> tuple[MetricValues, ...]:
    """The external metrics API each second."""
    values = () if error else (("", value),)
    return tuple(MetricValues(at(s + 0.01), at(s), KEY, values, error=error) for s in range(90))


@pytest.mark.parametrize(("after", "answer"), [(4, Answer.PASS), (3, Answer.FAIL), (6, Answer.FAIL)])
def test_its_own_status_is_what_it_decided_by(after: int, answer: Answer) -> None:
    """At 10 for each of two replicas, and a target of 5, it asks for four, whatever we were shown before or after."""
    finding = decided(after, shown=[QUEUE.shown(10_000)], said=answered(1000))
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("after", "answer"), [(4, Answer.PASS), (6, Answer.FAIL)])
def test_a_metric_that_failed_holds_no_rise_up(after: int, answer: Answer) -> None:
    """The queue asks for four and the lag could not be read, though we were given it: it would ask for six."""
    lag = MetricView(LAG.spec).key
    ours = tuple(replace(one, metric=lag, values=(("", 30_000),)) for one in answered(0))
    finding = decided(after, QUEUE, LAG, shown=[QUEUE.shown(10_000), {"type": ""}], said=ours)
    assert finding.answer is answer, finding.line()


def test_what_nobody_may_read_is_told_in_the_servers_words() -> None:
    """Without its status and without the right to the metric nothing is computed, and the finding says so."""
    finding = decided(4, shown=[], said=answered(0, error="403 forbidden: cannot get resource queue"))
    assert finding.answer is Answer.UNKNOWN
    assert "403 forbidden" in finding.reason


def spike(*, declared_s: float | None = None) -> Scaling:
    """Five times the load from 30 s on to 100 s, and nothing moves."""
    story = Scaling(120).stands("a", "b", scaler=scaler(2, shown=[QUEUE.shown(4000)]))
    story.loaded(1, 0, 115).loaded(4, 30, 100)
    if declared_s is not None:
        raw = dict(story.parts["facts"].raw)
        raw["timings"] = {**raw["timings"], "metric_delay_s": declared_s}
        story.has(facts=replace(story.parts["facts"], raw=raw))
    return story


def over_from(at_s: int) -> tuple[MetricValues, ...]:
    """The queue is four times its target from a moment on."""
    low, high = answered(8000), answered(40_000)
    return (*low[:at_s], *high[at_s:])


def test_a_metric_over_its_target_that_nothing_follows_fails_though_its_status_never_showed_it() -> None:
    """The API had it: nobody need have declared how old a metric may be."""
    finding = ScaledUp()(spike().has(metric_values=over_from(50)).history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert "queue was over its target 20.0 s after the step" in finding.reason


def test_a_metric_that_nobody_could_read_is_named_with_the_servers_words() -> None:
    """Neither its status nor the metrics API had it."""
    story = spike().has(metric_values=answered(0, error="404 the server could not find the metric queue"))
    for event in story.events:
        if event.kind == KIND:
            event.object["status"]["currentMetrics"] = []
    finding = ScaledUp()(story.history())
    assert finding.answer is Answer.UNKNOWN
    assert "queue (404 the server could not find the metric queue) could not be read" in finding.reason


@pytest.mark.parametrize("declared_s", [None, 20])
def test_a_late_metric_is_a_stage_of_its_own(declared_s: float | None) -> None:
    """Shown by the API 40 s after the step, seen 3 s later, followed at once: late only by what is declared."""
    story = spike(declared_s=declared_s).has(metric_values=over_from(70))
    story.saw(73, "MODIFIED", scaler(2, shown=[QUEUE.shown(20_000)]), KIND)
    story.saw(73.2, "MODIFIED", deployment(8, spec=ASKING), "Deployment")
    story.saw(73.3, "MODIFIED", scaler(8, shown=[QUEUE.shown(20_000)], scaled="73"), KIND)
    for uid in "cdefgh":
        story.made(uid, 73.5, 78)
    finding = ScaledUp()(story.history())
    assert finding.answer is (Answer.UNKNOWN if declared_s is None else Answer.FAIL), finding.line()
    stages = finding.values["spikes"][0]["stages"]
    assert stages["metric_over_s"] == pytest.approx(40, abs=0.1)
    assert stages["metric_seen_s"] == pytest.approx(43)
    assert stages["desired_raised_s"] == pytest.approx(43.2)


def test_kedas_zero_is_within_its_limits() -> None:
    """The autoscaler's minimum is one or more, and KEDA goes to zero itself; without one nobody knows who did."""
    assert WithinLimits()(to_zero().history()).answer is Answer.PASS
    by_whom = to_zero(scaled=scaled_object(minReplicaCount=1)).history()
    assert WithinLimits()(by_whom).answer is Answer.UNKNOWN
    assert SCALED_OBJECT in {event.kind for event in by_whom.watch}
