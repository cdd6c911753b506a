"""Replacements and releases that find no room: what the scheduler says decides between late and never."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from histories import PROBED, Story, at, deployment, node, pod, replica_set
from node_loss_stories import marked, moved, node_loss_story, noticed, powered, standing
from probe_stories import COVERED, endpoints, told
from recovery_stories import answered, replaced_story

from chaos.checks import EndState, Recovered, RecoveredInTime, Rescheduled
from chaos.checks.verdict import Answer, Check, Finding
from chaos.history import Phase

NO_DEVICE = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
CHECKS: tuple[Check, ...] = (Recovered(), RecoveredInTime())


def waiting(uid: str, *, reason: str = "Unschedulable", spec: Mapping[str, Any] = PROBED) -> dict[str, Any]:
    """A pod that no node takes."""
    raw = pod(uid, node="", spec=spec)
    why = {"type": "PodScheduled", "status": "False", "reason": reason, "message": NO_DEVICE}
    raw["status"]["conditions"].append(why)
    return raw


def killed(*, gone_s: float | None = 31, disruption: str = "", end_s: float = 200) -> Story:
    """`a` of two is deleted at 30.2 s and gone at `gone_s`; no node takes `d`, which is made for it."""
    story = Story(end_s).replicas("a", "b").fault("a", healed_s=150).acted("delete-pod", 30.1, fault="pod-kill-1")
    going = pod("a", ready=True, deleting=True, disruption=disruption)
    story.saw(30.2, "MODIFIED", going)
    if gone_s is not None:
        story.saw(gone_s, "DELETED", going)
    return story.saw(30.3, "ADDED", waiting("d")).traffic(end_s=190)


def came(story: Story, at_s: float, *, ready_s: float | None, on: str = "n2") -> Story:
    """A node takes `d` at last."""
    story.saw(at_s, "MODIFIED", pod("d", node=on)).saw(at_s + 1, "MODIFIED", pod("d", node=on, running=True))
    return story if ready_s is None else story.saw(ready_s, "MODIFIED", pod("d", node=on, ready=True))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.name))
def test_room_that_comes_late_is_told_and_convicts_nobody(check: Check) -> None:
    """Another node had room after 70 s: nobody promises how soon, so it is open, in the scheduler's words."""
    finding = check(came(killed(), 100, ready_s=104).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert NO_DEVICE in finding.reason


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.name))
def test_room_that_never_comes_fails_in_the_schedulers_words(check: Check) -> None:
    """A replacement that no node took up to the end is a system without room for it."""
    finding = check(killed().history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert NO_DEVICE in finding.reason


def test_a_gate_holds_up_like_a_lack_of_room() -> None:
    """A pod that a queue lets go late (scheduling gates, KEP-3521) was not late by its own doing."""
    story = came(killed(), 100, ready_s=104)
    story.events = [one for one in story.events if one.object["metadata"]["uid"] != "d" or one.type != "ADDED"]
    finding = Recovered()(story.saw(30.3, "ADDED", waiting("d", reason="SchedulingGated")).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_a_pod_that_is_slow_once_it_has_room_is_late() -> None:
    """The time without room is not counted, but what comes after it has to keep its own bound."""
    finding = Recovered()(came(killed(), 50, ready_s=120).history())
    assert finding.answer is Answer.FAIL, finding.line()


@pytest.mark.parametrize(
    ("failed", "ready_s", "answer"),
    [
        pytest.param(False, 104, Answer.UNKNOWN, id="it waited for room"),
        pytest.param(True, 104, Answer.UNKNOWN, id="beside a failed pod"),
        pytest.param(True, 170, Answer.FAIL, id="and was slow once it had it"),
    ],
)
def test_a_pod_that_failed_long_ago_is_not_the_one_that_is_missing(
    failed: bool,  # noqa: FBT001  # a table's column
    ready_s: float,
    answer: Answer,
) -> None:
    """Objects of pods that a kubelet evicted stay for days: none of them is waited for, and none explains why."""
    story = Story(200).replicas("a", "b").saw(0, "LISTED", deployment(3), "Deployment").fault("a").killed("a", 30.2)
    old = pod("x", disruption="TerminationByKubelet")
    old["status"]["phase"] = "Failed"
    if failed:
        story.saw(0, "LISTED", old)
    story.saw(0, "LISTED", waiting("d")).replaced("c", 30.3, ready_s=34)
    finding = Recovered()(came(story, 100, ready_s=ready_s).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize("reason", ["TriggeredScaleUp", "Nominated"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.name))
def test_a_node_on_its_way_leaves_it_open(check: Check, reason: str) -> None:
    """A node autoscaler that is at work for the pod (its Event says so) is waited for."""
    story = killed().saw(33, "ADDED", told("d", reason, "a node for it: gpu-pool 1->2"), "Event")
    finding = check(story.history())
    assert finding.answer is not Answer.FAIL, finding.line()
    assert "gpu-pool 1->2" in finding.reason


@pytest.mark.parametrize(("refused_s", "answer"), [(60, Answer.FAIL), (32, Answer.UNKNOWN)])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.name))
def test_a_node_that_is_given_up_is_on_its_way_no_more(check: Check, refused_s: float, answer: Answer) -> None:
    """The last word of the node autoscaler counts: its group of nodes has none left to give, or gives one after all."""
    story = killed().saw(33, "ADDED", told("d", "TriggeredScaleUp", "a node for it: gpu-pool 1->2"), "Event")
    refusal = told("d", "NotTriggerScaleUp", "pod didn't trigger scale-up: 1 in backoff after failed scale-up")
    finding = check(story.saw(refused_s, "ADDED", refusal, "Event").history())
    assert finding.answer is answer, finding.line()


def test_a_victim_that_has_not_ended_still_holds_its_own() -> None:
    """The record ends before the deleted pod does, so that nobody knows what its replacement would have got."""
    finding = Recovered()(killed(gone_s=None).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "had not ended" in finding.reason


def test_a_victim_of_preemption_need_not_find_room() -> None:
    """A pod that made room for one of higher priority is not owed a place."""
    finding = Recovered()(killed(disruption="PreemptionByScheduler").history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "preempted for a pod of higher priority" in finding.reason


def test_a_disruption_that_was_called_off_excuses_nothing() -> None:
    """A condition DisruptionTarget that was taken back, as after two minutes without a deletion, is none."""
    story = killed()
    stale = {"type": "DisruptionTarget", "status": "False", "reason": "PreemptionByScheduler"}
    for one in story.events:
        if one.object["metadata"]["uid"] == "a":
            one.object["status"]["conditions"].append(stale)
    assert Recovered()(story.history()).answer is Answer.FAIL


def test_a_scale_in_after_the_deadline_undoes_nothing() -> None:
    """A loss that was not made good when it was due stays a failure, though one fewer is desired later."""
    story = (
        killed().saw(120, "MODIFIED", deployment(1), "Deployment").saw(120, "MODIFIED", replica_set(1), "ReplicaSet")
    )
    finding = Recovered()(story.saw(120.1, "DELETED", waiting("d")).history())
    assert finding.answer is Answer.FAIL, finding.line()


def test_a_lost_nodes_replica_may_wait_for_room() -> None:
    """A replica of a lost node that finds room after the bound is open, one that does not want room is late."""
    story = marked(noticed(powered(standing(end_s=200), "n1", on_s=None)))
    story.saw(58.1, "ADDED", waiting("c")).saw(110, "MODIFIED", pod("c", node="n2"))
    story.saw(111, "MODIFIED", pod("c", node="n2", running=True)).saw(114, "MODIFIED", pod("c", node="n2", ready=True))
    finding = Rescheduled()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert NO_DEVICE in finding.reason
    late = moved(marked(noticed(powered(standing(end_s=200), "n1", on_s=None))), ready_s=114)
    assert Rescheduled()(late.history()).answer is Answer.FAIL


def quota(story: Story) -> Finding:
    """No replacement is made, because a quota forbids it."""
    raw = {"metadata": {"uid": "rs-1", "name": "rs-1", "namespace": "gameday-1", "ownerReferences": [OWNER]}}
    raw |= {"spec": {"replicas": 3}, "status": {"replicas": 2}}
    refused = told("rs-1", "FailedCreate", "pods is forbidden: exceeded quota: gpus")
    return Recovered()(story.saw(31, "MODIFIED", raw, "ReplicaSet").saw(31, "ADDED", refused, "Event").history())


OWNER = {"kind": "Deployment", "name": "model", "uid": "d-1", "controller": True}


def test_a_quota_is_named() -> None:
    """Where the controller may not make the pod, its own words are told."""
    story = Story().replicas("a", "b", "c").fault("a").killed("a", 30.2)
    finding = quota(story)
    assert finding.answer is Answer.FAIL
    assert "exceeded quota: gpus" in finding.reason


GRACE: Mapping[str, Any] = {**PROBED, "terminationGracePeriodSeconds": 60}
OVER_QUOTA = "pods is forbidden: exceeded quota: gpus, requested: 1, used: 2, limited: 2"


def over_quota(made_s: float | None, ready_s: float, *, gone_s: float | None = 75, words: str = OVER_QUOTA) -> Story:
    """`a` of two is deleted at 30.2 s and ends at `gone_s`; its ReplicaSet may not make `d` in its place before."""
    going = pod("a", ready=True, deleting=True, spec=GRACE)
    story = Story(200).replicas("a", "b", spec=GRACE).fault("a", healed_s=190)
    story.acted("delete-pod", 30.1, fault="pod-kill-1").has(covered_ns=dict.fromkeys(COVERED, (at(0), at(200))))
    story.saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice").saw(30.2, "MODIFIED", going)
    story.saw(30.3, "MODIFIED", endpoints("b"), "EndpointSlice")
    if words:
        story.saw(30.4, "ADDED", told("rs-1", "FailedCreate", words), "Event")
    if gone_s is not None:
        story.saw(gone_s, "DELETED", going)
    if made_s is not None:
        story.replaced("d", made_s, ready_s=ready_s, spec=GRACE)
        story.saw(ready_s + 0.1, "MODIFIED", endpoints("b", "d"), "EndpointSlice")
    return answered(story.traffic(end_s=195), "a", 30.2, "d", ready_s + 1)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.name))
@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(over_quota(31, 35), Answer.PASS, id="made at once for all that"),
        pytest.param(over_quota(75.5, 80), Answer.PASS, id="made as the victim was gone"),
        pytest.param(over_quota(150, 154), Answer.UNKNOWN, id="made long after, as its controller backed off"),
        pytest.param(over_quota(None, 180, gone_s=None), Answer.UNKNOWN, id="the victim has not ended"),
        pytest.param(over_quota(None, 180), Answer.FAIL, id="never made"),
        pytest.param(over_quota(75.5, 160), Answer.FAIL, id="slow once it was made"),
        pytest.param(over_quota(75.5, 80, words=""), Answer.FAIL, id="made late without a word"),
        pytest.param(over_quota(75.5, 80, words="denied by a webhook"), Answer.FAIL, id="refused by others"),
    ],
)
def test_a_victim_has_its_share_of_the_quota_until_it_is_gone(check: Check, story: Story, answer: Answer) -> None:
    """A namespace whose quota is as large as its replicas has no room for one more while one is being deleted."""
    finding = check(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(killed(gone_s=None), Answer.UNKNOWN, id="its device"),
        pytest.param(killed(gone_s=31), Answer.FAIL, id="no device"),
        pytest.param(over_quota(None, 180, gone_s=None), Answer.UNKNOWN, id="its share of the quota"),
        pytest.param(over_quota(None, 180), Answer.FAIL, id="no share of the quota"),
    ],
)
def test_what_a_victim_holds_at_the_end_is_no_lack_of_it(story: Story, answer: Answer) -> None:
    """The trial ends, a minute after the heal, before the deleted pod does."""
    (fault,) = story.parts["faults"]
    story.has(faults=(replace(fault, healed_ns=at(40)),), phases=(Phase("recovery", at(40), at(120)),))
    finding = EndState()(story.history())
    assert finding.answer is answer, finding.line()


