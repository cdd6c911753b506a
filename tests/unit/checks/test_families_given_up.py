"""Endpoints of a dual-stack Service that its owner takes back to one family of addresses in mid-trial."""

from __future__ import annotations

from dataclasses import replace

import pytest
from histories import NAMESPACE, WORKLOAD, Story, at
from probe_stories import hang_story
from recovery_stories import replaced_story, restarted_story

from chaos.checks import RecoveredInTime, UnreadyLeavesEndpoints
from chaos.checks.verdict import Answer, Check


def dual(story: Story, left_s: float | None, *, given_up: bool = True) -> Story:
    """Each slice is there for both families; that for IPv6 only up to a moment, at which the Service gives it up."""
    slices = [one for one in story.events if one.kind == "EndpointSlice"]
    story.events = [one for one in story.events if one.kind != "EndpointSlice"]
    for one in slices:
        for family in ("IPv4", "IPv6"):
            metadata = {**one.object["metadata"], "uid": family, "name": family}
            raw = {**one.object, "metadata": metadata, "addressType": family}
            if left_s is None or family == "IPv4" or one.at_ns < at(left_s):
                story.events.append(replace(one, object=raw))
    service = {"metadata": {"uid": "svc-1", "name": WORKLOAD, "namespace": NAMESPACE}}
    spec = {"selector": {"app": WORKLOAD}}
    story.saw(0, "LISTED", {**service, "spec": {**spec, "ipFamilies": ["IPv4", "IPv6"]}}, "Service")
    if left_s is not None:
        kept = ["IPv4"] if given_up else ["IPv4", "IPv6"]
        story.saw(left_s, "MODIFIED", {**service, "spec": {**spec, "ipFamilies": kept}}, "Service")
        gone = next(one for one in reversed(story.events) if one.object.get("addressType") == "IPv6")
        story.saw(left_s + 0.1, "DELETED", gone.object, "EndpointSlice")
    return story


@pytest.mark.parametrize(
    ("check", "story", "answer"),
    [
        pytest.param(RecoveredInTime(), dual(replaced_story(), None), Answer.PASS, id="replaced, both families"),
        pytest.param(RecoveredInTime(), dual(replaced_story(), 32), Answer.PASS, id="replaced, one given up before"),
        pytest.param(
            RecoveredInTime(), dual(replaced_story(), 32, given_up=False), Answer.FAIL, id="replaced, one lost"
        ),
        pytest.param(RecoveredInTime(), dual(restarted_story(), None), Answer.PASS, id="restarted, both families"),
        pytest.param(RecoveredInTime(), dual(restarted_story(), 36), Answer.PASS, id="restarted, one given up before"),
        pytest.param(
            RecoveredInTime(), dual(restarted_story(), 36, given_up=False), Answer.FAIL, id="restarted, one lost"
        ),
        pytest.param(UnreadyLeavesEndpoints(), dual(hang_story(), None), Answer.PASS, id="back, both families"),
        pytest.param(UnreadyLeavesEndpoints(), dual(hang_story(), 36), Answer.PASS, id="back, one given up before"),
        pytest.param(
            UnreadyLeavesEndpoints(), dual(hang_story(), 36, given_up=False), Answer.FAIL, id="back, one lost"
        ),
    ],
)
def test_no_endpoint_is_owed_of_a_family_that_was_given_up(check: Check, story: Story, answer: Answer) -> None:
    """A replica comes back when the Service has IPv4 alone: no client asks for its endpoint of IPv6 any more."""
    finding = check(story.history())
    assert finding.answer is answer, finding.line()
