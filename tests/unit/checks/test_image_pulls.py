"""Pods whose start takes long for a pull or a hook that nobody limits: what comes after it has its own time still."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from autoscaler_stories import Scaling
from histories import PROBED, Story, at, node, pod
from node_loss_stories import marked, noticed, powered, standing
from probe_stories import hung, killing, restarted
from recovery_stories import replaced_story, restarted_story
from rollout_stories import NEW, OLD, Rolling, owned, release

from chaos.checks import EndState, Recovered, RecoveredInTime, Rescheduled, RestartedByLiveness, RolledOut, ScaledUp
from chaos.checks.verdict import Answer
from chaos.history import Phase

PULLED: Mapping[str, Any] = {
    **PROBED,
    "containers": [{**PROBED["containers"][0], "imagePullPolicy": "IfNotPresent"}],
}
FETCHED: Mapping[str, Any] = {**PROBED, "initContainers": [{"name": "fetch", "imagePullPolicy": "Never"}]}
HOOK = {"lifecycle": {"postStart": {"exec": {"command": ["/warm-up.sh"]}}}}
HOOKED: Mapping[str, Any] = {**PROBED, "containers": [{**PROBED["containers"][0], **HOOK}]}
HOOKED_BESIDE: Mapping[str, Any] = {
    **PROBED,
    "containers": [*PROBED["containers"], {"name": "proxy", "imagePullPolicy": "Never", **HOOK}],
}
MOUNT = "FailedMount", "MountVolume.SetUp failed for volume weights: timed out"
SANDBOX = "FailedCreatePodSandBox", "plugin type calico failed: no address left"

STARTS = [
    pytest.param(PULLED, 31, 36, (), Answer.PASS, id="present, in time"),
    pytest.param(PULLED, 52, 58, (), Answer.PASS, id="pulled, and in time for all that"),
    pytest.param(PULLED, 55, 62, (), Answer.UNKNOWN, id="pulled"),
    pytest.param(FETCHED, 55, 62, (), Answer.UNKNOWN, id="fetched by an init container"),
    pytest.param(HOOKED, 55, 62, (), Answer.UNKNOWN, id="held up by its hook"),
    pytest.param(HOOKED, 31, 62, (), Answer.FAIL, id="slow after its hook"),
    pytest.param(PROBED, 55, 62, MOUNT, Answer.UNKNOWN, id="a volume that came late"),
    pytest.param(PROBED, 55, 62, (), Answer.FAIL, id="never pulled"),
    pytest.param(PULLED, 55, 62, SANDBOX, Answer.FAIL, id="held up by something else"),
    pytest.param(PULLED, 31, 62, (), Answer.FAIL, id="present, and slow afterwards"),
    pytest.param(PULLED, 50, 110, (), Answer.FAIL, id="pulled, and slow afterwards"),
    pytest.param(PULLED, 50, None, (), Answer.FAIL, id="pulled, and never Ready"),
    pytest.param(PULLED, 70, 110, (), Answer.FAIL, id="pulled until after it was due, and slow afterwards"),
    pytest.param(PULLED, 70, None, (), Answer.FAIL, id="pulled until after it was due, and never Ready"),
    pytest.param(HOOKED, 70, 110, (), Answer.FAIL, id="held up by its hook after it was due, and slow afterwards"),
]
"""The pod's spec, when it starts and is Ready, what its kubelet reports before, and the answer; due at 59.2 s."""


def made(story: Story, uid: str, owner: str, start: tuple[Any, ...]) -> Story:
    """A pod is made at 30.3 s, scheduled at once, and starts and is Ready at the given moments."""
    spec, started_s, ready_s, reported = start
    story.saw(30.3, "ADDED", pod(uid, node="", owner=owner, spec=spec))
    story.saw(30.4, "MODIFIED", pod(uid, owner=owner, spec=spec))
    if reported:
        metadata = {"uid": "event-1", "name": "event-1", "namespace": "gameday-1"}
        raw = {"metadata": metadata, "involvedObject": {"uid": uid}, "reason": reported[0], "message": reported[1]}
        story.saw(33, "ADDED", raw, "Event")
    story.saw(started_s, "MODIFIED", pod(uid, running=True, owner=owner, spec=spec))
    if ready_s is not None:
        story.saw(ready_s, "MODIFIED", pod(uid, ready=True, owner=owner, spec=spec))
    return story


