"""A release of the owners' that begins as a fault strikes and comes through: its pods are no breach of the system's."""

from __future__ import annotations

import pytest
from histories import NAMESPACE, T0, WORKLOAD, Story, at, facts, node, pod
from member_stories import made, member, stateful_set
from probe_stories import endpoints
from rollout_stories import NEW, OLD, Rolling, owned, release

from chaos.checks import EndState, Recovered, RecoveredInTime
from chaos.checks.verdict import Answer, Check
from chaos.history import Fault, Phase
from chaos.objects.base import Ref

CHECKS = pytest.mark.parametrize(
    "check", [Recovered(), RecoveredInTime(), EndState()], ids=lambda check: str(check.name)
)


def goes(story: Story, at_s: float, uid: str, *, ready: bool = True) -> None:
    """The release has a pod of the former template deleted, which is gone 3 s later."""
    going = pod(uid, ready=ready, owner=OLD, deleting=True)
    story.saw(at_s, "MODIFIED", going).saw(at_s + 3, "DELETED", going)


def released(begin_s: float, round_s: float) -> Rolling:
    """Four pods are released anew in two rounds of so long, and `b` is killed at 31 s.

    Its former ReplicaSet makes `x` for it, which the release takes before it is Ready, as it does with whatever of the
    former template is not.
    """
    story = Rolling(200).stands(*"abcd").saw(0, "LISTED", endpoints(*"abcd"), "EndpointSlice")
    story.fault("b", at_s=30).acted("delete-pod", 31, uid="b", fault="pod-kill-1")
    story.saw(31.05, "DELETED", pod("b", ready=True, owner=OLD))
    story.saw(31.1, "ADDED", pod("x", node="", owner=OLD)).saw(31.2, "MODIFIED", pod("x", owner=OLD))
    story.saw(begin_s, "MODIFIED", release(NEW), "Deployment").saw(begin_s, "ADDED", owned(NEW, 2), "ReplicaSet")
    first, then = ("a", "x") if begin_s < 31 else ("x", "a")
    story.saw(begin_s + 0.05, "MODIFIED", owned(OLD, 3), "ReplicaSet")
    goes(story, begin_s + 0.1, first, ready=first == "a")
    for place, pair in enumerate(("ef", "gh")):
        made_s = begin_s + 0.2 + place * (round_s + 0.5)
        for uid in pair:
            story.replaced(uid, made_s, ready_s=made_s + round_s, owner=NEW)
    story.saw(begin_s + round_s + 0.4, "MODIFIED", owned(OLD, 1), "ReplicaSet")
    story.saw(begin_s + round_s + 0.4, "MODIFIED", owned(NEW, 4), "ReplicaSet")
    for uid in (then, "c"):
        goes(story, begin_s + round_s + 0.5, uid, ready=uid != "x")
    story.saw(begin_s + 2 * round_s + 1, "MODIFIED", owned(OLD, 0), "ReplicaSet")
    goes(story, begin_s + 2 * round_s + 1.1, "d")
    return story.saw(begin_s + 2 * round_s + 1.2, "MODIFIED", endpoints(*"efgh"), "EndpointSlice")


@CHECKS
@pytest.mark.parametrize(("begin_s", "round_s"), [(30.2, 4), (30.2, 20), (31.5, 4)], ids=["with", "slow", "after"])
def test_a_release_that_makes_a_loss_good_is_no_breach(check: Check, begin_s: float, round_s: float) -> None:
    """The killed pod's own successor never is Ready, and a pod of the new template serves in its place."""
    finding = check(released(begin_s, round_s).history())
    assert finding.answer is (Answer.UNKNOWN if check == RecoveredInTime() else Answer.PASS), finding.line()


@CHECKS
def test_a_pod_that_is_lost_after_the_release_is_owed(check: Check) -> None:
    """What the release made is missed like any other pod once that is over."""
    story = released(30.2, 4).fault("h", at_s=60, healed_s=65)
    story.saw(60.5, "DELETED", pod("h", ready=True, owner=NEW))
    finding = check(story.saw(60.6, "MODIFIED", endpoints(*"efg"), "EndpointSlice").history())
    assert finding.answer is Answer.FAIL, finding.line()


# --- members of a StatefulSet ---------------------------------------------------------------------------------------


def members_released(*, ready_s: float = 10) -> Story:
    """A release takes one member after another, and `b` of the middle is killed as the last has gone.

    It comes back as it was, so long after it was made, before the last one is made anew; then the release goes on.
    """
    story = Story(300).saw(0, "LISTED", stateful_set(), "StatefulSet").saw(0, "LISTED", node("n1"), "Node")
    story.saw(0, "LISTED", endpoints(*"abc"), "EndpointSlice")
    for ordinal, uid in enumerate("abc"):
        story.saw(0, "LISTED", member(uid, ordinal, ready=True))
    story.acted("delete-pod", 30.5, uid="b", fault="pod-kill-1").saw(30.6, "DELETED", member("b", 1, ready=True))
    now_s = 30.8
    made(story, "y", 1, now_s, ready_s=now_s + ready_s)
    for uid, ordinal, new in (("c", 2, "z"), ("y", 1, "v"), ("a", 0, "w")):
        gone = member(uid, ordinal, ready=True, deleting=True)
        goes_s = 30.1 if uid == "c" else now_s
        story.saw(goes_s, "MODIFIED", gone).saw(goes_s + 0.3 if uid == "c" else goes_s + 3, "DELETED", gone)
        now_s += ready_s + 0.2 if uid == "c" else 3.2
        made(story, new, ordinal, now_s, ready_s=now_s + 10)
        now_s += 10.2
    story.saw(30.7, "MODIFIED", endpoints("a"), "EndpointSlice")
    story.saw(30.9 + ready_s, "MODIFIED", endpoints("a", "y"), "EndpointSlice")
    story.saw(now_s, "MODIFIED", endpoints(*"zvw"), "EndpointSlice")
    system = {"selector": {"app": WORKLOAD}, "workload": {"kind": "StatefulSet", "name": WORKLOAD}}
    victim = Ref("Pod", NAMESPACE, "model-1", "b")
    return story.has(
        faults=(Fault("pod-kill-1", "pod-kill", "w", (victim,), at(30), at(30.7), at(50), proof="gone"),),
        facts=facts(workload_kind="StatefulSet", raw={"system": system}),
        covered_ns=dict.fromkeys(("Pod", "StatefulSet", "Node", "EndpointSlice"), (T0, at(300))),
        phases=(Phase("fault", at(30), at(50)), Phase("recovery", at(50), at(280))),
    ).traffic()


@CHECKS
def test_a_release_of_members_is_no_breach_of_a_members_recovery(check: Check) -> None:
    """A member that was killed is back in time, however soon the release takes it again."""
    finding = check(members_released().history())
    assert finding.answer is not Answer.FAIL, finding.line()
    if check == Recovered():
        assert finding.answer is Answer.PASS, finding.line()


def test_a_member_that_is_late_is_late_beside_a_release_too() -> None:
    """It has the 94 s of any member, and no more for the release that waits for it."""
    finding = Recovered()(members_released(ready_s=100).history())
    assert finding.answer is Answer.FAIL, finding.line()
