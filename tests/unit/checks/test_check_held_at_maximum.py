"""HeldAtMaximum: a spike that asks for more than the maximum gets all of it until it ends."""

from __future__ import annotations

from autoscaler_stories import BEYOND, MOST_FOUR, Scaling, at_maximum, hpa
from histories import deployment

from chaos.checks import HeldAtMaximum
from chaos.checks.verdict import Answer, Finding
from chaos.history.facts.autoscaler import KIND


def judged(story: Scaling) -> Finding:
    """What the check says."""
    return HeldAtMaximum()(story.history())


def test_a_maximum_that_is_reached_and_kept_passes() -> None:
    """It is there 12 s after the step, and 48 s long, until the spike is over."""
    finding = judged(at_maximum())
    assert finding.answer is Answer.PASS, finding.line()
    assert finding.measured == "desired 4 from 12.0 s after the step, for 48.0 s"
    assert finding.values["spikes"][0]["beyond_s"] == 12.05


def test_the_wish_for_more_may_come_later() -> None:
    """The maximum is put to the test as soon as the autoscaler says so, at any time of the spike."""
    later = at_maximum(beyond="").saw(60, "MODIFIED", hpa(4, limits=MOST_FOUR, limited=BEYOND), KIND)
    assert judged(later).answer is Answer.PASS
    too_late = at_maximum(beyond="").saw(95, "MODIFIED", hpa(4, limits=MOST_FOUR, limited=BEYOND), KIND)
    assert judged(too_late).answer is Answer.UNKNOWN


def test_a_number_that_somebody_else_took_down_fails() -> None:
    """The autoscaler did not ask for it; that the spike was still on is what makes it wrong."""
    story = at_maximum().saw(70, "MODIFIED", deployment(3), "Deployment")
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "desired replicas 4 to 3 in the spike, and the autoscaler did not ask for it" in finding.reason
    after = at_maximum().saw(100, "MODIFIED", deployment(3), "Deployment")
    assert judged(after).answer is Answer.PASS


def test_a_number_over_the_maximum_is_not_the_maximum() -> None:
    """Somebody who sets more than there may be changed it, too."""
    assert judged(at_maximum().saw(70, "MODIFIED", deployment(9), "Deployment")).answer is Answer.FAIL


def test_a_spike_that_does_not_ask_for_it_proves_nothing() -> None:
    """Never reached, never asked for more, or taken down by the autoscaler itself: each is open, and says why."""
    short = judged(at_maximum(reached=3, beyond=""))
    assert short.answer is Answer.UNKNOWN
    assert "at most 3 replicas were desired" in short.reason
    enough = judged(at_maximum(beyond=""))
    assert enough.answer is Answer.UNKNOWN
    assert "never asked for more than its maximum of 4" in enough.reason
    fell = judged(at_maximum().rescaled(80, 3, measured=40, limits=MOST_FOUR))
    assert fell.answer is Answer.UNKNOWN
    assert "by the autoscaler" in fell.reason


def test_what_was_not_seen_is_open() -> None:
    """A gap in the spike, no spike, no autoscaler, and two of them."""
    assert judged(at_maximum().gap(60, 61, KIND)).answer is Answer.UNKNOWN
    fallen = at_maximum().saw(70, "MODIFIED", deployment(3), "Deployment").gap(60, 61, "Deployment")
    assert judged(fallen).answer is Answer.UNKNOWN
    assert judged(Scaling(120).stands("a", "b").loaded(1, 0, 110)).answer is Answer.UNKNOWN
    bare = Scaling(120).stands("a", "b", scaler={}).loaded(1, 0, 110).loaded(4, 30, 90)
    assert "no autoscaler scales model" in judged(bare).reason
    two = judged(at_maximum().saw(0, "LISTED", hpa(2, name="other"), KIND))
    assert two.answer is Answer.UNKNOWN
    assert "2 autoscalers scale model" in two.reason


def test_a_maximum_without_its_pods_is_not_held() -> None:
    """Where no pod is made for the last replica, the number alone stands at the maximum."""
    story = Scaling(120).stands("a", "b", scaler=hpa(2, measured=40, limits=MOST_FOUR)).loaded(1, 0, 110)
    story.loaded(4, 30, 90).rescaled(42, 4, measured=100, limits=MOST_FOUR, limited=BEYOND).made("c", 42.1, 46)
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert finding.reason == "no pod was made for replica 4 of 4 within 29 s"
