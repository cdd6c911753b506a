"""RolledOut on foreign systems: long graces under Recreate, devices without a spare, and the defaults of a strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from histories import PROBED, at, node, pod
from probe_stories import told
from rollout_stories import NEW, OLD, Rolling, bad_story, owned, release, update_story

from chaos.checks import RollbackSafe, RolledOut
from chaos.checks.verdict import Answer, Finding
from chaos.history import Phase
from chaos.semantics.rollout import Strategy

Raw = dict[str, Any]

RECREATE: Raw = {"type": "Recreate"}
NO_SURGE: Raw = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 2}}
ONE_MORE: Raw = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
NO_DEVICE = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."


def with_spec(raw: Raw, spec: Mapping[str, Any], **more: Any) -> Raw:
    """A Deployment or ReplicaSet whose pods have this spec."""
    raw["spec"]["template"]["spec"] = dict(spec)
    raw["spec"] |= more
    return raw


def begun(strategy: Raw, spec: Mapping[str, Any], *, end_s: float = 320) -> Rolling:
    """Two old replicas, `a` and `b`, under traffic; a new release is asked for at 30.2 s."""
    story = Rolling(end_s)
    story.saw(0, "LISTED", with_spec(release(OLD, replicas=2), spec, strategy=strategy), "Deployment")
    story.saw(0, "LISTED", with_spec(owned(OLD, 2), spec), "ReplicaSet").saw(0, "LISTED", node("n1"), "Node")
    for uid in "ab":
        story.saw(0, "LISTED", pod(uid, ready=True, owner=OLD, spec=spec))
    story.traffic()
    story.fault(name="rolling-update", at_s=30, healed_s=45)
    story.saw(30.2, "MODIFIED", with_spec(release(NEW, replicas=2), spec, strategy=strategy), "Deployment")
    return story


def exchanged(strategy: Raw, *, grace_s: int, gone_s: float) -> Finding:
    """Both old pods are asked to go at 30.3 s and gone at `gone_s`; the new ones are Ready 4 s after they are made.

    They are made when the old ones are gone under Recreate, at once otherwise.
    """
    spec = {**PROBED, "terminationGracePeriodSeconds": grace_s}
    story = begun(strategy, spec).saw(30.25, "MODIFIED", with_spec(owned(OLD, 0), spec), "ReplicaSet")
    for uid in "ab":
        story.saw(30.3, "MODIFIED", pod(uid, ready=True, owner=OLD, deleting=True, spec=spec))
        story.saw(gone_s, "DELETED", pod(uid, owner=OLD, deleting=True, spec=spec))
    made_s = gone_s + 0.1 if strategy == RECREATE else 30.4
    story.saw(made_s, "ADDED", with_spec(owned(NEW, 2), spec), "ReplicaSet")
    for uid in "ef":
        story.replaced(uid, made_s + 0.1, ready_s=made_s + 4, owner=NEW, spec=spec)
    return RolledOut()(story.history())


@pytest.mark.parametrize(
    ("grace_s", "gone_s"),
    [(5, 33), (60, 85), (120, 149)],
    ids=["short", "an answer of a minute", "answers of two minutes"],
)
def test_recreate_waits_for_the_old_pods_end(grace_s: int, gone_s: float) -> None:
    """Recreate makes no new pod before the last old one is gone, so a release takes the old pods' grace, too."""
    finding = exchanged(RECREATE, grace_s=grace_s, gone_s=gone_s)
    assert finding.answer is Answer.PASS, finding.line()


def test_a_rolling_update_waits_for_no_end() -> None:
    """Where all may be missing at once, old pods that end late hold nothing up."""
    finding = exchanged(NO_SURGE, grace_s=60, gone_s=85)
    assert finding.answer is Answer.PASS, finding.line()


def spec_with(pull: str) -> Raw:
    """The usual pods, their image pulled by this policy."""
    return {**PROBED, "containers": [{**PROBED["containers"][0], "imagePullPolicy": pull}]}


def stuck(pull: str, *, scheduled: bool) -> Finding:
    """The one new pod `e` never becomes Ready: it finds no device, or it has been running since 31.3 s."""
    spec = spec_with(pull)
    story = begun(ONE_MORE, spec, end_s=200).saw(30.25, "ADDED", with_spec(owned(NEW, 1), spec), "ReplicaSet")
    if scheduled:
        story.replaced("e", 30.3, ready_s=None, owner=NEW, spec=spec)
    else:
        waiting = pod("e", node="", owner=NEW, spec=spec)
        why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_DEVICE}
        waiting["status"]["conditions"].append(why)
        story.saw(30.3, "ADDED", waiting)
    return RolledOut()(story.history())