def test_the_stories_without_a_want_of_room_are_as_before() -> None:
    """A replacement that a node takes at once passes."""
    assert RecoveredInTime()(replaced_story().history()).answer is Answer.PASS
    assert Rescheduled()(node_loss_story().history()).answer is Answer.PASS
    assert node("n1")["spec"] == {}


# --- another scheduler -------------------------------------------------------------------------------------------


def queued(scheduler: str, *, taken_s: float | None, ready_s: float | None = None) -> Story:
    """`a` of two is killed; `d` waits without a word until its scheduler places it."""
    spec = {**PROBED, "schedulerName": scheduler}
    story = Story(200).replicas("a", "b").fault("a", healed_s=150).acted("delete-pod", 30.1, fault="pod-kill-1")
    story.killed("a", 30.2).saw(30.3, "ADDED", pod("d", node="", spec=spec)).traffic(end_s=190)
    if taken_s is not None:
        story.saw(taken_s, "MODIFIED", pod("d", spec=spec))
        story.saw(taken_s + 1, "MODIFIED", pod("d", running=True, spec=spec))
    return story if ready_s is None else story.saw(ready_s, "MODIFIED", pod("d", ready=True, spec=spec))


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(queued("kai-scheduler", taken_s=30.5, ready_s=34), Answer.PASS, id="at once"),
        pytest.param(queued("kai-scheduler", taken_s=90, ready_s=94), Answer.UNKNOWN, id="after a minute in a queue"),
        pytest.param(queued("kai-scheduler", taken_s=90, ready_s=150), Answer.FAIL, id="and slow after that"),
        pytest.param(queued("kai-scheduler", taken_s=30.5, ready_s=90), Answer.FAIL, id="at once, and slow"),
        pytest.param(queued("kai-scheduler", taken_s=None), Answer.FAIL, id="never"),
        pytest.param(queued("default-scheduler", taken_s=90, ready_s=94), Answer.FAIL, id="Kubernetes' own, late"),
    ],
)
def test_another_scheduler_promises_no_time(story: Story, answer: Answer) -> None:
    """A queue for GPUs places a pod when its turn comes; Kubernetes' objective for pod startup is not of it."""
    finding = Recovered()(story.history())
    assert finding.answer is answer, finding.line()
