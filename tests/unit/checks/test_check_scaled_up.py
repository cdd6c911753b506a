"""ScaledUp: replicas follow a spike up, in time at every stage, until users are well again."""

from __future__ import annotations

import pytest
from autoscaler_stories import RISE_BOUND_S, Scaling, hpa, spike_story
from histories import at

from chaos.checks import ScaledUp
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap, LoadWorker
from chaos.history.facts.autoscaler import KIND
from chaos.slo import Slo

SLO = Slo(availability=0.99, latency_p99_s=2.0)


def judged(story: Scaling, slo: Slo | None = SLO) -> Finding:
    """The finding on a story."""
    return ScaledUp(slo)(story.history())


def flat(*, scaler: dict[str, object] | None = None, spike_s: float = 60, slow_s: float = 60) -> Scaling:
    """The same load, and nothing follows it; users wait for `slow_s` seconds of it."""
    story = Scaling(150).stands("a", "b", scaler=scaler)
    return story.loaded(1, 0, 145).loaded(4, 30, 30 + spike_s).slow(30, 30 + slow_s)


def test_a_spike_that_is_followed_passes_stage_by_stage() -> None:
    """The stages are named, each in seconds from the step, and the bound is the one that the timings give."""
    finding = judged(spike_story())
    assert finding.answer is Answer.PASS, finding.line()
    (spike,) = finding.values["spikes"]
    assert spike["bound_s"] == RISE_BOUND_S
    assert spike["stages"] == {
        "metric_over_s": pytest.approx(10.02),
        "metric_seen_s": pytest.approx(11),
        "desired_raised_s": pytest.approx(12),
        "scheduled_s": pytest.approx(32.2),
        "started_s": pytest.approx(33.1),
        "ready_s": pytest.approx(37),
        "slo_regained_s": pytest.approx(40, abs=0.3),
    }
    assert (spike["answered_before_rps"], spike["answered_at_end_rps"]) == (1.0, pytest.approx(5, abs=0.2))
    assert "desired raised 12.0 s" in finding.measured


def test_without_an_autoscaler_nothing_follows() -> None:
    """A load that rises over a system that has no autoscaler is a FAIL that says so."""
    finding = judged(flat(scaler={}))
    assert finding.answer is Answer.FAIL
    assert "no autoscaler scales model" in finding.reason
    assert finding.values["cause"] == "autoscaler"


def test_two_autoscalers_are_said() -> None:
    """With two autoscalers on one workload nobody can tell whose decision is whose."""
    finding = judged(spike_story().saw(0, "LISTED", hpa(2, name="other"), KIND))
    assert finding.answer is Answer.UNKNOWN
    assert "2 autoscalers scale model (model and other)" in finding.reason


def test_missing_metrics_are_unknown_with_the_autoscalers_own_reason() -> None:
    """An autoscaler that says that it has no metrics proves nothing, and the finding quotes it."""
    story = flat().saw(20, "MODIFIED", hpa(2, inactive="FailedGetResourceMetric"), KIND)
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "FailedGetResourceMetric: no" in finding.reason
    assert finding.values["cause"] == "metrics"


def test_metrics_that_come_late_put_the_bound_off() -> None:
    """What follows within the bound of the first metrics cannot be called late; what has them long enough can."""
    blind = flat(spike_s=90, slow_s=40).saw(20, "MODIFIED", hpa(2, inactive="FailedGetResourceMetric"), KIND)
    blind.saw(50, "MODIFIED", hpa(2, measured=100), KIND)
    finding = judged(blind.rescaled(80, 4, measured=100).made("c", 80.1, 84).made("d", 80.1, 85))
    assert finding.answer is Answer.UNKNOWN
    assert "had no metrics until 20.0 s after the step: FailedGetResourceMetric: no" in finding.reason
    never = flat(spike_s=90, slow_s=90).saw(20, "MODIFIED", hpa(2, inactive="FailedGetResourceMetric"), KIND)
    assert judged(never.saw(35, "MODIFIED", hpa(2, measured=30), KIND)).answer is Answer.FAIL


