"""Pods that end or wait in ways of their own: released, evicted by their kubelet, hooked, rolled out, not yet Ready."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from budget_stories import drain_story, guarded
from histories import OWNER, PROBED, Story, at, deployment, kill_story, pod, replica_set
from node_loss_stories import noticed, outage, powered, standing
from probe_stories import endpoints
from recovery_stories import restarted_story
from rollout_stories import NEW, OLD, Rolling, owned, release, update_story

from chaos.checks import BudgetHeld, EndState, Recovered, RecoveredInTime, RolledOut, Spread
from chaos.checks.verdict import Answer, Finding
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.facts.replica_counts import ready_replicas
from chaos.history.facts.revisions import by_revision
from chaos.semantics import KUBERNETES, recovery_bound, restarts_remembered, toleration_s

# --- pods that their controller let go ----------------------------------------------------------------------------


def released(*, ready_s: float | None) -> Story:
    """`a` loses its owner at 30.2 s and stays Ready; its ReplicaSet makes `d` in its place."""
    alone = pod("a", ready=True)
    del alone["metadata"]["ownerReferences"]
    story = Story().replicas("a", "b", "c").fault("a", name="pod-quarantine").saw(30.2, "MODIFIED", alone)
    return story.replaced("d", 30.3, ready_s=ready_s).traffic()


def test_a_released_pod_is_no_replica_any_more() -> None:
    """It goes on being Ready, and does not count."""
    history = released(ready_s=34).history()
    assert ready_replicas(history).value_at(at(32)) == 2
    assert Recovered()(history).answer is Answer.PASS


def test_a_released_pod_that_nobody_replaces_is_missed() -> None:
    """Two replicas serve where three are desired."""
    assert Recovered()(released(ready_s=None).history()).answer is Answer.FAIL


def test_a_pod_that_is_taken_back_counts_again() -> None:
    """Its labels are put back, and its ReplicaSet adopts it and gives the other up."""
    history = released(ready_s=34).saw(60, "MODIFIED", pod("a", ready=True)).saw(60.1, "DELETED", pod("d")).history()
    assert ready_replicas(history).value_at(at(70)) == 3
    (life,) = (one for one in pod_lives(history) if one.uid == "a")
    assert life.lost_ns is None


def alone(uid: str, *, node: str = "n1", owner: str = OWNER) -> dict[str, Any]:
    """A Ready pod that its controller has let go of, as its labels were changed."""
    raw = pod(uid, ready=True, node=node, owner=owner)
    del raw["metadata"]["ownerReferences"]
    return raw


@pytest.mark.parametrize(
    ("let_go", "answer"), [pytest.param(True, Answer.FAIL, id="let go"), pytest.param(False, Answer.PASS, id="kept")]
)
def test_a_released_pod_makes_no_room_for_an_eviction(let_go: bool, answer: Answer) -> None:  # noqa: FBT001
    """Of four Ready pods one was put into quarantine and serves nobody: an eviction leaves two replicas, not three."""
    story = drain_story()
    if let_go:
        story.saw(20, "MODIFIED", alone("c", node="n3"))
    finding = BudgetHeld(ready_min=3)(story.history())
    assert finding.answer is answer, finding.line()


def test_a_released_pod_may_go_itself() -> None:
    """Whoever evicts what is in quarantine takes no replica, however few of these there are."""
    story = guarded().fault("b").saw(20, "MODIFIED", alone("b", node="n2")).saw(21, "MODIFIED", pod("c", node="n3"))
    story.charged("b", 30.2)
    gone = alone("b", node="n2")
    gone["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:10Z"
    finding = BudgetHeld(ready_min=3)(story.saw(30.21, "MODIFIED", gone).saw(32, "DELETED", gone).history())
    assert "model-b: the claim" not in {one.subject for one in finding.obligations}, finding.line()


@pytest.mark.parametrize(("again", "answer"), [(False, Answer.PASS), (True, Answer.FAIL)])
def test_a_released_pod_is_no_part_of_a_rollout(again: bool, answer: Answer) -> None:  # noqa: FBT001
    """What is in quarantine since before the release, of the former template, need not be replaced by it."""
    story = update_story(180)
    story.events = [one for one in story.events if one.object["metadata"]["uid"] != "c" or one.at_ns < at(30)]
    story.saw(20, "MODIFIED", alone("c", owner=OLD)).made("q", 20.1, OLD, ready_s=24).ends("q", 34.1)
    if again:
        story.saw(25, "MODIFIED", pod("c", ready=True, owner=OLD))
    finding = RolledOut()(story.history())
    assert finding.answer is answer, finding.line()


def test_a_released_pod_is_no_part_of_the_spread() -> None:
    """Of three nodes one holds nothing but a pod in quarantine, and the others two replicas each."""
    story = guarded().saw(20.1, "ADDED", pod("e", ready=True, node="n2"))
    assert Spread()(story.history()).answer is Answer.PASS
    finding = Spread()(story.saw(20, "MODIFIED", alone("c", node="n3")).history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert finding.values["domains"] == {"n1": 2, "n2": 2, "n3": 0}


def test_a_pod_that_is_adopted_is_a_replica_from_then_on() -> None:
    """A pod without an owner is put back under its ReplicaSet's labels, which gives another one up for it."""
    story = Story().replicas("a", "b", "c").saw(0, "LISTED", alone("x"))
    story.saw(50, "MODIFIED", pod("x", ready=True)).saw(50.1, "DELETED", pod("c", ready=True))
    history = story.history()
    assert ready_replicas(history).value_at(at(40)) == 3
    assert ready_replicas(history).value_at(at(70)) == 3


