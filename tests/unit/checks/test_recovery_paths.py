"""Every path back has its own stages: after a node loss, a crash, a fault that passes; and what was spared has none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from histories import PROBED, Story, at, node, pod
from probe_stories import COVERED, endpoints, hung, killing
from recovery_stories import answered, only_recovery, replaced_story, restarted_story, stages_of

from chaos.checks import RecoveredInTime
from chaos.checks.verdict import Answer, Finding
from chaos.history import Fault, Outcome
from chaos.objects.base import Ref

SOON = [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "tolerationSeconds": 10}]


def judged(story: Story) -> Finding:
    """The finding on a story."""
    return RecoveredInTime()(story.history())


def node_lost(created_s: float = 95, *, spec: Any = None) -> Story:
    """The node of `a` is lost at 30 s and not Ready from 80 s on; `d` takes the place of `a` on the other node."""
    spec = spec or {**PROBED, "tolerations": SOON}
    story = Story(300).has(covered_ns=dict.fromkeys(COVERED, (at(0), at(300))))
    story.replicas("b", spec=spec).saw(0, "LISTED", pod("a", ready=True, node="n2", spec=spec))
    story.saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    victim = (Ref("Node", "", "n2", "node-n2"),)
    story.has(faults=(Fault("node-down-1", "node-down", "", victim, at(30), at(80), at(250), "NotReady"),))
    story.saw(80, "MODIFIED", node("n2", ready=False), "Node")
    story.saw(80.1, "MODIFIED", pod("a", running=True, node="n2", spec=spec))
    story.saw(80.3, "MODIFIED", endpoints("b", unready=["a"]), "EndpointSlice")
    story.saw(created_s - 1, "MODIFIED", pod("a", running=True, node="n2", deleting=True, spec=spec))
    story.replaced("d", created_s, ready_s=created_s + 4, spec=spec)
    story.saw(created_s + 4.2, "MODIFIED", endpoints("b", "d"), "EndpointSlice")
    return answered(story.traffic(end_s=290), "a", 30, "d", created_s + 5)


def test_a_replica_on_a_lost_node_moves_stage_by_stage() -> None:
    """Not Ready within the node's grace, replaced within its toleration and the rate of evictions."""
    finding = judged(node_lost())
    assert finding.answer is Answer.PASS, finding.line()
    assert only_recovery(finding)["path"] == "moved"
    stages = stages_of(finding)
    assert (stages["unready"]["took_s"], stages["unready"]["bound_s"]) == (pytest.approx(50.1), 50 + 2 * 5 + 1 + 5)
    created = stages["replacement created"]
    assert (created["took_s"], created["bound_s"]) == (pytest.approx(14.9), 10 + 10 + 1 + 5)


def test_a_replacement_after_a_node_loss_that_is_late_is_named() -> None:
    """The pod stayed bound for longer than its toleration."""
    finding = judged(node_lost(created_s=120))
    assert finding.answer is Answer.FAIL
    assert finding.values["late"] == ("marked for deletion", "replacement created")


def test_a_replica_that_tolerates_the_loss_for_ever_may_move_as_late_as_it_likes() -> None:
    """Nobody promises when it is replaced."""
    forever = [{key: value for key, value in SOON[0].items() if key != "tolerationSeconds"}]
    finding = judged(node_lost(created_s=200, spec={**PROBED, "tolerations": forever}))
    assert finding.answer is Answer.PASS, finding.line()
    assert stages_of(finding)["replacement created"]["bound_s"] is None


def crashed(**late: float) -> Story:
    """The story of the restart, but its cause is a crash."""
    story = restarted_story(**late)
    (fault,) = story.parts["faults"]
    return story.has(faults=(replace(fault, id="process-crash-1", name="process-crash"),))


def test_a_crash_is_held_to_the_kubelets_sight_of_the_exit() -> None:
    """No probe is waited for: exit seen, back-off, start and report."""
    finding = judged(crashed(first_failed_request=30, unready=30.5))
    assert finding.answer is Answer.PASS, finding.line()
    assert only_recovery(finding)["path"] == "crashed"
    stages = stages_of(finding)
    assert "probe failure event" not in stages
    assert stages["unready"]["bound_s"] == 1 + 10 + 5
    assert stages["container restarted"]["bound_s"] == 1 + 5 + 10 + 5
    assert judged(crashed(unready=46.1)).values["late"][0] == "unready"