def test_a_rise_that_never_comes_though_the_metric_is_over_fails() -> None:
    """The stage that broke is named: the metric was over its target, and desired replicas stayed."""
    finding = judged(flat().saw(45, "MODIFIED", hpa(2, measured=100), KIND))
    assert finding.answer is Answer.FAIL
    assert "desired replicas did not rise, though cpu was over its target 15.0 s after the step" in finding.reason


def test_a_metric_that_the_load_does_not_move_fails_if_users_suffer() -> None:
    """Users outside the SLO, and a metric under its target all the while: it is the wrong metric."""
    finding = judged(flat().saw(45, "MODIFIED", hpa(2, measured=30), KIND))
    assert finding.answer is Answer.FAIL
    assert "cpu never passed its target (at most 30 % of 60 %): the load does not move this metric" in finding.reason
    assert finding.values["cause"] == "metric"


def test_a_load_that_nobody_feels_is_unknown() -> None:
    """Where the metric stays under its target and users are well there was nothing to follow."""
    finding = judged(flat(slow_s=0).saw(45, "MODIFIED", hpa(2, measured=30), KIND))
    assert finding.answer is Answer.UNKNOWN
    assert "nothing to follow" in finding.reason


def test_a_late_rise_fails() -> None:
    """A first rise after the bound is a FAIL with both figures."""
    story = flat(spike_s=90, slow_s=60).saw(45, "MODIFIED", hpa(2, measured=100), KIND)
    story.rescaled(80, 4, measured=100).made("c", 80.1, 84).made("d", 80.1, 85)
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "desired replicas did not rise in time, first rise after 50.0 s, bound 45 s" in finding.reason


@pytest.mark.parametrize(
    ("rises_s", "since_s", "answer"),
    [
        pytest.param(70, 60, Answer.PASS, id="in time however late the news"),
        pytest.param(80, 60, Answer.UNKNOWN, id="it may have been in time"),
        pytest.param(80, 78, Answer.FAIL, id="late in any case"),
    ],
)
def test_late_news_of_a_rise_is_read_both_ways(rises_s: float, since_s: float, answer: Answer) -> None:
    """The watch was cut off, and brought the first rise when it came back; 45 s are promised from 30 s on."""
    story = flat(spike_s=90, slow_s=60).saw(45, "MODIFIED", hpa(2, measured=100), KIND)
    story.rescaled(rises_s, 4, measured=100).made("c", rises_s + 0.1, rises_s + 4).made("d", rises_s + 0.1, rises_s + 4)
    finding = judged(story.has(late=(Gap("Deployment", at(since_s), at(rises_s), "reset"),)))
    assert finding.answer is answer, finding.line()
    assert ("news came late from the watch" in finding.reason) == (answer is Answer.UNKNOWN)


@pytest.mark.parametrize(
    ("made_s", "ready_s", "late_s", "answer"),
    [
        pytest.param(42.1, 65, (60, 65), Answer.PASS, id="Ready in time however late the news"),
        pytest.param(42.1, 75, (60, 75), Answer.UNKNOWN, id="it may have been Ready in time"),
        pytest.param(42.1, 75, (73, 75), Answer.FAIL, id="late in any case"),
        pytest.param(60, 80, (45, 60), Answer.UNKNOWN, id="it may have been made long before"),
        pytest.param(60, 80, (55, 60), Answer.PASS, id="it cannot have been made long before"),
    ],
)
def test_late_news_of_a_new_pod_is_read_both_ways(
    made_s: float, ready_s: float, late_s: tuple[float, float], answer: Answer
) -> None:
    """A pod of the rise at 42 s has 29 s from when it was made, of which the watch may tell late."""
    story = flat(spike_s=90, slow_s=20).rescaled(42, 3, measured=100).made("c", made_s, ready_s)
    finding = judged(story.has(late=(Gap("Pod", at(late_s[0]), at(late_s[1]), "reset"),)))
    assert finding.answer is answer, finding.line()
    assert ("news came late from the watch" in finding.reason) == (answer is Answer.UNKNOWN)


