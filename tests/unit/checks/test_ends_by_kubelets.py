"""GracefulTermination where a kubelet ended a replica, and somebody takes its object away afterwards."""

from __future__ import annotations

import pytest
from histories import at, pod
from termination_stories import Ending, container, drained_story

from chaos.checks import GracefulTermination
from chaos.checks.verdict import Answer, Finding


def judged(story: Ending) -> Finding:
    """The finding on a story."""
    return GracefulTermination()(story.history())


def standing_until_50() -> Ending:
    """`a` ends gracefully at 30 s; `b` answers until 50 s, and from then on `c` alone."""
    story = drained_story()
    for row in story.rows:
        if row["replica"] == "model-b" and row["end_ns"] > at(50):
            row["replica"] = "model-c"
    return story


def evicted(gone_s: float | None) -> Ending:
    """The kubelet of `b` ends it at 50.1 s for want of memory; its Failed object is taken away at `gone_s`, if ever."""
    ended = pod("b", disruption="TerminationByKubelet")
    ended["status"] |= {"phase": "Failed", "containerStatuses": [container(137)]}
    story = standing_until_50().saw(50.1, "MODIFIED", ended)
    return story if gone_s is None else story.saw(gone_s, "DELETED", ended)


def refused(story: Ending, at_s: float) -> Ending:
    """For half a second new connections find nobody, and no answer names a replica."""
    for number in range(5):
        begin_s = at_s + number / 10
        story.stream(None, begin_s, begin_s + 0.05, "refused", status=None)
    return story


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(evicted(50.4), id="by its StatefulSet, at once"),
        pytest.param(evicted(80), id="by somebody who cleans up"),
        pytest.param(evicted(50.4).stream("b", 48, 50, "truncated"), id="its answer was cut"),
        pytest.param(refused(evicted(50.4), 50.5), id="nodes still led there"),
        pytest.param(refused(evicted(80), 80.1), id="something else refused as it was cleaned up"),
        pytest.param(evicted(None), id="it stays"),
    ],
)
def test_whoever_takes_a_failed_pod_away_ends_no_replica(story: Ending) -> None:
    """A StatefulSet deletes a Failed pod at once, others at any time: what was lost by then was the kubelet's doing."""
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "model-b was ended by its kubelet" in finding.reason
    assert [one["pod"] for one in finding.values["replicas"]] == ["model-a"]


@pytest.mark.parametrize(("outcome", "answer"), [("truncated", Answer.FAIL), ("ok", Answer.PASS)])
def test_a_pod_that_fails_as_it_is_deleted_was_told_to_end(outcome: str, answer: Answer) -> None:
    """A deletion that came first is what ended it, though its phase is Failed before its object goes."""
    going, done = pod("b", ready=True, deleting=True), pod("b", deleting=True)
    done["status"] |= {"phase": "Failed", "containerStatuses": [container(137)]}
    story = standing_until_50().stream("b", 48, 51.8, outcome)
    story.saw(50, "MODIFIED", going).saw(51.9, "MODIFIED", done).saw(52, "DELETED", done)
    finding = judged(story)
    assert finding.answer is answer, finding.line()
    assert [one["pod"] for one in finding.values["replicas"]] == ["model-a", "model-b"]
