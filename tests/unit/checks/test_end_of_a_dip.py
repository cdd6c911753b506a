"""EndState where a pod is missing as the trial ends, and since when."""

from __future__ import annotations

import pytest
from rollout_stories import OLD, kept_story

from chaos.checks import EndState
from chaos.checks.verdict import Answer


@pytest.mark.parametrize(
    ("lost_s", "made_s", "answer"),
    [
        pytest.param(99.5, 100.5, Answer.UNKNOWN, id="made after the end"),
        pytest.param(99.5, None, Answer.UNKNOWN, id="not made"),
        pytest.param(80, 115, Answer.UNKNOWN, id="made long after the end, and not due before it"),
        pytest.param(60, 101, Answer.FAIL, id="made after the end, and due before it"),
        pytest.param(98, 99, Answer.UNKNOWN, id="made before the end"),
    ],
)
def test_a_pod_that_is_missing_at_the_end_is_missing_since_it_was_lost(
    lost_s: float, made_s: float | None, answer: Answer
) -> None:
    """The record goes on after the end of the trial, at 100 s; what comes then moves no loss to the heal, at 40 s."""
    story = kept_story().killed("b", lost_s)
    if made_s is not None:
        story.replaced("f", made_s, ready_s=made_s + 4, owner=OLD)
    finding = EndState()(story.history())
    assert finding.answer is answer, finding.line()
