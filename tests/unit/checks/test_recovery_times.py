"""Recoveries on foreign systems: a soak, an autoscaler that goes on, a later scale-in, devices held by a long grace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from histories import PROBED, Phase, Story, at, deployment, node, pod, replica_set
from node_loss_stories import LAB, marked, moved, noticed, powered, standing
from probe_stories import endpoints
from recovery_stories import replaced_story

from chaos.checks import Recovered, RecoveredInTime, Rescheduled
from chaos.checks.verdict import Answer, Check, Finding
from chaos.history.facts.pod_lifecycles import BY_KUBELET as KUBELET
from chaos.semantics.node_loss import UNREACHABLE

# --- each loss has a deadline of its own --------------------------------------------------------------------------


def test_a_rise_gives_a_lost_replica_no_new_time() -> None:
    """A replica that is replaced after 70 s of 29 s is late, though the autoscaler asked for more meanwhile."""
    story = Story().replicas("a", "b", "c").fault("a").acted("delete-pod", 30.1, fault="pod-kill-1")
    story.killed("a", 30.2).replaced("d", 30.3, ready_s=100)
    for at_s, replicas, uid in ((50, 4, "e"), (75, 5, "f")):
        story.saw(at_s, "MODIFIED", deployment(replicas), "Deployment")
        story.saw(at_s + 0.05, "MODIFIED", replica_set(replicas), "ReplicaSet")
        story.replaced(uid, at_s + 0.1, ready_s=at_s + 4)
    finding = Recovered()(story.traffic(end_s=110).history())
    assert finding.answer is Answer.FAIL, finding.line()


def test_a_further_kill_gives_a_lost_replica_no_new_time() -> None:
    """Of three replicas killed 25 s apart, and all back at once, the first two came back long after 29 s."""
    story = Story(160).replicas("a", "b", "c", "g")
    for number, (at_s, victim, replacement) in enumerate(((30, "a", "x"), (55, "b", "y"), (80, "c", "z")), start=1):
        story.fault(victim, at_s=at_s, healed_s=at_s + 5)
        story.acted("delete-pod", at_s + 0.1, uid=victim, fault=f"pod-kill-{number}")
        story.killed(victim, at_s + 0.2).replaced(replacement, at_s + 0.3, ready_s=105)
    phases = (
        Phase("baseline", at(5), at(25)),
        Phase("fault", at(30), at(85)),
        Phase("recovery", at(85), at(120)),
    )
    finding = Recovered()(story.has(phases=phases).traffic(end_s=130).history())
    assert finding.answer is Answer.FAIL, finding.line()


# --- a later scale-in ---------------------------------------------------------------------------------------------


def never_moved(*, fewer_s: float | None = None) -> Finding:
    """The pod of a lost node is marked at 58 s, due again at 99 s, and its replacement is never Ready.

    At `fewer_s` the owner asks for one replica instead of two.
    """
    story = moved(marked(noticed(powered(standing(end_s=200), "n1", on_s=None))), ready_s=None)
    story.saw(0, "LISTED", replica_set(2), "ReplicaSet")
    if fewer_s is not None:
        story.saw(fewer_s, "MODIFIED", replica_set(1), "ReplicaSet")
    return Rescheduled()(story.history())


def test_a_replacement_that_is_never_ready_fails() -> None:
    """A lost replica whose replacement is not Ready in its bound was not rescheduled."""
    assert never_moved().answer is Answer.FAIL


def test_a_later_scale_in_does_not_undo_a_late_replacement() -> None:
    """A replica that was due at 99 s is late, though at 150 s one fewer is asked for; the power never came back."""
    finding = never_moved(fewer_s=150)
    assert finding.answer is Answer.FAIL, finding.line()
    assert "switched on again" not in finding.reason


# --- when the action began ------------------------------------------------------------------------------------------


def test_an_action_that_was_asked_for_twice_began_at_either() -> None:
    """A delete that got no answer, asked again 20 s later and then done at once, does not make the pod late."""
    story = replaced_story(action=50.1, unready=50.2).has(actions=())
    story.acted("delete-pod", 30.1, outcome="info", fault="pod-kill-1").acted("delete-pod", 50.1, fault="pod-kill-1")
    finding = RecoveredInTime()(story.history())
    assert finding.answer in {Answer.PASS, Answer.UNKNOWN}, finding.line()


def test_an_action_of_which_no_answer_ever_came_began_at_either() -> None:
    """Three deletes without an answer, and a pod that goes at the last of them: each may have been the one."""
    story = replaced_story(action=50.1, unready=50.2).has(actions=())
    for begin_s in (30.1, 35.1, 50.1):
        story.acted("delete-pod", begin_s, outcome="info", fault="pod-kill-1")
    finding = RecoveredInTime()(story.history())
    assert finding.answer in {Answer.PASS, Answer.UNKNOWN}, finding.line()


def test_an_action_that_was_refused_and_asked_again_began_when_it_was_done() -> None:
    """An eviction that a disruption budget refused for 20 s began nothing until it was let through."""
    story = replaced_story(action=50.1, unready=50.2).has(actions=())
    story.acted("evict-pod", 30.1, outcome="fail", fault="pod-kill-1").acted("evict-pod", 50.1, fault="pod-kill-1")
    finding = RecoveredInTime()(story.history())
    assert finding.answer is Answer.PASS, finding.line()


def test_an_action_that_was_done_at_once_began_then() -> None:
    """A delete that was answered, whose pod goes only 20 s later, is late, whatever was asked for afterwards."""
    story = replaced_story(action=50.1, unready=50.2).has(actions=())
    story.acted("delete-pod", 30.1, fault="pod-kill-1").acted("delete-pod", 50.1, fault="pod-kill-1")
    finding = RecoveredInTime()(story.history())
    assert finding.answer is Answer.FAIL, finding.line()


# --- a device that the victim still holds -------------------------------------------------------------------------

DEVICE = {"resources": {"limits": {"nvidia.com/gpu": "1"}, "requests": {"nvidia.com/gpu": "1"}}}
ON_DEVICES = {
    **PROBED,
    "terminationGracePeriodSeconds": 120,
    "containers": [{**PROBED["containers"][0], **DEVICE}],
}
NO_DEVICE = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."


def device_story() -> Story:
    """`a` is deleted at 30 s and takes 60 s of its grace of 120 s; `d` waits for its device, and is Ready at 95 s."""
    story = Story(200).replicas("a", "b", "c", spec=ON_DEVICES).fault("a")
    story.acted("delete-pod", 30.1, fault="pod-kill-1")
    story.saw(30.2, "MODIFIED", pod("a", ready=True, deleting=True, spec=ON_DEVICES))
    waiting = pod("d", node="", spec=ON_DEVICES)
    why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_DEVICE}
    waiting["status"]["conditions"].append(why)
    story.saw(30.3, "ADDED", pod("d", node="", spec=ON_DEVICES)).saw(30.4, "MODIFIED", waiting)
    story.saw(90, "DELETED", pod("a", deleting=True, spec=ON_DEVICES))
    story.saw(91, "MODIFIED", pod("d", spec=ON_DEVICES)).saw(92, "MODIFIED", pod("d", running=True, spec=ON_DEVICES))
    return story.saw(95, "MODIFIED", pod("d", ready=True, spec=ON_DEVICES)).traffic(end_s=150)


@pytest.mark.parametrize("check", [Recovered(), RecoveredInTime()], ids=lambda check: str(check.name))
def test_a_successor_may_wait_for_the_victims_device(check: Check) -> None:
    """Without a spare device the successor starts when the victim's grace lets it, and is not late before that."""
    finding = check(device_story().history())
    assert finding.answer in {Answer.PASS, Answer.UNKNOWN}, finding.line()