@pytest.mark.parametrize(
    ("restarted_s", "told", "answer", "path"),
    [
        pytest.param(52, True, Answer.PASS, "restarted", id="its probe had it restarted"),
        pytest.param(66, True, Answer.FAIL, "restarted", id="late even so"),
        pytest.param(52, False, Answer.FAIL, "crashed", id="nothing says so"),
    ],
)
def test_a_container_that_outlives_its_process_is_its_probes_to_find(
    restarted_s: float,
    told: bool,  # noqa: FBT001  # a table's column
    answer: Answer,
    path: str,
) -> None:
    """A worker is killed, and the server beside it goes on without: no kubelet sees an exit before liveness acts."""
    story = crashed(unready=45, container_restarted=restarted_s)
    if told:
        story.saw(restarted_s - 1, "ADDED", killing("a"), "Event")
    finding = judged(story)
    assert finding.answer is answer, finding.line()
    assert only_recovery(finding)["path"] == path
    assert finding.values["late"] == (() if answer is Answer.PASS else ("container restarted",))


@pytest.mark.parametrize(
    ("full_s", "unready_s", "answer"),
    [
        pytest.param(44, 47, Answer.UNKNOWN, id="it took long to fill"),
        pytest.param(44, 61, Answer.FAIL, id="late even so"),
        pytest.param(30.5, 47, Answer.FAIL, id="it was full at once"),
        pytest.param(35, 40, Answer.PASS, id="in time however soon it was full"),
    ],
)
def test_a_memory_strikes_only_when_it_is_full(full_s: float, unready_s: float, answer: Answer) -> None:
    """Nobody knows when within its filling the kernel ended the container; the kubelet has from then on."""
    story = crashed(unready=unready_s)
    (fault,) = story.parts["faults"]
    story.has(faults=(replace(fault, id="memory-hog-1", name="memory-hog"),))
    story.acted("exec", 30.1, outcome="fail", fault="memory-hog-1")
    (filled,) = story.parts["actions"]
    finding = judged(story.has(actions=(replace(filled, end_ns=at(full_s)),)))
    assert finding.answer is answer, finding.line()
    assert only_recovery(finding)["path"] == "crashed"
    assert ("when its memory was full is not known" in finding.reason) is (answer is Answer.UNKNOWN)


def passing(*, healed_s: float = 60, ready_s: float = 62) -> Story:
    """A hang is healed before its container is restarted; the replica is Ready again as it was."""
    story = hung(healed_s=healed_s, end_s=200)
    story.saw(33, "MODIFIED", pod("a", running=True))
    story.saw(33.2, "MODIFIED", endpoints("b", unready=["a"]), "EndpointSlice")
    story.saw(ready_s, "MODIFIED", pod("a", ready=True))
    story.saw(ready_s + 0.3, "MODIFIED", endpoints("a", "b"), "EndpointSlice")
    story.rows.clear()
    story.parts.pop("streams")
    return answered(story.traffic(end_s=195), "a", 30, "a", ready_s + 1)


def test_a_trouble_that_passes_counts_from_the_heal() -> None:
    """Ready follows the heal by its readiness probe; how long we held the fault has no bound."""
    finding = judged(passing())
    assert finding.answer is Answer.PASS, finding.line()
    stages = stages_of(finding)
    assert only_recovery(finding)["path"] == "returned"
    assert stages["fault healed"]["bound_s"] is None
    assert (stages["Ready"]["took_s"], stages["Ready"]["bound_s"]) == (2, 1 + 1 + 10 + 5)
    assert judged(passing(ready_s=77.1)).values["late"] == ("Ready",)


def test_an_endpoint_that_need_not_go_is_not_missed() -> None:
    """A replica that is Ready again at once may keep its endpoint."""
    story = passing(healed_s=34, ready_s=35)
    story.events = [one for one in story.events if one.kind != "EndpointSlice" or one.at_ns == at(0)]
    finding = judged(story)
    assert finding.answer is Answer.PASS, finding.line()
    assert "Ready again before the endpoint had to go" in stages_of(finding)["endpoint removed"]["note"]


