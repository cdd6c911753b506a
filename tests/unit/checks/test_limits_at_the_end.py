"""WithinLimits where a number outside of the limits is not brought back, and had its time or not."""

from __future__ import annotations

import pytest
from autoscaler_stories import Scaling, hpa
from histories import deployment

from chaos.checks import WithinLimits
from chaos.checks.verdict import Answer
from chaos.history.facts.autoscaler import KIND


def set_by_others(*changes: tuple[float, int], gone_s: float | None = None) -> Scaling:
    """Somebody sets these numbers, of 2 to 8 replicas, in a trial whose traffic ends at 170 s."""
    story = Scaling(180).stands("a", "b").loaded(1, 0, 170)
    for at_s, desired in changes:
        story.saw(at_s, "MODIFIED", deployment(desired), "Deployment")
    return story if gone_s is None else story.saw(gone_s, "DELETED", hpa(2), KIND)


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(set_by_others((165, 9)), Answer.UNKNOWN, id="the trial ends before it is due"),
        pytest.param(set_by_others((150, 9)), Answer.FAIL, id="the trial ends after it was due"),
        pytest.param(set_by_others((155, 9), (165, 8)), Answer.PASS, id="it is brought back before the end"),
        pytest.param(set_by_others((100, 9), gone_s=105), Answer.UNKNOWN, id="the autoscaler is gone before"),
        pytest.param(set_by_others((100, 9), gone_s=150), Answer.FAIL, id="the autoscaler is gone after"),
        pytest.param(set_by_others((150, 9), (157, 10), (164, 11)), Answer.UNKNOWN, id="from one to another"),
        pytest.param(set_by_others((140, 9), (157, 10), (160, 8)), Answer.FAIL, id="one of them for too long"),
        pytest.param(set_by_others((150, 9), (157, 10), (160, 8)), Answer.PASS, id="back in the end"),
    ],
)
def test_a_number_that_is_not_back_yet_is_no_number_in_the_limits(story: Scaling, answer: Answer) -> None:
    """What nobody brought back before the trial ended, five seconds into a bound of ten, proves nothing."""
    finding = WithinLimits()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("not brought back yet" in finding.reason) is (answer is Answer.UNKNOWN)