# --- a node whose kubelet says that it is not ready --------------------------------------------------------------


def told(name: str, status: str) -> dict[str, Any]:
    """A node whose Ready condition says so."""
    raw = node(name)
    raw["status"]["conditions"][0] |= {"status": status}
    return raw


def runtime_lost(tolerated: Mapping[str, int | None], statuses: Sequence[tuple[float, str]], marked_s: float) -> Story:
    """`a` is on n1, whose Ready condition says what is given; it is marked to go, and replaced 5 s later."""
    tolerations = [
        {"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": "NoExecute"}
        | ({} if span_s is None else {"tolerationSeconds": span_s})
        for name, span_s in tolerated.items()
    ]
    spec = {**PROBED, "tolerations": tolerations}
    story = standing(spec=spec, end_s=300).fault("a", at_s=30, healed_s=280, name="runtime-down")
    story.saw(0, "LISTED", deployment(2, spec=spec), "Deployment").saw(0, "LISTED", replica_set(2), "ReplicaSet")
    for at_s, status in statuses:
        story.saw(at_s, "MODIFIED", told("n1", status), "Node")
    story.saw(31.1, "MODIFIED", pod("a", running=True, node="n1", spec=spec))
    story.saw(31.2, "MODIFIED", endpoints("b", unready=["a"]), "EndpointSlice")
    moved(marked(story, marked_s, spec=spec), marked_s + 0.1, ready_s=marked_s + 5, spec=spec)
    return story.saw(marked_s + 5.1, "MODIFIED", endpoints("b", "c"), "EndpointSlice")