@pytest.mark.parametrize(("spec", "started_s", "ready_s", "reported", "answer"), STARTS)
def test_a_replacement_is_not_late_by_its_pull(
    spec: Mapping[str, Any], started_s: float, ready_s: float | None, reported: tuple[str, ...], answer: Answer
) -> None:
    """An image that takes 25 s of the 29 s has the replacement run, and not Ready, when it was due."""
    story = Story(200).replicas("a", "b", "c", spec=spec).fault("a").traffic()
    story.saw(30.2, "DELETED", pod("a", ready=True, spec=spec))
    finding = Recovered()(made(story, "d", "rs-1", (spec, started_s, ready_s, reported)).history())
    assert finding.answer is answer, finding.line()
    if answer is Answer.UNKNOWN:
        assert "to start" in finding.reason


@pytest.mark.parametrize(("spec", "started_s", "ready_s", "reported", "answer"), STARTS)
def test_a_release_is_not_late_by_its_pull(
    spec: Mapping[str, Any], started_s: float, ready_s: float | None, reported: tuple[str, ...], answer: Answer
) -> None:
    """The image of a release is pulled by its first pods, which are Ready in their time after that."""
    story = Rolling(200).fault(name="rolling-update", at_s=30, healed_s=190).saw(0, "LISTED", node("n1"), "Node")
    for at_s, type_, owner in ((0, "LISTED", OLD), (30.2, "MODIFIED", NEW)):
        raw, replica_set = release(owner, replicas=1, unavailable=0), owned(owner, 1)
        raw["spec"]["template"]["spec"] = replica_set["spec"]["template"]["spec"] = dict(spec)
        story.saw(at_s, type_, raw, "Deployment").saw(at_s + 0.01, "ADDED", replica_set, "ReplicaSet")
    story.saw(0, "LISTED", pod("a", ready=True, owner=OLD, spec=spec)).traffic()
    made(story, "e", NEW, (spec, started_s, ready_s, reported))
    if ready_s is not None:
        story.saw(ready_s + 0.1, "DELETED", pod("a", ready=True, owner=OLD, spec=spec))
    finding = RolledOut()(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("spec", "started_s", "ready_s", "reported", "answer"), STARTS)
def test_a_new_pod_of_a_rise_is_not_late_by_its_pull(
    spec: Mapping[str, Any], started_s: float, ready_s: float | None, reported: tuple[str, ...], answer: Answer
) -> None:
    """A load spike brings a third replica to a node that has no image of it yet: due at 59.3 s."""
    story = Scaling(200).stands("a", "b").loaded(1, 0, 195).loaded(4, 30, 190)
    story.rescaled(30.2, 3, measured=100)
    finding = ScaledUp()(made(story, "d", "rs-1", (spec, started_s, ready_s, reported)).history())
    assert finding.answer is answer, finding.line()
    if answer is Answer.UNKNOWN:
        assert "to start" in finding.reason


@pytest.mark.parametrize("ready_s", [76, 93])
def test_what_is_pulled_until_after_it_was_due_has_its_own_time_still(ready_s: float) -> None:
    """The image is there at 70 s, where 59.2 s were due; what comes after the start may take as long as ever."""
    start = (PULLED, 70, ready_s, ())
    lost = Story(200).replicas("a", "b", "c", spec=PULLED).fault("a").traffic()
    lost.saw(30.2, "DELETED", pod("a", ready=True, spec=PULLED))
    risen = Scaling(200).stands("a", "b").loaded(1, 0, 195).loaded(4, 30, 190).rescaled(30.2, 3, measured=100)
    back, followed = (made(story, "d", "rs-1", start).history() for story in (lost, risen))
    for finding in (Recovered()(back), ScaledUp()(followed)):
        assert finding.answer is Answer.UNKNOWN, finding.line()
        assert "may have to be pulled" in finding.reason