# --- pods that another controller takes -------------------------------------------------------------------------


def theirs(uid: str, *, node: str = "n1") -> dict[str, Any]:
    """A Ready pod that another team's ReplicaSet has, for the labels that it was given."""
    raw = pod(uid, ready=True, node=node, owner="rs-other")
    raw["metadata"]["labels"] = {"app": "other"}
    return raw


OTHERS = replica_set(1, "rs-other", deployment_name="other")


@pytest.mark.parametrize("let_go", [True, False], ids=["let go first", "handed over at once"])
@pytest.mark.parametrize(("ready_s", "answer"), [(34, Answer.PASS), (None, Answer.FAIL)])
def test_a_pod_that_another_controller_adopts_does_not_count_again(
    ready_s: float | None,
    answer: Answer,
    let_go: bool,  # noqa: FBT001
) -> None:
    """Two replicas serve where three are desired, and the third is another workload's now."""
    story = Story().replicas("a", "b", "c").saw(0, "LISTED", OTHERS, "ReplicaSet").fault("a", name="pod-quarantine")
    if let_go:
        story.saw(30.1, "MODIFIED", alone("a"))
    story.saw(30.2, "MODIFIED", theirs("a")).replaced("d", 30.3, ready_s=ready_s)
    history = story.traffic().history()
    assert ready_replicas(history).value_at(at(32)) == 2
    finding = Recovered()(history)
    assert finding.answer is answer, finding.line()


