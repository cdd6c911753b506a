"""NoFlapping where desired replicas fall at first, for a load of before the record."""

from __future__ import annotations

import pytest
from autoscaler_stories import Scaling, hpa

from chaos.checks import NoFlapping
from chaos.checks.verdict import Answer
from chaos.history.facts.autoscaler import KIND

SPIKE = ((142, 4), (230, 2))
"""How a spike from 130 to 190 s is followed."""


def moved(*changes: tuple[float, int], new: bool = False) -> Scaling:
    """An autoscaler of four replicas sets these numbers; `new`: it was made at 1 s, and remembers nothing of before."""
    story = Scaling(320).stands("a", "b", "c", "d", scaler={} if new else hpa(4, measured=40))
    if new:
        story.saw(1, "ADDED", hpa(4, measured=40), KIND)
    story.loaded(1, 0, 315).loaded(4, 130, 190)
    for at_s, desired in changes:
        story.rescaled(at_s, desired, measured=100 if desired == 4 else 10)
    return story


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(moved((60, 2), *SPIKE), Answer.UNKNOWN, id="a fall while its window of before goes on"),
        pytest.param(moved((20, 3), (60, 2), *SPIKE), Answer.UNKNOWN, id="two of them"),
        pytest.param(moved((100, 2), *SPIKE), Answer.FAIL, id="long after that, by a steady load"),
        pytest.param(moved((60, 2), (142, 4), (160, 2), (170, 4), (230, 2)), Answer.FAIL, id="and turns in the spike"),
        pytest.param(moved((60, 2), *SPIKE, new=True), Answer.FAIL, id="by an autoscaler that was not there before"),
        pytest.param(moved(*SPIKE[1:]), Answer.PASS, id="nothing but a fall"),
    ],
)
def test_a_first_fall_may_follow_a_load_of_before(story: Scaling, answer: Answer) -> None:
    """What was before the record nobody knows, so that the first falls, up to their bound of 80 s, are no turn."""
    finding = NoFlapping()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("before the record" in finding.reason) is (answer is Answer.UNKNOWN)