PULLS = ["Never", "IfNotPresent"]


@pytest.mark.parametrize("pull", PULLS)
def test_a_release_that_finds_no_device_fails(pull: str) -> None:
    """With as many devices as replicas a surge never comes through, however its image is pulled."""
    assert stuck(pull, scheduled=False).answer is Answer.FAIL


def test_a_release_that_finds_no_device_is_told_in_the_schedulers_words() -> None:
    """The reason is why no node takes the new pod."""
    finding = stuck("Never", scheduled=False)
    assert "Insufficient nvidia.com/gpu" in finding.reason
    assert "may have to be pulled" not in finding.reason


@pytest.mark.parametrize("pull", PULLS)
def test_a_new_pod_that_runs_and_is_never_ready_fails(pull: str) -> None:
    """The image of a container that runs was pulled, so a pull does not excuse that it never became Ready."""
    finding = stuck(pull, scheduled=True)
    assert finding.answer is Answer.FAIL, finding.line()


@pytest.mark.parametrize(("replicas", "surge", "unavailable"), [(1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 1, 1), (5, 2, 1)])
def test_the_default_strategy_rounds_up_and_down(replicas: int, surge: int, unavailable: int) -> None:
    """A quarter more is rounded up, a quarter fewer down: up to three replicas none may be missing."""
    found = Strategy.of({})
    assert (found.surge(replicas), found.unavailable(replicas)) == (surge, unavailable)


def test_a_strategy_that_allows_neither_lets_one_be_missing() -> None:
    """Without a surge and with one percent of one replica, Kubernetes lets one go, as nothing could move otherwise."""
    strategy = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "1%"}}
    assert Strategy.of({"strategy": strategy}).unavailable(1) == 1


# --- what holds a release up, in the cluster's own words -----------------------------------------------------------


MULTI_ATTACH = "Multi-Attach error for volume pvc-1: Volume is already used by pod(s) model-a"


def attaching(*, started_s: float | None) -> Finding:
    """The new pod waits for the one claim that an old pod holds; it starts at `started_s`, if ever."""
    spec = spec_with("IfNotPresent")
    story = begun(ONE_MORE, spec, end_s=200).saw(30.25, "ADDED", with_spec(owned(NEW, 1), spec), "ReplicaSet")
    story.saw(30.3, "ADDED", pod("e", owner=NEW, spec=spec))
    story.saw(31, "ADDED", told("e", "FailedAttachVolume", MULTI_ATTACH), "Event")
    if started_s is not None:
        story.saw(started_s, "MODIFIED", pod("e", ready=True, owner=NEW, spec=spec))
    return RolledOut()(story.history())


def test_a_claim_that_is_never_free_fails_in_the_attachers_words() -> None:
    """With one ReadWriteOnce claim a surge never comes through; that its image may be pulled is beside the point."""
    finding = attaching(started_s=None)
    assert finding.answer is Answer.FAIL
    assert MULTI_ATTACH in finding.reason


def test_a_claim_that_comes_free_late_is_open() -> None:
    """Kubernetes promises no time for attaching a volume."""
    finding = attaching(started_s=120)
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert MULTI_ATTACH in finding.reason


def test_a_release_whose_image_does_not_exist_fails() -> None:
    """A pull that takes long is excused, an image that the registry does not have is not."""
    spec = spec_with("IfNotPresent")
    story = begun(ONE_MORE, spec, end_s=200).saw(30.25, "ADDED", with_spec(owned(NEW, 1), spec), "ReplicaSet")
    raw = pod("e", owner=NEW, spec=spec)
    waits = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    raw["status"]["containerStatuses"][0] |= {"state": {"waiting": waits}, "image": "model:v3"}
    story.saw(30.3, "ADDED", raw)
    slow = RolledOut()(story.history())
    assert slow.answer is Answer.UNKNOWN, slow.line()
    story.saw(31, "ADDED", told("e", "Failed", "Failed to pull image: manifest unknown"), "Event")
    finding = RolledOut()(story.history())
    assert finding.answer is Answer.FAIL
    assert "manifest unknown" in finding.reason


