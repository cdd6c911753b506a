"""ScaledDown: the extra replicas go after a spike, not before the window and not too late."""

from __future__ import annotations

import pytest
from autoscaler_stories import FALL_BOUND_S, Scaling, hpa, spike_story
from histories import at, deployment

from chaos.checks import ScaledDown
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap
from chaos.history.facts.autoscaler import KIND


def judged(story: Scaling) -> Finding:
    """The finding on a story."""
    return ScaledDown()(story.history())


def risen(until_s: float = 200, *, rises_s: float = 42) -> Scaling:
    """A spike from 30 s to 90 s that took desired replicas from 2 to 4; what comes then is told by the test."""
    story = Scaling(until_s).stands("a", "b").loaded(1, 0, until_s - 2).loaded(4, 30, 90)
    return story.rescaled(rises_s, 4, measured=100).made("c", rises_s + 0.1, rises_s + 4)


def test_a_fall_after_the_window_and_in_time_passes() -> None:
    """The way down is measured from the last answer of the spike."""
    finding = judged(spike_story())
    assert finding.answer is Answer.PASS, finding.line()
    (spike,) = finding.values["spikes"]
    assert spike["bound_s"] == FALL_BOUND_S
    assert (spike["peak"], spike["bottom"]) == (7, 2)
    assert spike["back_s"] == pytest.approx(42, abs=0.3)


def test_a_fall_before_the_window_fails() -> None:
    """Four replicas asked for at 75 s bind the autoscaler until 105 s."""
    finding = judged(risen(rises_s=75).rescaled(95, 2, measured=10))
    assert finding.answer is Answer.FAIL
    assert "desired replicas 4 to 2 20.0 s after 4 had been asked for, before its window of 30 s" in finding.reason


def test_a_rise_that_somebody_else_made_binds_nobody() -> None:
    """A number that the autoscaler never asked for is no recommendation of it."""
    story = risen().saw(80, "MODIFIED", deployment(6), "Deployment").rescaled(100, 2, measured=10).ends(100.1, "c")
    assert judged(story).answer is Answer.PASS


def test_a_new_autoscaler_lets_nothing_fall_for_a_window() -> None:
    """What it found when it was made is its first recommendation."""
    story = Scaling(200).stands("a", "b", scaler={}).loaded(1, 0, 195).loaded(4, 30, 90)
    story.saw(80, "MODIFIED", deployment(4), "Deployment").saw(85, "ADDED", hpa(4), KIND)
    finding = judged(story.rescaled(95, 2, measured=10))
    assert finding.answer is Answer.FAIL
    assert "10.0 s after 4 had been asked for" in finding.reason


def test_a_late_fall_fails() -> None:
    """Later than the derived bound is a FAIL with both figures."""
    finding = judged(risen().rescaled(175, 2, measured=10))
    assert finding.answer is Answer.FAIL
    assert f"bound {FALL_BOUND_S:g} s" in finding.reason


@pytest.mark.parametrize(
    ("rises_s", "falls_s", "since_s", "answer"),
    [
        pytest.param(42, 160, 120, Answer.PASS, id="in time however late the news"),
        pytest.param(42, 175, 120, Answer.UNKNOWN, id="it may have been in time"),
        pytest.param(42, 175, 173, Answer.FAIL, id="late in any case"),
        pytest.param(75, 110, 108, Answer.PASS, id="after its window however late the news"),
        pytest.param(75, 110, 95, Answer.UNKNOWN, id="it may have been before its window was over"),
        pytest.param(75, 95, 94, Answer.FAIL, id="too early in any case"),
    ],
)
def test_late_news_of_a_fall_is_read_both_ways(rises_s: float, falls_s: float, since_s: float, answer: Answer) -> None:
    """The watch was cut off, and brought the fall when it came back: due from 30 s after the rise, and by 170 s."""
    story = risen(rises_s=rises_s).rescaled(falls_s, 2, measured=10).ends(since_s + 0.1, "c")
    finding = judged(story.has(late=(Gap("Deployment", at(since_s), at(falls_s), "reset"),)))
    assert finding.answer is answer, finding.line()
    assert ("news came late from the watch" in finding.reason) == (answer is Answer.UNKNOWN)


def test_a_fall_that_never_comes_fails() -> None:
    """Replicas that nobody needs and that stay are a FAIL."""
    finding = judged(risen().saw(120, "MODIFIED", hpa(4, measured=10), KIND))
    assert finding.answer is Answer.FAIL
    assert "not back at 2 within 80 s" in finding.reason


def test_load_that_holds_the_replicas_up_is_unknown() -> None:
    """Within the tolerance of its target nothing has to fall."""
    finding = judged(risen().saw(120, "MODIFIED", hpa(4, measured=55), KIND))
    assert finding.answer is Answer.UNKNOWN
    assert "cpu is at 55 % of 60 %, so nothing was to fall" in finding.reason


def test_missing_metrics_are_unknown() -> None:
    """An autoscaler that cannot compute keeps what it has, as it must."""
    finding = judged(risen().saw(120, "MODIFIED", hpa(4, inactive="FailedGetResourceMetric"), KIND))
    assert finding.answer is Answer.UNKNOWN
    assert "FailedGetResourceMetric" in finding.reason


def test_a_record_that_ends_before_the_bound_is_unknown() -> None:
    """What had time left proves nothing."""
    finding = judged(risen(130))
    assert finding.answer is Answer.UNKNOWN
    assert finding.settle == "a trial that waits for the fall"


def test_no_rise_no_fall() -> None:
    """A spike that was not followed up says nothing of the way down."""
    assert judged(Scaling(200).stands("a", "b").loaded(1, 0, 190).loaded(4, 30, 90)).answer is Answer.UNKNOWN


def test_two_autoscalers_and_gaps_are_unknown() -> None:
    """Whose decision it was, and what was lost, cannot be told."""
    assert judged(spike_story().saw(0, "LISTED", hpa(2, name="other"), KIND)).answer is Answer.UNKNOWN
    assert judged(spike_story().gap(100, 110, "Deployment")).answer is Answer.UNKNOWN


def test_answers_under_way_on_the_pods_that_go_are_counted() -> None:
    """An answer counts that its pod was sent before the deletion and ended after it; a lost one is named."""
    story = spike_story()
    for row in story.rows:
        if at(131.5) < row["intended_ns"] < at(132.5):
            row.update(replica="model-c", sent_ns=at(131.9), end_ns=at(133), outcome="truncated")
        elif at(128.5) < row["intended_ns"] < at(129.5):
            row.update(replica="model-d", end_ns=at(131))
    finding = judged(story)
    (spike,) = finding.values["spikes"]
    assert (spike["pods_taken"], spike["answers_under_way"], spike["answers_lost"]) == (5, 1, 1)
    assert "5 pods taken with 1 answer under way" in finding.measured
    assert any(one.text == "model-c was taken with 1 answer under way, 1 of them lost" for one in finding.evidence)