@pytest.mark.parametrize(("since_s", "answer"), [(50, Answer.UNKNOWN), (75, Answer.FAIL)])
def test_late_news_of_a_pod_that_is_owed_is_read_both_ways(since_s: float, answer: Answer) -> None:
    """The pod of a rise at 42 s is seen at 80 s, where it is due at 71 s: it may have been there before."""
    story = flat(spike_s=90, slow_s=20).rescaled(42, 3, measured=100).made("c", 80, 84)
    finding = judged(story.has(late=(Gap("Pod", at(since_s), at(80), "reset"),)))
    assert finding.answer is answer, finding.line()
    assert "no pod was made for replica 3 of 3 within 29 s" in finding.reason


@pytest.mark.parametrize(("node", "word"), [("", "scheduled"), ("n1", "started")])
def test_a_pod_that_is_not_ready_in_time_is_named_with_its_stage(node: str, word: str) -> None:
    """A new pod that no node takes, or that does not start, is the late stage."""
    from histories import pod  # noqa: PLC0415  # only here

    story = flat(spike_s=90, slow_s=20).rescaled(42, 3, measured=100)
    story.saw(42.1, "ADDED", pod("c", node=node))
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert f"late: model-c was not {word} 29 s after it was made" in finding.reason


def test_at_the_maximum_and_still_slow_is_a_matter_of_capacity() -> None:
    """An autoscaler that did all it may, and users who still wait: FAIL, and the cause is capacity."""
    story = flat(spike_s=90, slow_s=90).saw(40, "MODIFIED", hpa(2, limits=(2, 3)), KIND)
    story.rescaled(42, 3, measured=100, limits=(2, 3)).made("c", 42.1, 46)
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "capacity: at its maximum of 3 replicas (3 Ready) users were still outside the SLO" in finding.reason
    assert finding.values["cause"] == "capacity"


def test_users_who_are_not_well_again_fail_it_with_room_left() -> None:
    """Below its maximum the autoscaler has not done all it may."""
    story = flat(spike_s=90, slow_s=90).rescaled(42, 3, measured=100).made("c", 42.1, 46)
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "users were not inside the SLO again before the spike ended, with 3 of 3 replicas Ready" in finding.reason
    assert judged(story, slo=None).answer is Answer.PASS


def test_a_spike_that_is_too_short_is_unknown() -> None:
    """What ends before the bound cannot show that nothing follows."""
    finding = judged(flat(spike_s=30))
    assert finding.answer is Answer.UNKNOWN
    assert "the spike lasted 30.0 s, less than the 45 s" in finding.reason


def test_a_load_that_never_rose_is_unknown() -> None:
    """Steady traffic asks nothing of an autoscaler."""
    finding = judged(Scaling(150).stands("a", "b").loaded(1, 0, 140))
    assert finding.answer is Answer.UNKNOWN
    assert "never rose" in finding.reason


@pytest.mark.parametrize("kind", [KIND, "Deployment", "Pod"])
def test_a_gap_in_the_spike_is_unknown(kind: str) -> None:
    """States that were lost in the spike may have been anything."""
    assert judged(spike_story().gap(50, 55, kind)).answer is Answer.UNKNOWN


def test_the_evidence_is_in_order() -> None:
    """The moments of a climb are told from the step on."""
    told = judged(spike_story()).evidence
    assert told[0].at_ns == at(30)
    assert [one.at_ns for one in told] == sorted(one.at_ns for one in told)


@pytest.mark.parametrize(("lost_s", "answer"), [(40, Answer.UNKNOWN), (140, Answer.FAIL)])
def test_an_autoscaler_that_was_not_given_the_load_is_not_blamed(lost_s: float, answer: Answer) -> None:
    """A load worker that was lost before the spike ended took a part of it away; one that was lost later did not."""
    lost = LoadWorker(1, 2, "load-1", lost_ns=at(lost_s), lost="gone")
    story = flat().saw(35, "MODIFIED", hpa(2, measured=30), KIND).has(load_workers=(lost,))
    finding = judged(story)
    assert finding.answer is answer, finding.line()
    assert ("load worker 1 was lost" in finding.reason) == (answer is Answer.UNKNOWN)
