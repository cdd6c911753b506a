"""Recoveries that the reference model never sees: members in order, a scale-in meanwhile, dead pods, no room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from histories import (
    NAMESPACE,
    PROBED,
    T0,
    WORKLOAD,
    Story,
    at,
    deployment,
    facts,
    node,
    pod,
    replica_set,
)
from member_stories import member, stateful_set
from node_loss_stories import marked, moved, noticed, powered, standing
from probe_stories import endpoints
from recovery_stories import answered, replaced_story

from chaos.checks import Recovered, RecoveredInTime, Rescheduled
from chaos.checks.verdict import Answer, Check
from chaos.history import Fault, Phase
from chaos.objects.base import Ref

MODEL = PROBED["containers"][0]


def phases(healed_s: float, end_s: float) -> tuple[Phase, ...]:
    """The phases of a trial whose fault stands from 30 s until it is healed."""
    return (
        Phase("baseline", at(5), at(25)),
        Phase("fault", at(30), at(healed_s)),
        Phase("recovery", at(healed_s), at(end_s)),
    )


# --- members of a StatefulSet -------------------------------------------------------------------------------


def asked_in_turn(story: Story, back_s: Sequence[float]) -> Story:
    """Requests go to the members in turn, of those that are back; where none is, nobody answers."""
    for row in story.rows:
        among = [n for n, at_s in enumerate(back_s) if row["intended_ns"] < at(30) or row["intended_ns"] >= at(at_s)]
        if among:
            row["replica"] = f"model-{among[row['id'] % len(among)]}"
        else:
            row["outcome"] = "failed"
    return story


def all_members_killed(start_s: float, policy: str = "OrderedReady", *, min_ready_s: float = 0) -> Story:
    """All three members are killed at once; each takes so long from being made to Ready, one after another or not."""
    system = {"selector": {"app": WORKLOAD}, "workload": {"kind": "StatefulSet", "name": WORKLOAD}}
    story = (
        Story(400)
        .saw(0, "LISTED", stateful_set(policy, min_ready_s), "StatefulSet")
        .saw(0, "LISTED", node("n1"), "Node")
    )
    story.saw(0, "LISTED", endpoints(*"abc"), "EndpointSlice").saw(30.3, "MODIFIED", endpoints(), "EndpointSlice")
    made_s, back_s = 30.4, []
    for ordinal, (old, new) in enumerate(zip("abc", "xyz", strict=True)):
        story.saw(0, "LISTED", member(old, ordinal, ready=True))
        story.saw(30.2, "DELETED", member(old, ordinal, ready=True))
        story.saw(made_s, "ADDED", member(new, ordinal, node="")).saw(made_s + 0.1, "MODIFIED", member(new, ordinal))
        story.saw(made_s + 1, "MODIFIED", member(new, ordinal, running=True))
        story.saw(made_s + start_s, "MODIFIED", member(new, ordinal, ready=True))
        back_s.append(made_s + start_s + 0.1)
        story.saw(back_s[-1], "MODIFIED", endpoints(*"xyz"[: ordinal + 1]), "EndpointSlice")
        made_s += start_s + min_ready_s + 0.2 if policy == "OrderedReady" else 0
    victims = tuple(Ref("Pod", NAMESPACE, f"model-{ordinal}", uid) for ordinal, uid in enumerate("abc"))
    story.has(
        faults=(Fault("pod-kill-1", "pod-kill", "w", victims, at(30), at(30.5), at(380), proof="gone"),),
        facts=facts(workload_kind="StatefulSet", raw={"system": system}),
        covered_ns=dict.fromkeys(("Pod", "StatefulSet", "Node", "EndpointSlice"), (T0, at(400))),
        phases=phases(380, 395),
    )
    return asked_in_turn(story.traffic(end_s=390), back_s)


@pytest.mark.parametrize(
    ("check", "start_s"),
    [
        pytest.param(Recovered(), 20, id="recovered, 20 s each"),
        pytest.param(RecoveredInTime(), 20, id="recovered-in-time, 20 s each"),
        pytest.param(Recovered(), 45, id="recovered, 45 s each"),
        pytest.param(RecoveredInTime(), 45, id="recovered-in-time, 45 s each"),
    ],
)
def test_members_that_come_in_order_have_their_time_in_turn(check: Check, start_s: float) -> None:
    """An OrderedReady StatefulSet makes a member once the one before is Ready, so three take three times as long."""
    finding = check(all_members_killed(start_s).history())
    assert finding.answer is Answer.PASS, finding.line()


@pytest.mark.parametrize("check", [Recovered(), RecoveredInTime()], ids=["recovered", "recovered-in-time"])
def test_members_that_come_together_have_the_time_of_one(check: Check) -> None:
    """A Parallel StatefulSet makes all members at once."""
    finding = check(all_members_killed(45, "Parallel").history())
    assert finding.answer is Answer.PASS, finding.line()


@pytest.mark.parametrize("check", [Recovered(), RecoveredInTime()], ids=["recovered", "recovered-in-time"])
def test_members_that_come_in_order_wait_until_the_one_before_is_available(check: Check) -> None:
    """With minReadySeconds the next member is made only when the one before has been Ready for so long."""
    finding = check(all_members_killed(20, min_ready_s=60).history())
    assert finding.answer is Answer.PASS, finding.line()
    late = check(all_members_killed(95, min_ready_s=60).history())
    assert late.answer is Answer.FAIL, late.line()


# --- a scale-in meanwhile -----------------------------------------------------------------------------------


def test_fewer_wanted_is_not_back() -> None:
    """Two of four replicas never come back; after 20 s only two are wanted, before any replacement was due."""
    story = Story(120).replicas("a", "b", "c", "d").fault("a", "b")
    for uid in "ab":
        story.acted("delete-pod", 30.1, uid=uid, fault="pod-kill-1").killed(uid, 30.2)
    story.replaced("e", 30.3, ready_s=None).replaced("f", 30.4, ready_s=None)
    story.saw(50, "MODIFIED", deployment(2), "Deployment").saw(50.1, "MODIFIED", replica_set(2), "ReplicaSet")
    for uid in "ef":
        story.saw(50.2, "DELETED", pod(uid, running=True))
    finding = Recovered()(story.traffic().history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


@pytest.mark.parametrize(
    ("check", "scaled_in"),
    [
        pytest.param(Recovered(), False, id="recovered"),
        pytest.param(RecoveredInTime(), False, id="recovered-in-time"),
        pytest.param(Recovered(), True, id="recovered, then a scale-in"),
        pytest.param(RecoveredInTime(), True, id="recovered-in-time, then a scale-in"),
    ],
)
def test_a_late_recovery_stays_late(check: Check, *, scaled_in: bool) -> None:
    """The replacement is Ready 90 s after the kill, bound 29 s, whatever number is wanted two minutes later."""
    story = replaced_story(Ready=120, end_s=300)
    if scaled_in:
        story.saw(250, "MODIFIED", deployment(1), "Deployment").saw(250.05, "MODIFIED", replica_set(1), "ReplicaSet")
    finding = check(story.history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert "no victim" not in finding.reason


# --- pods that had failed before ----------------------------------------------------------------------------


def failed() -> dict[str, Any]:
    """A pod of the same ReplicaSet on n1 that the kubelet refused long ago."""
    raw = pod("old", node="n1")
    conditions = [{"type": "Ready", "status": "False", "reason": "PodFailed"}]
    raw["status"] = {"phase": "Failed", "reason": "UnexpectedAdmissionError", "conditions": conditions}
    return raw


@pytest.mark.parametrize(
    ("check", "evicted_s"),
    [
        pytest.param(Rescheduled(), None, id="rescheduled, no failed pod"),
        pytest.param(Rescheduled(), 57.9, id="rescheduled, evicted before the live one"),
        pytest.param(Rescheduled(), 58.05, id="rescheduled, evicted after the live one"),
        pytest.param(Recovered(), None, id="recovered, no failed pod"),
        pytest.param(Recovered(), 57.9, id="recovered, evicted before the live one"),
        pytest.param(Recovered(), 58.05, id="recovered, evicted after the live one"),
    ],
)
def test_a_failed_pod_has_no_successor(check: Check, evicted_s: float | None) -> None:
    """A ReplicaSet never counts a pod that has failed, and makes none in its place when the node is lost."""
    story = standing()
    story.saw(0.1, "MODIFIED", deployment(2), "Deployment").saw(0.1, "MODIFIED", replica_set(2), "ReplicaSet")
    if evicted_s is not None:
        story.saw(0, "LISTED", failed()).saw(evicted_s, "DELETED", failed())
    finding = check(moved(marked(noticed(powered(story, "n1")))).history())
    assert finding.answer is Answer.PASS, finding.line()


# --- no room until the victim is gone -----------------------------------------------------------------------

WORDS = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
DEVICE: Mapping[str, Any] = {
    **PROBED,
    "terminationGracePeriodSeconds": 60,
    "containers": [{**MODEL, "resources": {"limits": {"nvidia.com/gpu": "1"}, "requests": {"nvidia.com/gpu": "1"}}}],
}


def one_device_each() -> Story:
    """The victim holds its GPU for its grace of 60 s; only then can its replacement be scheduled, Ready 5 s later."""
    going = pod("a", ready=True, deleting=True, spec=DEVICE)
    going["metadata"]["deletionGracePeriodSeconds"] = 60
    waiting = pod("d", node="", spec=DEVICE)
    waiting["status"]["conditions"].append(
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": WORDS}
    )
    story = Story(200).replicas("a", "b", spec=DEVICE).fault("a", healed_s=150)
    story.acted("delete-pod", 30.1, fault="pod-kill-1")
    story.saw(30.2, "MODIFIED", going).saw(90, "DELETED", going).saw(30.3, "ADDED", waiting)
    story.saw(90.1, "MODIFIED", pod("d", spec=DEVICE)).saw(91, "MODIFIED", pod("d", running=True, spec=DEVICE))
    story.saw(95, "MODIFIED", pod("d", ready=True, spec=DEVICE)).saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    story.saw(30.3, "MODIFIED", endpoints("b"), "EndpointSlice")
    story.saw(95.1, "MODIFIED", endpoints("b", "d"), "EndpointSlice")
    return answered(story.has(phases=phases(150, 190)).traffic(end_s=195), "a", 30.2, "d", 96)


@pytest.mark.parametrize("check", [Recovered(), RecoveredInTime()], ids=["recovered", "recovered-in-time"])
def test_a_replacement_may_wait_for_what_its_victim_holds(check: Check) -> None:
    """A replacement waits for the GPU that its victim holds: that grace is part of its bound."""
    finding = check(one_device_each().history())
    assert finding.answer is Answer.PASS, finding.line()