@pytest.mark.parametrize("check", [Recovered(), RecoveredInTime()], ids=["recovered", "recovered-in-time"])
@pytest.mark.parametrize(
    ("tolerated", "statuses", "marked_s", "late"),
    [
        pytest.param({"not-ready": 60, "unreachable": 10}, ((31, "False"),), 95, False, id="not ready, in its 60 s"),
        pytest.param({"not-ready": 60, "unreachable": 10}, ((31, "False"),), 180, True, id="not ready, after that"),
        pytest.param({"not-ready": 60, "unreachable": 10}, ((31, "Unknown"),), 95, True, id="unreachable, after 10 s"),
        pytest.param({"not-ready": 10, "unreachable": 60}, ((31, "False"),), 95, True, id="not ready, after 10 s"),
        pytest.param(
            {"not-ready": 10, "unreachable": 60}, ((31, "False"), (38, "Unknown")), 95, False, id="one after the other"
        ),
    ],
)
def test_what_is_tolerated_depends_on_what_the_node_says(
    check: Check, tolerated: Mapping[str, int], statuses: Sequence[tuple[float, str]], marked_s: float, *, late: bool
) -> None:
    """A kubelet whose runtime is down says `NotReady` itself: that taint is another than an unreachable node's."""
    finding = check(runtime_lost(tolerated, statuses, marked_s).history())
    assert (finding.answer is Answer.FAIL) is late, finding.line()


def test_a_pod_that_tolerates_a_node_that_is_not_ready_need_not_go() -> None:
    """Without a time it stays for ever, though it would leave an unreachable node after ten seconds."""
    story = runtime_lost({"not-ready": None, "unreachable": 10}, ((31, "False"),), 200)
    finding = Recovered()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "tolerates a lost node for ever" in finding.reason


# --- a node monitor that is set otherwise ------------------------------------------------------------------------

RECORDED = {"node_monitor_grace_s": 50, "node_monitor_period_s": 5}


