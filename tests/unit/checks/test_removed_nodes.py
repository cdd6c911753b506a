"""Nodes whose objects are removed under their pods, as clouds do with machines that they take back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from histories import PROBED, Story, deployment, facts, node, pod, replica_set
from node_loss_stories import LAB, noticed, powered, standing
from probe_stories import endpoints

from chaos.checks import EndState, Recovered, RecoveredInTime, Rescheduled
from chaos.checks.verdict import Answer, Check
from chaos.history import Phase
from chaos.semantics.node_loss import UNREACHABLE

FOREVER: Mapping[str, Any] = {
    **PROBED,
    "tolerations": [{"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute"}],
}

COLLECTED = "DeletionByPodGC"


def reclaimed(removed_s: float, gone_s: float | None, *, spec: Mapping[str, Any] = PROBED) -> Story:
    """n1 stands still at 30 s, is NotReady at 47 s, and removed; its replica is deleted, and replaced 5 s later.

    By its taint the replica would go within 20 s of NotReady; once the node is gone, within 80 s of that.
    """
    story = noticed(powered(standing(spec=spec, end_s=400), "n1", on_s=None), spec=spec)
    story.saw(0.1, "MODIFIED", deployment(2, spec=spec), "Deployment")
    story.saw(0.1, "MODIFIED", replica_set(2), "ReplicaSet").saw(removed_s, "DELETED", node("n1", ready=False), "Node")
    if gone_s is not None:
        going = pod("a", running=True, node="n1", spec=spec, disruption=COLLECTED)
        story.saw(gone_s, "MODIFIED", going).saw(gone_s + 0.01, "DELETED", going)
        story.saw(gone_s + 0.1, "ADDED", pod("c", node="", spec=spec))
        for part, state in ((0.2, {}), (1.1, {"running": True}), (4, {"ready": True})):
            story.saw(gone_s + part, "MODIFIED", pod("c", node="n2", spec=spec, **state))
        story.saw(gone_s + 4.1, "MODIFIED", endpoints("b", "c"), "EndpointSlice")
    return story.has(phases=(Phase("fault", story.events[0].at_ns, None),))


CASES = [
    pytest.param(PROBED, 50, 108, False, id="in its quarantine"),
    pytest.param(PROBED, 50, 190, True, id="long after it"),
    pytest.param(PROBED, 50, None, True, id="never"),
    pytest.param(PROBED, 180, 240, True, id="removed when its taint should have been enough"),
    pytest.param(FOREVER, 180, 240, False, id="removed, though it is tolerated for ever"),
    pytest.param(FOREVER, 180, 320, True, id="and long after that"),
]


@pytest.mark.parametrize("check", [Recovered(), Rescheduled(), RecoveredInTime()], ids=lambda check: str(check.name))
@pytest.mark.parametrize(("spec", "removed_s", "gone_s", "late"), CASES)
def test_a_pod_of_a_removed_node_is_collected(
    check: Check, spec: Mapping[str, Any], removed_s: float, gone_s: float | None, *, late: bool
) -> None:
    """The taints go with the node; its pods are deleted when it has been gone for long enough."""
    finding = check(reclaimed(removed_s, gone_s, spec=spec).history())
    open_ = check == RecoveredInTime() and gone_s is None  # whether it moves or its node comes back is not known
    assert (finding.answer is Answer.FAIL) is (late and not open_), finding.line()
    assert late or check == RecoveredInTime() or finding.answer is Answer.PASS, finding.line()


def test_a_replica_may_be_in_quarantine_at_the_end() -> None:
    """A trial that ends 30 s after the node was removed does not see yet whether its replica is replaced in time."""
    story = reclaimed(50, None)
    ended = (Phase("recovery", story.events[0].at_ns, story.events[0].at_ns + 115 * 10**9),)
    faults = [fault for fault in story.parts["faults"] if fault.name != "node-down"]
    finding = EndState()(story.has(phases=ended, faults=tuple(faults), actions=()).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "into a bound" in finding.reason


@pytest.mark.parametrize(
    ("removed_s", "gone_s", "answer"),
    [(50, 108, Answer.PASS), (50, 220, Answer.FAIL), (None, 108, Answer.UNKNOWN)],
)
def test_a_member_is_replaced_once_its_node_is_removed(removed_s: float | None, gone_s: float, answer: Answer) -> None:
    """A StatefulSet may wait for a lost node for ever, and for one that is gone until its pod is collected."""
    story = reclaimed(removed_s or 399, gone_s)
    owner = {"kind": "StatefulSet", "name": "model", "uid": "s-1", "controller": True}
    for event in story.events:
        if event.kind == "Pod":
            named = "model-0" if event.object["metadata"]["uid"] in "ac" else "model-1"
            event.object["metadata"].update(name=named, ownerReferences=[owner])
    known = facts(workload_kind="StatefulSet", raw={"system": {"selector": {"app": "model"}}, "timings": LAB})
    kept = deployment(2)
    kept["metadata"]["uid"] = "s-1"
    story.saw(0, "LISTED", kept, "StatefulSet")
    covered = story.parts["covered_ns"]
    story.has(facts=known, covered_ns={**covered, "StatefulSet": covered["Pod"]})
    finding = Recovered()(story.history())
    assert finding.answer is answer, finding.line()