CRASHED = {"terminated": {"exitCode": 1, "reason": "Error"}}
CRASHING = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": CRASHED, "restartCount": 3}
UNKNOWN_END = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        pytest.param(CRASHING, Answer.FAIL, id="it crashes"),
        pytest.param({"state": CRASHED}, Answer.FAIL, id="it has crashed"),
        pytest.param({"state": {"waiting": {"reason": "ContainerCreating"}}}, Answer.UNKNOWN, id="it is being made"),
        pytest.param({"state": UNKNOWN_END}, Answer.UNKNOWN, id="it was never made"),
    ],
)
def test_a_release_that_crashes_too_fast_to_be_seen_running_fails(status: Raw, answer: Answer) -> None:
    """The image of a container that has ended was pulled, though word of its running never came."""
    spec = spec_with("IfNotPresent")
    story = begun(ONE_MORE, spec, end_s=200).saw(30.25, "ADDED", with_spec(owned(NEW, 1), spec), "ReplicaSet")
    raw = pod("e", owner=NEW, spec=spec)
    raw["status"]["containerStatuses"][0] |= status
    finding = RolledOut()(story.saw(30.3, "ADDED", pod("e", owner=NEW, spec=spec)).saw(33, "MODIFIED", raw).history())
    assert finding.answer is answer, finding.line()
    assert ("exit code 1)" in finding.reason or "exit code 1," in finding.reason) is (answer is Answer.FAIL)


def test_a_release_that_a_quota_forbids_fails() -> None:
    """Where the new ReplicaSet may make no pod, the quota is named."""
    spec = spec_with("Always")
    refused = with_spec(owned(NEW, 1), spec)
    refused["status"] = {"replicas": 0}
    story = begun(ONE_MORE, spec, end_s=200).saw(30.25, "ADDED", refused, "ReplicaSet")
    story.saw(31, "ADDED", told(NEW, "FailedCreate", "pods is forbidden: exceeded quota: gpus"), "Event")
    finding = RolledOut()(story.history())
    assert finding.answer is Answer.FAIL
    assert "exceeded quota: gpus" in finding.reason


@pytest.mark.parametrize(("full", "answer"), [(True, Answer.PASS), (False, Answer.FAIL)])
def test_without_a_surge_full_devices_are_free_when_the_old_pods_are_gone(full: bool, answer: Answer) -> None:  # noqa: FBT001
    """New pods that found no device until the old ones ended have that grace; pods that were only late have not."""
    spec = {**PROBED, "terminationGracePeriodSeconds": 60}
    story = begun(NO_SURGE, spec).saw(30.25, "MODIFIED", with_spec(owned(OLD, 0), spec), "ReplicaSet")
    story.saw(30.25, "ADDED", with_spec(owned(NEW, 2), spec), "ReplicaSet")
    for old, new in (("a", "e"), ("b", "f")):
        story.saw(30.3, "MODIFIED", pod(old, ready=True, owner=OLD, deleting=True, spec=spec))
        story.saw(85, "DELETED", pod(old, owner=OLD, deleting=True, spec=spec))
        waiting = pod(new, node="", owner=NEW, spec=spec)
        why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_DEVICE}
        waiting["status"]["conditions"] += [why] if full else []
        story.saw(30.4, "ADDED", waiting).saw(85.1, "MODIFIED", pod(new, owner=NEW, spec=spec))
        story.saw(86, "MODIFIED", pod(new, running=True, owner=NEW, spec=spec))
        story.saw(89, "MODIFIED", pod(new, ready=True, owner=NEW, spec=spec))
    finding = RolledOut()(story.history())
    assert finding.answer is answer, finding.line()


# --- replicas that others take meanwhile -------------------------------------------------------------------------


def taken(how: str, *, more: bool = False) -> Rolling:
    """While `a` is replaced as the strategy allows, `b` goes as well; `more`: so does `c`, by the rollout itself."""
    story = Rolling(120).stands("a", "b", "c", "d").fault(name="rolling-update", at_s=30, healed_s=45)
    story.changes(NEW, 30.2).ends("a", 30.3).made("e", 30.4, NEW, ready_s=33).made("f", 30.5, NEW, ready_s=34)
    if how == "killed":
        story.fault("b", at_s=30.9, healed_s=45).acted("delete-pod", 30.95, uid="b", fault="pod-kill-2")
    if how.startswith(("E", "P", "D")):
        story.saw(31, "MODIFIED", pod("b", ready=True, owner=OLD, disruption=how))
    if how == "falls":
        story.saw(31, "MODIFIED", pod("b", running=True, owner=OLD))
    going = pod("b", owner=OLD, disruption="" if how in ("killed", "falls") else how, deleting=True)
    at_s = 33.1 if how == "falls" else 31.01
    story.saw(at_s, "MODIFIED", going).saw(at_s + 2, "DELETED", going)
    story.ends("c", 31.5 if more else 34.1)
    return story.made("g", 33.2, NEW, ready_s=36).made("h", 34.2, NEW, ready_s=38).ends("d", 38.1)