def noticed_after(silent_s: float, marked_s: float, timings: Mapping[str, float]) -> Story:
    """n1 is switched off at 30 s and NotReady so much later; its replica, which tolerates 10 s of it, goes as given."""
    tolerated = {"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 10}
    spec = {**PROBED, "tolerations": [tolerated]}
    story = standing(spec=spec, end_s=500, timings={"name": "cloud", **timings})
    story.saw(0.1, "MODIFIED", deployment(2, spec=spec), "Deployment").saw(
        0.1, "MODIFIED", replica_set(2), "ReplicaSet"
    )
    noticed(powered(story, "n1", on_s=480), 30 + silent_s, spec=spec)
    at_s = 30 + silent_s + marked_s
    moved(marked(story, at_s, spec=spec), at_s + 0.1, ready_s=at_s + 4, spec=spec)
    return story.saw(at_s + 4.1, "MODIFIED", endpoints("b", "c"), "EndpointSlice")


@pytest.mark.parametrize("check", [Rescheduled(), RecoveredInTime()], ids=["rescheduled", "recovered-in-time"])
@pytest.mark.parametrize(
    ("silent_s", "marked_s", "timings", "late"),
    [
        pytest.param(50, 12, {}, False, id="as by default"),
        pytest.param(200, 12, {}, False, id="after 200 s, and nobody recorded how it is set"),
        pytest.param(200, 12, RECORDED, True, id="after 200 s, set as by default"),
        pytest.param(200, 12, {"node_monitor_grace_s": 210, "node_monitor_period_s": 5}, False, id="set to 210 s"),
        pytest.param(50, 140, {}, True, id="in the default's time, and marked long afterwards"),
    ],
)
def test_how_soon_a_node_is_called_lost_has_to_be_recorded(
    check: Check, silent_s: float, marked_s: float, timings: Mapping[str, float], *, late: bool
) -> None:
    """A controller with another grace than Kubernetes' default calls a lost node lost when it is set to."""
    finding = check(noticed_after(silent_s, marked_s, timings).history())
    assert (finding.answer is Answer.FAIL) is late, finding.line()


def test_a_promise_of_your_own_needs_no_flags() -> None:
    """Whoever says within which time replicas are back means that time, however the cluster is set."""
    history = noticed_after(200, 12, {}).history()
    assert Rescheduled(within_s=100)(history).answer is Answer.FAIL
    assert Rescheduled(within_s=300)(history).answer is Answer.PASS


# --- a pod that its kubelet ends ---------------------------------------------------------------------------------


def shut_down(*, ready_s: float, made_s: float = 38.1, node_lost: bool = True, reason: str = KUBELET) -> Story:
    """`a` ceases to be Ready at 31 s as its kubelet ends it, has failed at 38 s, and is replaced as given.

    `node_lost`: the kubelet does so because its node is shut down, which is back at 90 s.
    """
    story = standing(end_s=500).fault("a", at_s=30, healed_s=480, name="node-shutdown")
    story.saw(0.1, "MODIFIED", deployment(2), "Deployment").saw(0.1, "MODIFIED", replica_set(2), "ReplicaSet")
    if node_lost:
        story.saw(30.5, "MODIFIED", told("n1", "False"), "Node").saw(90, "MODIFIED", node("n1"), "Node")
    failed = pod("a", node="n1", disruption=reason)
    failed["status"]["phase"] = "Failed"
    story.saw(31, "MODIFIED", pod("a", running=True, node="n1", disruption=reason)).saw(38, "MODIFIED", failed)
    moved(story.saw(31.2, "MODIFIED", endpoints("b", unready=["a"]), "EndpointSlice"), made_s, ready_s=ready_s)
    return story.saw(ready_s + 0.1, "MODIFIED", endpoints("b", "c"), "EndpointSlice")


@pytest.mark.parametrize("node_lost", [True, False], ids=["its node is shut down", "for node pressure"])
@pytest.mark.parametrize(
    ("made_s", "ready_s", "late"),
    [
        pytest.param(38.1, 43, (), id="in time"),
        pytest.param(38.1, 90, (Recovered, RecoveredInTime), id="a start that is too slow"),
        pytest.param(120, 124, (Recovered, RecoveredInTime), id="a replacement that is made too late"),
    ],
)
def test_a_pod_that_its_kubelet_ends_has_its_grace_and_no_toleration(
    made_s: float, ready_s: float, late: Sequence[type[Check]], *, node_lost: bool
) -> None:
    """A node that is shut down in order fails its pods itself: nothing waits for a taint, which may go before."""
    history = shut_down(made_s=made_s, ready_s=ready_s, node_lost=node_lost).history()
    for check in (Recovered, RecoveredInTime):
        finding = check()(history)
        assert (finding.answer is Answer.FAIL) is (check in late), finding.line()


def test_a_pod_of_a_lost_node_that_nobody_ended_tolerates_it() -> None:
    """Without a word of its kubelet the pod stays bound to the node that was lost, for 300 s as by default."""
    story = standing(end_s=500, timings={**LAB, "unreachable_toleration_s": 300, "not_ready_toleration_s": 300})
    story.saw(0.1, "MODIFIED", deployment(2), "Deployment").saw(0.1, "MODIFIED", replica_set(2), "ReplicaSet")
    story.fault("a", at_s=30, healed_s=480, name="runtime-down").saw(30.5, "MODIFIED", told("n1", "False"), "Node")
    story.saw(31, "MODIFIED", pod("a", running=True, node="n1"))
    finding = Recovered()(moved(marked(story, 320), 320.1, ready_s=325).history())
    assert finding.answer is Answer.PASS, finding.line()
