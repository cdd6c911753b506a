"""A control plane that is started anew in the trial: for a while none of its controllers does anything."""

from __future__ import annotations

from typing import Any

import pytest
from histories import Story, pod, replica_set
from probe_stories import endpoints
from recovery_stories import replaced_story

from chaos.checks import Recovered, RecoveredInTime, UnreadyLeavesEndpoints
from chaos.checks.verdict import Answer, Check


def paused(made_s: float = 62.4, removed_s: float = 62.3, **late: float) -> Story:
    """`a` is deleted at 30.2 s; its successor is made, and its endpoint taken, at these moments."""
    return replaced_story(replacement_created=made_s, endpoint_removed=removed_s, **late)


def status(at_s: float) -> Any:
    """The ReplicaSet, as its controller writes its status."""
    return lambda story: story.saw(at_s, "MODIFIED", replica_set(2), "ReplicaSet")


@pytest.mark.parametrize("check", [Recovered(), RecoveredInTime()], ids=lambda check: str(check.name))
@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(paused(30.4, 30.3), Answer.PASS, id="no pause"),
        pytest.param(paused(), Answer.UNKNOWN, id="both late, and together"),
        pytest.param(paused(60.1), Answer.UNKNOWN, id="within a few seconds of each other"),
        pytest.param(paused(62.4, 30.3), Answer.FAIL, id="the successor alone is late"),
        pytest.param(paused(62.4, 40), Answer.FAIL, id="each late at its own time"),
        pytest.param(status(45)(paused()), Answer.FAIL, id="its controller was at work meanwhile"),
        pytest.param(status(30.8)(paused()), Answer.UNKNOWN, id="its last word came before"),
        pytest.param(paused(Ready=110), Answer.FAIL, id="and a start that is late by itself"),
    ],
)
def test_what_no_controller_could_do_is_nobodys_delay(check: Check, story: Story, answer: Answer) -> None:
    """Only where of two controllers neither did anything was it not the one's own delay."""
    finding = check(story.history())
    assert finding.answer is answer, finding.line()
    assert (answer is Answer.UNKNOWN) is ("kube-controller-manager" in finding.reason)


@pytest.mark.parametrize(("left_s", "answer"), [(33.4, Answer.PASS), (62.3, Answer.UNKNOWN), (80, Answer.FAIL)])
def test_another_pods_endpoint_waits_for_the_controllers_too(left_s: float, answer: Answer) -> None:
    """`b` turns not Ready in the pause, and its endpoint leaves with that of the pod that was deleted."""
    story = paused().saw(33, "MODIFIED", pod("b", running=True))
    story.events = [one for one in story.events if one.kind != "EndpointSlice"]
    story.saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    moments = {62.3: ["a"], left_s: ["b"]} if left_s != 62.3 else {62.3: ["a", "b"]}
    left = {"a", "b"}
    for at_s in sorted(moments):
        left -= set(moments[at_s])
        story.saw(at_s, "MODIFIED", endpoints(*sorted(left)), "EndpointSlice")
    finding = UnreadyLeavesEndpoints()(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("ready_s", "answer"), [(70, Answer.UNKNOWN), (100, Answer.FAIL)])
def test_a_kubelet_waits_for_no_controller(ready_s: float, answer: Answer) -> None:
    """`b` falls in the pause and is back in place within its own bound of 43 s, or late by itself."""
    story = paused().saw(33, "MODIFIED", pod("b", running=True)).saw(ready_s, "MODIFIED", pod("b", ready=True))
    finding = Recovered()(story.history())
    assert finding.answer is answer, finding.line()
    assert "model-b" in finding.reason or answer is Answer.UNKNOWN
