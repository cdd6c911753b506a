"""EndState where a pod is missing as the trial ends: since when, and whether its controller could have made it."""

from __future__ import annotations

import pytest
from histories import pod
from rollout_stories import NEW, OLD, Rolling, kept_story, release

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


RECREATE = {"type": "Recreate"}
ONE_MORE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


@pytest.mark.parametrize(
    ("strategy", "changed_s", "gone_s", "answer"),
    [
        pytest.param(RECREATE, 65, None, Answer.UNKNOWN, id="the old pods have their grace"),
        pytest.param(RECREATE, 65, 75, Answer.UNKNOWN, id="they had it"),
        pytest.param(RECREATE, 55, None, Answer.FAIL, id="they had it long ago"),
        pytest.param(ONE_MORE, 65, None, Answer.FAIL, id="nothing waits for them"),
    ],
)
def test_recreate_makes_no_pod_before_the_old_ones_are_gone(
    strategy: dict[str, object], changed_s: float, gone_s: float | None, answer: Answer
) -> None:
    """A release that recreates its pods has the old ones' grace of 10 s beside the 29 s for a new pod, up to 100 s."""
    story = Rolling().stands("a", "b", "c", "d", strategy=strategy)
    story.saw(changed_s, "MODIFIED", release(NEW, strategy=strategy), "Deployment")
    for uid in "abcd":
        going = pod(uid, ready=True, owner=OLD, deleting=True)
        story.saw(changed_s + 0.1, "MODIFIED", going)
        if gone_s is not None:
            story.saw(gone_s, "DELETED", going)
    finding = EndState()(story.history())
    assert finding.answer is answer, finding.line()
    assert "had no pod" in finding.reason