@pytest.mark.parametrize(
    ("how", "more", "answer"),
    [
        pytest.param("EvictionByEvictionAPI", False, Answer.UNKNOWN, id="a descheduler evicts it"),
        pytest.param("PreemptionByScheduler", False, Answer.UNKNOWN, id="the scheduler preempts it"),
        pytest.param("DeletionByTaintManager", False, Answer.UNKNOWN, id="its node is tainted"),
        pytest.param("DeletionByDeviceTaintManager", False, Answer.UNKNOWN, id="its device is tainted"),
        pytest.param("PreemptionByOthers", False, Answer.UNKNOWN, id="taken for a reason that is not known"),
        pytest.param("killed", False, Answer.UNKNOWN, id="a fault of the trial kills it"),
        pytest.param("falls", False, Answer.FAIL, id="it falls by itself"),
        pytest.param("", False, Answer.FAIL, id="the rollout takes it"),
        pytest.param("EvictionByEvictionAPI", True, Answer.FAIL, id="the rollout takes one more besides"),
    ],
)
def test_a_strategy_binds_the_rollout_alone(how: str, more: bool, answer: Answer) -> None:  # noqa: FBT001
    """Two of four are missing where one may be; a rollout keeps its strategy, whatever others take meanwhile."""
    finding = RolledOut()(taken(how, more=more).history())
    assert finding.answer is answer, finding.line()
    assert ("3 were needed from then on" in finding.reason) is False


# --- releases that their owners pause ------------------------------------------------------------------------------


def halted(paused_s: float | None, resumed_s: float | None) -> Rolling:
    """Four pods are rolled out from 30.2 s on; it stops halfway at 34 s for good, and is paused between the moments."""
    story = update_story(200).has(phases=(Phase("recovery", at(45), at(190)),))
    story.events = [one for one in story.events if one.at_ns < at(34.05)]
    for at_s, paused in ((paused_s, True), (resumed_s, False)):
        if at_s is not None:
            story.saw(at_s, "MODIFIED", release(NEW if at_s > 30 else OLD, paused=paused), "Deployment")
    return story


@pytest.mark.parametrize(
    ("paused_s", "resumed_s", "answer"),
    [
        pytest.param(34, None, Answer.UNKNOWN, id="for good"),
        pytest.param(34, 60, Answer.UNKNOWN, id="for a while"),
        pytest.param(30.2, None, Answer.UNKNOWN, id="as the template changes"),
        pytest.param(None, None, Answer.FAIL, id="never"),
        pytest.param(120, None, Answer.FAIL, id="long after it was due"),
        pytest.param(20, 25, Answer.FAIL, id="before the release alone"),
    ],
)
def test_a_release_that_is_paused_breaks_no_promise(
    paused_s: float | None, resumed_s: float | None, answer: Answer
) -> None:
    """A canary controller or an owner pauses the Deployment: its controller trades no more pods until it goes on."""
    finding = RolledOut()(halted(paused_s, resumed_s).history())
    assert finding.answer is answer, finding.line()
    assert ("paused" in finding.reason) is (answer is Answer.UNKNOWN)


@pytest.mark.parametrize(("paused", "answer"), [(True, Answer.UNKNOWN), (False, Answer.FAIL)])
def test_an_undoing_that_is_paused_breaks_no_promise(paused: bool, answer: Answer) -> None:  # noqa: FBT001
    """The former template is back, and the Deployment is paused, so that its replicas do not come back."""
    story = bad_story(200).has(phases=(Phase("recovery", at(46), at(190)),))
    story.events = [one for one in story.events if one.at_ns <= at(45)]
    if paused:
        story.saw(45.01, "MODIFIED", release(OLD, paused=True), "Deployment")
    finding = RollbackSafe()(story.history())
    assert finding.answer is answer, finding.line()
