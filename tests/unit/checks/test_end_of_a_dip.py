"""EndState where a pod is missing as the trial ends: since when, and whether its controller could have made it."""

from __future__ import annotations

import pytest
from histories import pod
from probe_stories import endpoints
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


def scaled(story: Rolling, *changes: tuple[float, int], made: bool = True) -> Rolling:
    """Other numbers are desired at these moments, and the last one has a new pod at once, which is not Ready yet."""
    for at_s, replicas in changes:
        story.saw(at_s, "MODIFIED", release(OLD, replicas=replicas), "Deployment")
    return story.replaced("f", changes[-1][0] + 0.1, ready_s=None, owner=OLD) if made else story


def broken(ready_s: float | None = None) -> Rolling:
    """Four replicas, of which `a` was killed at 30.2 s, and `e` in its place is Ready at this moment, if ever."""
    story = Rolling().stands("a", "b", "c", "d").fault("a").killed("a", 30.2)
    story.saw(0, "LISTED", endpoints(*"bcde"), "EndpointSlice")
    return story.replaced("e", 30.4, ready_s=ready_s, owner=OLD)


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(scaled(broken(), (95, 5)), Answer.FAIL, id="one more is desired beside it"),
        pytest.param(scaled(broken(), (95, 5), (97, 6)), Answer.FAIL, id="and another"),
        pytest.param(scaled(broken(), (90, 3), (95, 4), made=False), Answer.UNKNOWN, id="not needed for a while"),
        pytest.param(scaled(broken(34), (95, 5)), Answer.UNKNOWN, id="it is Ready, and the new one is not yet"),
        pytest.param(scaled(broken(34), (50, 5)), Answer.FAIL, id="it is Ready, and the new one is late"),
    ],
)
def test_a_rise_at_the_end_gives_a_broken_replica_no_more_time(story: Rolling, answer: Answer) -> None:
    """An autoscaler that asks for one more as the trial ends moves no deadline of those that were asked for before."""
    finding = EndState()(story.history())
    assert finding.answer is answer, finding.line()
