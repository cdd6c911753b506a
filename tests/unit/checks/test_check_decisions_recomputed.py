"""DecisionsRecomputed: every decision follows from the recorded metrics, or is shown."""

from __future__ import annotations

from typing import Any

import pytest
from autoscaler_stories import Scaling, hpa, spike_story

from chaos.checks import DecisionsRecomputed
from chaos.checks.verdict import Answer, Finding
from chaos.history.facts.autoscaler import KIND


def judged(story: Scaling) -> Finding:
    """The finding on a story."""
    return DecisionsRecomputed()(story.history())


def calm(until_s: int = 120) -> Scaling:
    """Two replicas at 40 % of a target of 60 %, sampled each second."""
    return Scaling(until_s).stands("a", "b").loaded(1, 0, until_s - 5).used(0, until_s, 80, "a", "b")


def test_a_whole_spike_is_computed_again() -> None:
    """Two rises and the fall after the window each come out of the samples."""
    finding = judged(spike_story())
    assert finding.answer is Answer.PASS, finding.line()
    found = [(one["before"], one["after"], one["reachable"]) for one in finding.values["decisions"]]
    # Each may have been made up to 2 s before word of it came, when what stood before asked for no change.
    assert found == [(2, 4, (2, 4)), (4, 7, (4, 7)), (7, 2, (2, 7))]
    assert finding.measured == "3 of 3 decisions reached"


def test_a_rise_that_no_sample_asks_for_is_shown() -> None:
    """Five replicas at 40 % of 60 % follow from nothing: FAIL, with what the record allows."""
    finding = judged(calm().rescaled(60, 5, measured=40))
    assert finding.answer is Answer.FAIL
    assert "desired replicas 2 to 5: the record allows 2, measured 40" in finding.reason


def test_a_wrong_number_is_shown() -> None:
    """Where 100 % of 60 % asks for 4, 3 is not reached."""
    story = Scaling(120).stands("a", "b").loaded(1, 0, 115).used(0, 40, 80, "a", "b").used(40, 120, 200, "a", "b")
    finding = judged(story.rescaled(55, 3, measured=100))
    assert finding.answer is Answer.FAIL
    assert "the record allows 4" in finding.reason


def test_a_fall_before_its_window_is_not_reached() -> None:
    """The recommendations of the last 30 s hold it up."""
    story = Scaling(150).stands("a", "b", "c", "d").loaded(1, 0, 145)
    story.used(0, 50, 120, *"abcd").used(50, 150, 40, *"abcd")
    early, late = judged(story.rescaled(65, 2, measured=20)), None
    assert early.answer is Answer.FAIL
    assert "the record allows 4" in early.reason
    story = Scaling(150).stands("a", "b", "c", "d").loaded(1, 0, 145)
    story.used(0, 50, 120, *"abcd").used(50, 150, 40, *"abcd")
    late = judged(story.rescaled(85, 2, measured=20))
    assert late.answer is Answer.PASS, late.line()


@pytest.mark.parametrize(("window_s", "answer"), [(5, Answer.PASS), (20, Answer.FAIL)])
def test_a_window_as_short_as_a_sync_may_have_had_none(window_s: int, answer: Answer) -> None:
    """The last look may be a whole sync period ago, and its recommendation just out of the window."""
    scaler = hpa(4, measured=60, window_s=window_s)
    story = Scaling(150).stands("a", "b", "c", "d", scaler=scaler).loaded(1, 0, 145)
    story.used(0, 50, 120, *"abcd").used(50, 150, 40, *"abcd")
    finding = judged(story.rescaled(52, 2, measured=20, window_s=window_s))
    assert finding.answer is answer, finding.line()


def test_the_limits_need_no_metrics() -> None:
    """A number below the minimum is lifted at once, whatever is measured."""
    scaler = hpa(2, limits=(3, 8))
    story = Scaling(100).stands("a", "b", scaler=scaler).loaded(1, 0, 95).rescaled(4, 3, limits=(3, 8))
    assert judged(story).answer is Answer.PASS


def test_what_cannot_be_computed_is_unknown() -> None:
    """No samples, a hole in them, and a metric that is not recorded: each is said."""
    bare = spike_story().has(metrics=())
    assert "not recorded all that time" in judged(bare).reason
    holed = Scaling(120).stands("a", "b").loaded(1, 0, 115).used(0, 20, 80, "a", "b").used(75, 120, 200, "a", "b")
    finding = judged(holed.rescaled(60, 4, measured=100))
    assert finding.answer is Answer.UNKNOWN
    pods: dict[str, Any] = {"type": "Pods", "pods": {"metric": {"name": "queue"}, "target": {"averageValue": "5"}}}
    other = Scaling(120).stands("a", "b", scaler=hpa(2, metrics=[pods])).loaded(1, 0, 115).used(0, 120, 80, "a", "b")
    finding = judged(other.rescaled(60, 4, metrics=[pods]))
    assert "queue could not be read" in finding.reason


def test_an_autoscaler_that_decided_nothing_proves_nothing() -> None:
    """So do two of them, and a gap."""
    assert judged(calm()).answer is Answer.UNKNOWN
    assert judged(spike_story().saw(0, "LISTED", hpa(2, name="other"), KIND)).answer is Answer.UNKNOWN
    assert judged(spike_story().gap(60, 65)).answer is Answer.UNKNOWN