def test_a_victim_that_was_spared_has_no_recovery() -> None:
    """An eviction that was refused takes nobody, and nobody has to come back."""
    story = replaced_story()
    (kill,) = story.parts["faults"]
    spared = replace(kill, id="evict-2", name="evict", victims=(Ref("Pod", "gameday-1", "model-b", "b"),))
    assert only_recovery(judged(story.has(faults=(kill, spared))))["victim"] == "model-a"


def evicted_later(outcome: Outcome) -> Story:
    """`b` is asked to go at 30 s, with that outcome, and goes at 150 s for another reason; `e` takes its place."""
    story = replaced_story()
    (kill,) = story.parts["faults"]
    second = replace(kill, id="evict-2", name="evict", victims=(Ref("Pod", "gameday-1", "model-b", "b"),))
    story.has(faults=(kill, second)).acted("evict-pod", 30.1, outcome=outcome, uid="b", fault="evict-2")
    story.saw(150, "DELETED", pod("b", ready=True)).saw(150.1, "MODIFIED", endpoints("d"), "EndpointSlice")
    return story.replaced("e", 150.2, ready_s=154).saw(154.1, "MODIFIED", endpoints("d", "e"), "EndpointSlice")


def test_who_was_spared_and_goes_later_is_not_late() -> None:
    """The budget refused the eviction, and two minutes later an autoscaler of nodes took the pod: that was not ours."""
    finding = judged(evicted_later("fail"))
    assert finding.answer is Answer.PASS, finding.line()
    assert only_recovery(finding)["victim"] == "model-a"


def test_who_was_let_go_and_goes_later_is_late() -> None:
    """An eviction that was granted, and a pod that goes two minutes later."""
    finding = judged(evicted_later("ok"))
    assert finding.answer is Answer.FAIL
    assert "model-b (b): unready took 119.9 s" in finding.reason


def test_whom_a_drain_did_not_come_to_is_not_its_victim() -> None:
    """It evicted `a` alone of two on its node; `b` goes two minutes later for another reason."""
    story = evicted_later("fail")
    kill, _ = story.parts["faults"]
    drain = replace(kill, id="pod-kill-1", name="node-drain", victims=(Ref("Node", "", "n1", "node-n1"),))
    finding = judged(story.has(faults=(drain,)))
    assert finding.answer is Answer.PASS, finding.line()
    assert only_recovery(finding)["victim"] == "model-a"


@pytest.mark.parametrize(
    ("healed_s", "fell_s", "answer"),
    [
        pytest.param(36, 150, Answer.UNKNOWN, id="long after the heal"),
        pytest.param(36, 60, Answer.FAIL, id="soon after the heal"),
        pytest.param(180, 150, Answer.FAIL, id="in the fault"),
    ],
)
def test_a_fall_long_after_the_heal_is_none_of_the_faults(healed_s: float, fell_s: float, answer: Answer) -> None:
    """A hang of 6 s that no probe had to find, and a replica that turns not Ready two minutes later."""
    story = hung(healed_s=healed_s, end_s=200)
    story.saw(fell_s, "MODIFIED", pod("a", running=True)).saw(fell_s + 3, "MODIFIED", pod("a", ready=True))
    finding = judged(story)
    assert finding.answer is answer, finding.line()
    assert ("unready took" in finding.reason) is (answer is Answer.FAIL)


def test_two_victims_have_a_recovery_each() -> None:
    """Each is paired with its own replacement, and has its own table."""
    story = replaced_story()
    story.saw(30.2, "DELETED", pod("c", ready=True)).saw(0, "LISTED", pod("c", ready=True))
    (kill,) = story.parts["faults"]
    both = (*kill.victims, Ref("Pod", "gameday-1", "model-c", "c"))
    story.has(faults=(replace(kill, victims=both),)).replaced("e", 30.45, ready_s=34)
    found = {one["victim"]: one["replacement"] for one in judged(story).values["recoveries"]}
    assert found == {"model-a": "model-d", "model-c": "model-e"}


def test_a_partition_that_turns_its_victim_is_its_doing() -> None:
    """A replica that knows that it is cut off turns not Ready, and is Ready again soon after the heal, or late."""
    for ready_s, answer in ((62, Answer.PASS), (90, Answer.FAIL)):
        story = passing(ready_s=ready_s)
        (fault,) = story.parts["faults"]
        story.has(faults=(replace(fault, id="network-partition-1", name="network-partition"),))
        finding = judged(story)
        assert finding.answer is answer, finding.line()
        assert only_recovery(finding)["path"] == "returned"