def test_a_pod_that_another_controller_adopts_is_no_part_of_the_spread() -> None:
    """Of three nodes one holds nothing but a pod that another workload has by now."""
    story = guarded().saw(20.1, "ADDED", pod("e", ready=True, node="n2")).saw(0, "LISTED", OTHERS, "ReplicaSet")
    assert Spread()(story.history()).answer is Answer.PASS
    story.saw(20, "MODIFIED", alone("c", node="n3")).saw(20.05, "MODIFIED", theirs("c", node="n3"))
    finding = Spread()(story.history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert finding.values["domains"] == {"n1": 2, "n2": 2, "n3": 0}


def test_a_pod_that_comes_from_another_controller_counts_from_then_on() -> None:
    """A pod of another workload is put under the system's labels, which gives one of its own up for it."""
    story = Story().replicas("a", "b", "c").saw(0, "LISTED", OTHERS, "ReplicaSet").saw(0, "LISTED", theirs("x"))
    story.saw(50, "MODIFIED", pod("x", ready=True)).saw(50.1, "DELETED", pod("c", ready=True))
    history = story.history()
    assert ready_replicas(history).value_at(at(40)) == 3
    assert ready_replicas(history).value_at(at(70)) == 3


# --- pods that failed -----------------------------------------------------------------------------------------------


def evicted(*, ready_s: float) -> Finding:
    """The kubelet evicts `a` for its node's memory: it has failed, stays as an object, and is replaced."""
    failed = pod("a")
    failed["status"] |= {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    story = Story().replicas("a", "b", "c").fault("a").saw(30.2, "MODIFIED", failed)
    return Recovered()(story.replaced("d", 30.3, ready_s=ready_s).traffic().history())


@pytest.mark.parametrize(("ready_s", "answer"), [(34, Answer.PASS), (65, Answer.FAIL)])
def test_a_pod_that_its_kubelet_evicted_is_replaced(ready_s: float, answer: Answer) -> None:
    """A failed pod has the time of a replacement, and not of a restart in place."""
    finding = evicted(ready_s=ready_s)
    assert finding.answer is answer, finding.line()
    assert finding.values["losses"][0]["path"] == "replaced"


# --- known gaps of Recovered ----------------------------------------------------------------------------------------


def test_a_pod_that_a_missed_fault_deleted_and_nobody_replaced_is_no_pass() -> None:
    """A fault without a landing proof may have deleted a pod for all that; another replica's return hides it."""
    story = Story().replicas("a", "b", "c").fault("a").saw(31, "MODIFIED", deployment(4), "Deployment")
    story.replaced("d", 31.1, ready_s=35).replaced("e", 31.2, ready_s=36).killed("a", 60)
    (fault,) = story.parts["faults"]
    story.has(faults=(replace(fault, landed_ns=None, missed="no proof of landing"),))
    assert Recovered()(story.history()).answer is not Answer.PASS


def test_a_scale_in_before_the_fault_takes_no_replacement() -> None:
    """Where ReplicaSets were not watched, the pod that is made after a kill is not the scaled-in one's."""
    story = Story().replicas("a", "b", "c").saw(10, "MODIFIED", deployment(2), "Deployment").killed("c", 10.1)
    story.fault("a").killed("a", 30.2).replaced("d", 30.3, ready_s=34)
    story.events = [one for one in story.events if one.kind != "ReplicaSet"]
    spans = {kind: span for kind, span in story.history().covered_ns.items() if kind != "ReplicaSet"}
    finding = Recovered()(story.has(covered_ns=spans).traffic().history())
    assert finding.answer is Answer.PASS, finding.line()


@pytest.mark.parametrize(("pull", "answer"), [("Always", Answer.UNKNOWN), ("Never", Answer.FAIL)])
def test_a_replacement_made_beforehand_may_still_pull_its_image(pull: str, answer: Answer) -> None:
    """A pod that its owner made before it lost the other counts in its place, with its own excuses."""
    spec = {**PROBED, "containers": [{**PROBED["containers"][0], "imagePullPolicy": pull}]}
    story = Story().replicas("a", "b", "c", spec=spec).fault("a").saw(29.9, "ADDED", pod("d", spec=spec))
    finding = Recovered()(story.killed("a", 30.2).traffic().history())
    assert finding.answer is answer, finding.line()


def test_a_zone_that_was_lost_as_a_whole_proves_no_recovery_in_time() -> None:
    """All nodes come back with their pods; nobody promised when, so their return in time is not known."""
    story = outage(on_s=60)
    for uid, name in (("a", "n1"), ("b", "n2")):
        story.saw(70, "MODIFIED", pod(uid, ready=True, node=name))
    story.saw(70.2, "MODIFIED", endpoints("a", "b"), "EndpointSlice")
    for row in story.rows:
        row["replica"] = f"model-{'ab'[row['id'] % 2]}"
    finding = RecoveredInTime()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "nobody promises how soon a lost node serves again" in finding.reason


def test_the_restart_of_a_sidecar_is_not_the_hung_containers() -> None:
    """A sidecar that is restarted before the server is does not date the server's restart."""
    sidecar = {"name": "proxy", "restartPolicy": "Always"}
    spec: Mapping[str, Any] = {**PROBED, "initContainers": [sidecar]}
    story = restarted_story(spec=spec)
    restarts = {"name": "proxy", "restartCount": 1, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    for place, one in enumerate(story.events):
        if one.kind == "Pod" and one.object["metadata"]["uid"] == "a":
            count = int(one.at_ns >= at(33))
            status = {**one.object["status"], "initContainerStatuses": [{**restarts, "restartCount": count}]}
            story.events[place] = replace(one, object={**one.object, "status": status})
    finding = RecoveredInTime()(story.history())
    (recovery,) = finding.values["recoveries"]
    stages = {stage["stage"]: stage for stage in recovery["stages"]}
    assert stages["container restarted"]["at_ns"] == at(40)


# --- rollouts beside losses -------------------------------------------------------------------------------------


def test_a_rollout_that_is_stuck_is_not_held_against_the_recovery() -> None:
    """A pod that its ReplicaSet gave up for a rollout is the rollout's affair; the end state fails for it."""
    story = Rolling(150).stands("a", "b", "c", "d").fault(name="rolling-update", at_s=30, healed_s=45)
    story.changes(NEW, 30.2).ends("a", 30.3).made("e", 30.4, NEW, ready_s=None).made("f", 30.5, NEW, ready_s=None)
    history = story.history()
    recovered = Recovered()(history)
    assert recovered.answer is Answer.UNKNOWN, recovered.line()
    assert "rollout" in recovered.reason
    assert EndState()(history).answer is Answer.FAIL


def test_a_kill_beside_a_rollout_is_still_owed() -> None:
    """A pod that was killed during a rollout of others, and is not replaced, is missing."""
    story = Rolling(150).stands("a", "b", "c", "d").fault("b").killed("b", 30.2)
    story.saw(31, "MODIFIED", release(OLD), "Deployment").saw(31, "MODIFIED", owned(OLD, 4), "ReplicaSet")
    assert Recovered()(story.history()).answer is Answer.FAIL


# --- a fall of desired that is taken back -------------------------------------------------------------------------


def test_fewer_desired_for_a_moment_is_not_back() -> None:
    """An autoscaler that asks for one fewer and soon for as many again has not made the loss good."""
    story = Story(150).replicas("a", "b", "c").fault("a").killed("a", 30.2)
    for at_s, count in ((35, 2), (40, 3)):
        story.saw(at_s, "MODIFIED", deployment(count), "Deployment")
        story.saw(at_s, "MODIFIED", replica_set(count), "ReplicaSet")
    assert Recovered()(story.traffic().history()).answer is not Answer.PASS


def test_a_watch_of_pods_that_ends_early_leaves_it_open() -> None:
    """A record of pods that ends before the replacement was due says nothing of it."""
    history = kill_story().history()
    watch = tuple(one for one in history.watch if one.kind != "Pod" or one.at_ns <= at(32))
    spans = {**history.covered_ns, "Pod": (history.began_ns, at(32))}
    finding = Recovered()(replace(history, watch=watch, covered_ns=spans))
    assert finding.answer is Answer.UNKNOWN, finding.line()


# --- hooks and probes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hooked", "answer"), [(True, Answer.UNKNOWN), (False, Answer.FAIL)])
def test_a_hook_after_the_start_has_no_time_limit(hooked: bool, answer: Answer) -> None:  # noqa: FBT001
    """A container does not count as running before its postStart hook has ended, and nothing limits that."""
    hook = {"lifecycle": {"postStart": {"exec": {"command": ["/warm-up.sh"]}}}} if hooked else {}
    spec = {**PROBED, "containers": [{**PROBED["containers"][0], **hook}]}
    story = Story(150).replicas("a", "b", "c", spec=spec).fault("a").killed("a", 30.2)
    story.saw(30.3, "ADDED", pod("d", node="", spec=spec)).saw(30.4, "MODIFIED", pod("d", spec=spec))
    finding = Recovered()(story.saw(100, "MODIFIED", pod("d", ready=True, spec=spec)).traffic().history())
    assert finding.answer is answer, finding.line()


def test_a_sidecar_that_is_probed_has_no_limited_start() -> None:
    """A native sidecar with a readiness probe and no startup probe may start as slowly as it likes."""
    sidecar = {"name": "proxy", "restartPolicy": "Always", "imagePullPolicy": "Never"}
    for probe, excused in (({"readinessProbe": {"periodSeconds": 1}}, True), ({}, False)):
        bound = recovery_bound({**PROBED, "initContainers": [{**sidecar, **probe}]}, KUBERNETES)
        assert bool(bound.excuses("ready")) is excused


def test_back_off_is_forgotten_after_ten_minutes_of_running() -> None:
    """Restarts nine minutes apart add up, restarts twelve minutes apart do not."""
    for apart_s, remembered in ((540, 3), (720, 1)):
        moments = {"m": tuple(at(number * apart_s) for number in range(3))}
        assert restarts_remembered(moments, at(2 * apart_s + 1), KUBERNETES) == remembered


def test_of_two_tolerations_the_shorter_counts() -> None:
    """A toleration of everything for five seconds is not outlived by one of this taint for ever."""
    forever = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}
    soon = {"operator": "Exists", "tolerationSeconds": 5}
    for tolerations in ([forever, soon], [soon, forever]):
        assert toleration_s({"tolerations": tolerations}, KUBERNETES) == 5


def test_a_large_zone_in_disruption_is_evicted_slowly() -> None:
    """Of sixty nodes of a zone forty are lost: one in a hundred seconds is tainted, for every check."""
    story = noticed(powered(standing(end_s=300), "n1", on_s=None))
    for number in range(3, 61):
        raw = {"metadata": {"uid": f"x{number}", "name": f"x{number}", "labels": {}}, "spec": {}}
        lost = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
        well = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        story.saw(0, "LISTED", raw | well, "Node")
        if number <= 42:
            story.saw(47, "MODIFIED", raw | lost, "Node")
    story.saw(0.1, "MODIFIED", deployment(2), "Deployment").saw(0.1, "MODIFIED", replica_set(2), "ReplicaSet")
    finding = Recovered()(story.history())
    assert "0.01 nodes/s" in str(finding.values["bound_parts"])
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_kinds_that_count_for_themselves_are_noticed() -> None:
    """Deployments that count from five and Pods from a million do not share a counter, though no order is broken."""
    story = kill_story().saw(50, "MODIFIED", deployment(3), "Deployment")
    for place, one in enumerate(story.events):
        number = place + 1 if one.kind == "Deployment" else 1_000_000 + place
        metadata = {**one.object["metadata"], "resourceVersion": str(number)}
        story.events[place] = replace(one, object={**one.object, "metadata": metadata})
    found = by_revision(story.history(), ("Pod", "Deployment"))
    assert "one counter" in found.doubt
    assert not by_revision(kill_story().history(), ("Pod", "Deployment")).doubt