@pytest.mark.parametrize("spec", [PROBED, PULLED], ids=["present", "to be pulled"])
def test_a_new_pod_of_a_rise_is_not_excused_by_a_pull_that_had_not_begun(spec: Mapping[str, Any]) -> None:
    """Its node has no address left when it is due: what its image might have taken is no excuse."""
    story = Scaling(200).stands("a", "b").loaded(1, 0, 195).loaded(4, 30, 190)
    story.rescaled(30.2, 3, measured=100)
    finding = ScaledUp()(made(story, "d", "rs-1", (spec, 70, 75, SANDBOX)).history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert "late: model-d was not started 29 s after it was made" in finding.reason


@pytest.mark.parametrize(
    ("spec", "started_s", "end_s", "answer"),
    [
        pytest.param(PULLED, 90, 96, Answer.UNKNOWN, id="pulled"),
        pytest.param(HOOKED, 90, 96, Answer.UNKNOWN, id="held up by its hook"),
        pytest.param(PROBED, 90, 96, Answer.FAIL, id="never pulled"),
        pytest.param(PULLED, 31, 96, Answer.FAIL, id="present"),
        pytest.param(PULLED, 60, 96, Answer.FAIL, id="pulled, and slow afterwards"),
    ],
)
def test_what_has_just_been_pulled_at_the_end_is_open(
    spec: Mapping[str, Any], started_s: float, end_s: float, answer: Answer
) -> None:
    """The trial ends 6 s after the start of a replacement whose image took a minute."""
    story = Rolling(200).saw(0, "LISTED", node("n1"), "Node").fault("a").traffic()
    raw, replica_set = release(OLD, replicas=2), owned(OLD, 2)
    raw["spec"]["template"]["spec"] = replica_set["spec"]["template"]["spec"] = dict(spec)
    story.saw(0, "LISTED", raw, "Deployment").saw(0, "LISTED", replica_set, "ReplicaSet")
    for uid in "ab":
        story.saw(0, "LISTED", pod(uid, ready=True, owner=OLD, spec=spec))
    story.saw(30.2, "DELETED", pod("a", ready=True, owner=OLD, spec=spec))
    story.has(phases=(Phase("recovery", at(40), at(end_s)),))
    finding = EndState()(made(story, "d", OLD, (spec, started_s, None, ())).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("spec", "started_s", "ready_s", "answer"),
    [
        pytest.param(PULLED, 60, 70, Answer.PASS, id="present"),
        pytest.param(PULLED, 78, 100, Answer.UNKNOWN, id="pulled"),
        pytest.param(PROBED, 78, 100, Answer.FAIL, id="never pulled"),
        pytest.param(PULLED, 78, 119, Answer.FAIL, id="pulled, and slow afterwards"),
    ],
)
def test_the_replacement_of_a_lost_nodes_replica_is_not_late_by_its_pull(
    spec: Mapping[str, Any], started_s: float, ready_s: float, answer: Answer
) -> None:
    """Every stage is within its own bound, and the whole is over by less than the pull: due at 99.2 s."""
    story = marked(noticed(powered(standing(spec=spec), "n1"), spec=spec), spec=spec)
    story.saw(58.1, "ADDED", pod("c", node="", spec=spec)).saw(58.2, "MODIFIED", pod("c", node="n2", spec=spec))
    story.saw(started_s, "MODIFIED", pod("c", running=True, node="n2", spec=spec))
    finding = Rescheduled()(story.saw(ready_s, "MODIFIED", pod("c", ready=True, node="n2", spec=spec)).history())
    assert finding.answer is answer, finding.line()


# --- images that are asked for again at a restart in place --------------------------------------------------------

ALWAYS: Mapping[str, Any] = {**PROBED, "containers": [{**PROBED["containers"][0], "imagePullPolicy": "Always"}]}


def pulled(story: Story, *pulls: tuple[float, float | None], path: str = "spec.containers{m}") -> Story:
    """The kubelet says when it begins to pull the image of `a`, and when it has it."""
    for number, moments in enumerate(pulls):
        for reason, at_s in zip(("Pulling", "Pulled"), moments, strict=True):
            metadata = {"uid": f"{reason}-{number}", "name": f"{reason}-{number}", "namespace": "gameday-1"}
            about = {"uid": "a", "fieldPath": path}
            raw = {"metadata": metadata, "involvedObject": about, "reason": reason, "message": f"{reason} image m"}
            story = story if at_s is None else story.saw(at_s, "ADDED", raw, "Event")
    return story


def crashed(ready_s: float | None) -> Story:
    """The server of `a` ends at 30.2 s, and is Ready again at this moment, if ever; 43 s are promised."""
    story = Story(200).replicas("a", "b", "c", spec=ALWAYS).fault("a", name="process-crash").traffic()
    story.saw(30.2, "MODIFIED", pod("a", spec=ALWAYS))
    if ready_s is not None:
        story.saw(ready_s - 4, "MODIFIED", pod("a", running=True, restarts=1, spec=ALWAYS))
        story.saw(ready_s, "MODIFIED", pod("a", ready=True, restarts=1, spec=ALWAYS))
    return story


def test_the_image_of_a_container_for_debugging_holds_nothing_up() -> None:
    """Whoever looks into the pod with `kubectl debug` has an image pulled for that, and the server's is there."""
    finding = Recovered()(pulled(crashed(76), (31, 70), path="spec.ephemeralContainers{debugger}").history())
    assert finding.answer is Answer.FAIL, finding.line()


@pytest.mark.parametrize(
    ("pulls", "ready_s", "answer"),
    [
        pytest.param([(31, 50)], 60, Answer.PASS, id="pulled, and in time for all that"),
        pytest.param([(31, 70)], 76, Answer.UNKNOWN, id="pulled"),
        pytest.param([(31, None)], None, Answer.UNKNOWN, id="never there"),
        pytest.param([], 76, Answer.FAIL, id="not pulled"),
        pytest.param([(31, 32)], 76, Answer.FAIL, id="there at once"),
        pytest.param([(31, 50)], 110, Answer.FAIL, id="pulled, and slow afterwards"),
        pytest.param([(31, 32), (45, 46), (70, 71), (111, 112)], None, Answer.FAIL, id="it ends again and again"),
        pytest.param([(5, 28)], 76, Answer.FAIL, id="pulled before"),
    ],
)
def test_a_restart_in_place_is_not_late_by_its_pull(
    pulls: list[tuple[float, float | None]], ready_s: float | None, answer: Answer
) -> None:
    """A container whose policy is Always starts anew only when the registry has answered."""
    finding = Recovered()(pulled(crashed(ready_s), *pulls).history())
    assert finding.answer is answer, finding.line()
    assert ("for its image" in finding.reason) == (answer is Answer.UNKNOWN)


@pytest.mark.parametrize(
    ("pulls", "answer"),
    [
        pytest.param([(31, None)], Answer.UNKNOWN, id="pulling"),
        pytest.param([(31, 90)], Answer.UNKNOWN, id="has just been pulled"),
        pytest.param([(31, 32)], Answer.FAIL, id="there at once"),
        pytest.param([], Answer.FAIL, id="not pulled"),
    ],
)
def test_a_restart_in_place_that_pulls_to_the_end_is_open(
    pulls: list[tuple[float, float | None]], answer: Answer
) -> None:
    """The trial ends 66 s after the crash, and 56 s after the heal, where 43 s are promised."""
    story = Rolling(200).saw(0, "LISTED", node("n1"), "Node").fault("a", name="process-crash").traffic()
    raw, replica_set = release(OLD, replicas=2), owned(OLD, 2)
    raw["spec"]["template"]["spec"] = replica_set["spec"]["template"]["spec"] = dict(ALWAYS)
    story.saw(0, "LISTED", raw, "Deployment").saw(0, "LISTED", replica_set, "ReplicaSet")
    for uid in "ab":
        story.saw(0, "LISTED", pod(uid, ready=True, owner=OLD, spec=ALWAYS))
    story.saw(30.2, "MODIFIED", pod("a", owner=OLD, spec=ALWAYS))
    story.has(phases=(Phase("recovery", at(40), at(96)),))
    finding = EndState()(pulled(story, *pulls).history())
    assert finding.answer is answer, finding.line()


def test_a_restart_in_place_for_which_there_is_no_image_any_more_fails() -> None:
    """The tag was deleted from the registry, which the policy asks all the same."""
    raw = pod("a", spec=ALWAYS)
    waiting = {"reason": "ImagePullBackOff", "message": "manifest unknown"}
    raw["status"]["containerStatuses"][0]["state"] = {"waiting": waiting}
    finding = Recovered()(pulled(crashed(None), (31, None)).saw(33, "MODIFIED", raw).history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert "cannot be pulled: manifest unknown" in finding.reason


@pytest.mark.parametrize(
    ("pulls", "answer"),
    [
        pytest.param([(45, 89)], Answer.UNKNOWN, id="pulled"),
        pytest.param([(45, 46)], Answer.FAIL, id="there at once"),
        pytest.param([], Answer.FAIL, id="not pulled"),
    ],
)
def test_the_stages_of_a_restart_in_place_are_not_late_by_its_pull(
    pulls: list[tuple[float, float | None]], answer: Answer
) -> None:
    """The container hangs at 30 s and is restarted at 90 s, where 35 s are promised."""
    finding = RecoveredInTime()(pulled(restarted_story(container_restarted=90, spec=ALWAYS), *pulls).history())
    assert finding.answer is answer, finding.line()
    assert ("for its image" in finding.reason) == (answer is Answer.UNKNOWN)


@pytest.mark.parametrize("restart_s", [90, None], ids=["restarted late", "not restarted"])
@pytest.mark.parametrize(
    ("pulls", "answer"),
    [
        pytest.param([(45, 89)], Answer.UNKNOWN, id="pulled"),
        pytest.param([(45, 46)], Answer.FAIL, id="there at once"),
        pytest.param([], Answer.FAIL, id="not pulled"),
    ],
)
def test_a_restart_by_the_probe_is_not_late_by_its_pull(
    pulls: list[tuple[float, float | None]], answer: Answer, restart_s: float | None
) -> None:
    """The liveness probe has the container ended in time, and its image comes late, or not before the heal."""
    story = hung(spec=ALWAYS).saw(44, "ADDED", killing("a"), "Event")
    if restart_s is not None:
        story.saw(restart_s, "MODIFIED", restarted("a", spec=ALWAYS))
        story.saw(restart_s + 2, "MODIFIED", restarted("a", ready=True, spec=ALWAYS))
    elif answer is Answer.UNKNOWN:
        pulls = [(45, None)]
    finding = RestartedByLiveness()(pulled(story, *pulls).history())
    assert finding.answer is answer, finding.line()
    assert ("for its image" in finding.reason) == (answer is Answer.UNKNOWN)


# --- hooks after the start ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spec", "answer"), [(HOOKED, Answer.UNKNOWN), (PROBED, Answer.FAIL)])
@pytest.mark.parametrize(
    ("told", "late"), [(replaced_story, "started"), (restarted_story, "container_restarted")], ids=["new", "in place"]
)
def test_the_stage_of_a_start_is_not_late_by_its_hook(
    told: Callable[..., Story], late: str, spec: Mapping[str, Any], answer: Answer
) -> None:
    """A kubelet says that a container runs, or runs anew, only when its postStart hook has ended."""
    finding = RecoveredInTime()(told(spec=spec, **{late: 90}).history())
    assert finding.answer is answer, finding.line()
    assert ("postStart hook of container 'm'" in finding.reason) == (answer is Answer.UNKNOWN)


@pytest.mark.parametrize(
    ("spec", "asked_s", "restart_s", "answer"),
    [
        pytest.param(HOOKED, 44, 60, Answer.PASS, id="in time"),
        pytest.param(HOOKED, 44, 90, Answer.UNKNOWN, id="late"),
        pytest.param(HOOKED, 44, None, Answer.UNKNOWN, id="never seen"),
        pytest.param(HOOKED, 80, 90, Answer.FAIL, id="asked for too late"),
        pytest.param(HOOKED, None, None, Answer.FAIL, id="never asked for"),
        pytest.param(PROBED, 44, 90, Answer.FAIL, id="late without a hook"),
        pytest.param(HOOKED_BESIDE, 44, 90, Answer.FAIL, id="late beside a hook"),
    ],
)
def test_a_restart_by_the_probe_is_not_late_by_its_hook(
    spec: Mapping[str, Any], asked_s: float | None, restart_s: float | None, answer: Answer
) -> None:
    """Where the liveness probe asked for the restart in time, what is seen of it waits for the container's own hook."""
    story = hung(spec=spec)
    if asked_s is not None:
        story.saw(asked_s, "ADDED", killing("a"), "Event")
    if restart_s is not None:
        story.saw(restart_s, "MODIFIED", restarted("a", spec=spec))
        story.saw(restart_s + 2, "MODIFIED", restarted("a", ready=True, spec=spec))
    finding = RestartedByLiveness()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("postStart hook" in finding.reason) == (answer is Answer.UNKNOWN)
