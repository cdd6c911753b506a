"""Disruption budgets beside a neighbour and under a StatefulSet: drains meet others, a name is charged twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from budget_stories import Guarded, budget, drain_story, guarded
from histories import NAMESPACE, WORKLOAD, at, pod

from chaos.checks import BudgetHeld, Drained
from chaos.checks.verdict import Answer, Finding
from chaos.history import Action
from chaos.objects.base import Ref

NEIGHBOUR = Ref("Pod", NAMESPACE, "redis-0", "redis-uid")


def met_neighbour() -> Guarded:
    """The good drain, which evicted a neighbour's pod too: it has other labels, and so is not watched."""
    story = drain_story()
    eviction = Action("act-99", "evict-pod", NEIGHBOUR, at(30.2), at(30.21), "ok", "node-drain-1")
    return story.has(actions=(*story.parts["actions"], eviction))


def test_a_good_drain_holds_the_budget() -> None:
    """A drain that waits for its budget keeps it, and is done in time."""
    story = drain_story()
    assert BudgetHeld()(story.history()).answer is Answer.PASS
    assert Drained()(story.history()).answer is Answer.PASS


def test_a_neighbours_eviction_says_nothing_of_our_budget() -> None:
    """A pod that the system's budget does not select cannot break it."""
    finding = BudgetHeld()(met_neighbour().history())
    assert finding.answer is Answer.PASS, finding.line()


def test_a_neighbours_long_grace_does_not_make_our_drain_late() -> None:
    """The system's pods were gone after 7 s; that a neighbour's pod took 110 s is no lateness of theirs."""
    story = met_neighbour()
    (fault,) = story.parts["faults"]
    detail = {**fault.result_detail, "gone": ["model-a", "model-d", NEIGHBOUR.name]}
    late = replace(
        fault,
        result_ns=at(140),
        healed_ns=at(141),
        parameters={"deadline_s": 200},
        result_detail=detail,
    )
    story.end_s = 200
    finding = Drained()(story.has(faults=(late,)).history())
    assert finding.answer in {Answer.PASS, Answer.UNKNOWN}, finding.line()


def test_an_eviction_that_may_be_of_ours_is_open() -> None:
    """A pod of the system's name that the watch never showed may be the system's: what became of it is open."""
    story = drain_story()
    eviction = Action("act-99", "evict-pod", replace(NEIGHBOUR, name=f"{WORKLOAD}-x"), at(30.2), at(30.21), "ok")
    finding = BudgetHeld()(story.has(actions=(*story.parts["actions"], eviction)).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


def neighbours_budget(*, kept: bool) -> Finding:
    """Beside the good drain a watched neighbour with a budget of its own is evicted, with room for that or without."""
    mine = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "redis"}}}

    def counted_own(healthy: int, allowed: int, *disrupted: str) -> dict[str, Any]:
        raw = budget(name="redis", healthy=healthy, desired=1, allowed=allowed, expected=2, spec=mine)
        raw["status"]["disruptedPods"] = dict.fromkeys(disrupted, "2026-01-01T00:00:00Z")
        return raw

    def redis(number: int, **told: Any) -> dict[str, Any]:
        raw = pod(f"redis-{number}", ready=True, **told)
        raw["metadata"] |= {"name": f"redis-{number}", "labels": {"app": "redis"}}
        raw["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "name": "redis", "uid": "r", "controller": True}]
        return raw

    story = drain_story()
    for number in range(2):
        story.saw(0, "LISTED", redis(number))
    healthy = 2 if kept else 1
    story.counted(0, counted_own(healthy, 1), type_="LISTED").counted(32, counted_own(healthy, 0, "redis-0"))
    story.saw(32.01, "MODIFIED", redis(0, deleting=True)).saw(33, "DELETED", redis(0, deleting=True))
    return BudgetHeld()(story.history())


def test_a_neighbours_budget_is_not_ours_to_judge() -> None:
    """Whatever becomes of a budget that binds none of the system's pods, the system's own was held."""
    assert neighbours_budget(kept=True).answer is Answer.PASS
    assert neighbours_budget(kept=False).answer is Answer.PASS


def test_a_drain_that_a_neighbour_blocks_was_done_with_ours() -> None:
    """The system's pods were gone after 7 s; that a neighbour's budget kept its pod is no lateness of theirs."""
    story = drain_story()
    (fault,) = story.parts["faults"]
    detail = {**fault.result_detail, "gone": ["model-a", "model-d"], "left": [NEIGHBOUR.name], "budget": "redis"}
    late = replace(fault, result="blocked", result_ns=at(90), healed_ns=at(91), result_detail=detail)
    finding = Drained()(story.has(faults=(late,)).history())
    assert finding.answer is Answer.PASS, finding.line()


def test_a_drain_that_is_late_with_ours_is_late() -> None:
    """The last of the system's own pods takes 100 s to go: that a neighbour's took longer excuses nothing."""
    story = guarded().drain(result_s=160, healed_s=165, parameters={"deadline_s": 200})
    story.end_s = 200
    story.evicted("a", 30.2, fault="node-drain-1").refused("d", 30.25, fault="node-drain-1").back("e", 30.3)
    story.evicted("d", 130.3, fault="node-drain-1").back("f", 130.4, node="n3")
    (fault,) = story.parts["faults"]
    detail = {**fault.result_detail, "gone": ["model-a", "model-d", NEIGHBOUR.name]}
    finding = Drained()(story.has(faults=(replace(fault, result_detail=detail),)).history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert "took 102.3 s" in finding.reason


# --- a budget over more pods than are watched ----------------------------------------------------------------------


def test_a_budget_over_unwatched_pods_is_unknown() -> None:
    """Ten pods are healthy by its own count and four are watched: whether enough were left is not known."""
    story = Guarded().stands("a", "b", "c", "d", pdb=budget(healthy=10, desired=9, expected=10))
    story.traffic()
    story.fault("a", name="evict").acted("evict-pod", 30.1, uid="a", fault="evict-1")
    story.charged("a", 30.2, healthy=10, desired=9).leaves("a", 30.202).counted(30.3, budget(healthy=9, desired=9))
    finding = BudgetHeld()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "binds others too" in finding.reason


def test_a_budget_that_binds_none_of_ours_is_named() -> None:
    """A selector that is misspelt leaves the evictions without a budget, and the reason names who was meant."""
    wrong = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "modle"}}}
    story = guarded(pdb=budget(name="misspelt", spec=wrong)).drain().acted("evict-pod", 30.1).leaves("a", 30.2)
    finding = BudgetHeld()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "the selector of misspelt matches none of them" in finding.reason


def test_a_budget_over_unwatched_pods_without_an_eviction_is_unknown() -> None:
    """A refusal by a budget that counts pods which nobody watched may have been due for their sake."""
    story = Guarded().stands("a", "b", "c", "d", pdb=budget(healthy=9, desired=9, expected=10))
    story.traffic()
    story.fault("a", name="evict").refused("a", 30.1, fault="evict-1")
    finding = BudgetHeld()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "binds others too" in finding.reason


def beside_a_canary(*healthy: tuple[float, int], wants: Mapping[str, Any], expected: int = 5) -> Finding:
    """Four replicas are watched, of which `a` is evicted at 30 s; the budget counts a canary of another Deployment too.

    `healthy` is what its controller counted and when; the canary may be down for a while.
    """

    def counted_all(count: int, *disrupted: str) -> dict[str, Any]:
        spec = {**wants, "selector": {"matchLabels": {"app": WORKLOAD}}}
        return budget(healthy=count, desired=4, expected=expected, disrupted=disrupted, spec=spec)

    (_, first), *later = healthy
    story = Guarded().stands("a", "b", "c", "d", pdb=counted_all(first)).traffic()
    for at_s, count in later:
        story.counted(at_s, counted_all(count))
    story.fault("a", name="evict").acted("evict-pod", 30.1, uid="a", fault="evict-1")
    charged = counted_all(5, "a")
    charged["status"]["disruptionsAllowed"] = 0
    story.counted(30.2, charged).leaves("a", 30.202).counted(30.3, counted_all(4))
    return BudgetHeld()(story.history())


@pytest.mark.parametrize("wants", [{"maxUnavailable": 1}, {"maxUnavailable": "20%"}, {"minAvailable": 4}], ids=str)
@pytest.mark.parametrize("healthy", [((0, 4), (20, 5)), ((0, 5), (60, 4)), ((0, 5),)], ids=str)
def test_a_budget_over_a_canary_too_is_unknown(healthy: tuple[tuple[float, int], ...], wants: dict[str, Any]) -> None:
    """The three that are left and the canary are the four that it needs, whenever the canary itself was down."""
    finding = beside_a_canary(*healthy, wants=wants)
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "binds others too" in finding.reason
    assert "dip" not in finding.measured


def test_a_budget_of_its_own_pods_alone_that_leaves_too_few_fails() -> None:
    """Its controller counts five of the four that it expects: the eviction of one leaves too few."""
    finding = beside_a_canary((0, 4), (20, 5), wants={"maxUnavailable": 1}, expected=4)
    assert finding.answer is Answer.FAIL, finding.line()


def drained_amid_a_surge(took_s: float, *, surge: bool) -> Finding:
    """Four of ten pods leave a node one after another; as that begins, three more are Ready than are wanted."""
    ten = {"desired": 9, "expected": 10}
    story = Guarded(400).stands(*"abcdefghij", pdb=budget(healthy=10, **ten)).traffic()
    if surge:
        story.counted(29, budget(healthy=13, **ten)).counted(30.15, budget(healthy=10, **ten))
    gone = {"gone": [f"model-{uid}" for uid in "adgj"]}
    story.drain(result_s=30 + took_s, healed_s=31 + took_s, parameters={"deadline_s": 350}, detail=gone)
    for number, uid in enumerate("adgj"):
        at_s = 30.2 + number * (took_s - 5) / 4
        story.acted("evict-pod", at_s - 0.01, uid=uid, fault="node-drain-1")
        story.counted(at_s, budget(healthy=10, allowed=0, disrupted=(uid,), **ten)).leaves(uid, at_s + 0.002)
        story.saw(at_s + 0.3, "ADDED", pod(f"z{number}", node="n2")).saw(
            at_s + 5, "MODIFIED", pod(f"z{number}", ready=True, node="n2")
        )
        story.counted(at_s + 0.02, budget(healthy=9, **ten)).counted(at_s + 5.1, budget(healthy=10, **ten))
    return Drained()(story.history())


@pytest.mark.parametrize("surge", [True, False])
@pytest.mark.parametrize(("took_s", "answer"), [(100, Answer.PASS), (200, Answer.FAIL)])
def test_no_drain_can_count_on_the_pods_of_a_surge(took_s: float, answer: Answer, *, surge: bool) -> None:
    """A budget that spares one of ten lets one go at a time, whatever it permits while a rollout has more Ready."""
    finding = drained_amid_a_surge(took_s, surge=surge)
    assert finding.answer is answer, finding.line()
    assert "bound 180 s" in finding.line()


# --- a StatefulSet's names come again -----------------------------------------------------------------------------

TWO_MAY_GO = {"maxUnavailable": 2, "selector": {"matchLabels": {"app": WORKLOAD}}}


def counted(healthy: int, allowed: int, *disrupted: str) -> dict[str, Any]:
    """The budget of four pods of which two may go."""
    return budget(healthy=healthy, desired=2, allowed=allowed, disrupted=disrupted, spec=TWO_MAY_GO)


def successor(**told: Any) -> dict[str, Any]:
    """The pod `a2`, which has the name that `a` had."""
    raw = pod("a2", **told)
    raw["metadata"]["name"] = "model-a"
    return raw


def evicted_twice() -> Finding:
    """`a` is evicted, and its successor of the same name 6 s later, while the budget still lists the name.

    The second charge shows in what is left, and in the moment that stands beside the name.
    """
    story = Guarded().stands("a", "b", "c", "d", pdb=counted(4, 2))
    story.traffic()
    story.fault("a", name="evict").acted("evict-pod", 30.1, uid="a", fault="evict-1")
    story.counted(30.2, counted(4, 1, "a")).leaves("a", 30.202).counted(30.3, counted(3, 1, "a"))
    story.saw(32.5, "ADDED", successor(node="")).saw(35.5, "MODIFIED", successor(ready=True))
    story.acted("evict-pod", 36.0, uid="a2", fault="evict-1")
    again = counted(3, 0, "a")
    again["status"]["disruptedPods"]["model-a"] = "2026-01-01T00:00:06Z"
    story.counted(36.1, again)
    marked = {"ready": True, "disruption": "EvictionByEvictionAPI"}
    story.saw(36.12, "MODIFIED", successor(**marked)).saw(36.13, "MODIFIED", successor(**marked, deleting=True))
    return BudgetHeld()(story.saw(38, "DELETED", successor(deleting=True)).history())


def test_the_same_name_may_be_charged_twice() -> None:
    """A second eviction of a StatefulSet's name is charged under the entry that is already there."""
    finding = evicted_twice()
    assert finding.answer in {Answer.PASS, Answer.UNKNOWN}, finding.line()


# --- a budget that needs no pod ----------------------------------------------------------------------------------


def all_evicted(desired: int, **bound: Any) -> Guarded:
    """Replicas are evicted one after another for as long as the budget permits, and come back later."""
    spec = {**bound, "selector": {"matchLabels": {"app": WORKLOAD}}}
    story = Guarded(120).stands(*"abcd", pdb=budget(desired=desired, spec=spec)).fault(*"abcd")
    for number, uid in enumerate("abcd"[: 4 - desired]):
        begin_s, left = 30 + number / 10, 3 - number
        story.acted("evict-pod", begin_s - 0.01, uid=uid)
        for at_s, healthy in ((begin_s, left + 1), (begin_s + 0.02, left)):
            charged = (uid,) if healthy > left else ()
            allowed = max(0, left - desired)
            told = budget(healthy=healthy, desired=desired, allowed=allowed, disrupted=charged, spec=spec)
            story.counted(at_s, told)
        story.leaves(uid, begin_s + 0.002, node=f"n{number % 3 + 1}")
    kinds = ("Pod", "Deployment", "ReplicaSet", "Node", "EndpointSlice", "PodDisruptionBudget")
    return story.has(covered_ns=dict.fromkeys(kinds, (at(0), at(120))))


@pytest.mark.parametrize(
    ("bound", "desired", "answer"),
    [
        pytest.param({"maxUnavailable": "100%"}, 0, Answer.UNKNOWN, id="all may go"),
        pytest.param({"minAvailable": 0}, 0, Answer.UNKNOWN, id="none need stay"),
        pytest.param({"maxUnavailable": 4}, 0, Answer.UNKNOWN, id="as many may go as there are"),
        pytest.param({"minAvailable": 1}, 1, Answer.PASS, id="one has to stay"),
        pytest.param({"maxUnavailable": "75%"}, 1, Answer.PASS, id="a quarter has to stay"),
    ],
)
def test_a_budget_that_needs_no_pod_proves_nothing(bound: Mapping[str, Any], desired: int, answer: Answer) -> None:
    """Every eviction leaves as many as none: a budget that nothing can break was not held by anybody."""
    story = all_evicted(desired, **bound)
    finding = BudgetHeld()(story.history())
    assert finding.answer is answer, finding.line()
    assert BudgetHeld(ready_min=3)(story.history()).answer is Answer.FAIL


# --- a drain whose replacement waits for a node ------------------------------------------------------------------

NO_ROOM = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."


def waiting(uid: str) -> dict[str, Any]:
    """A replacement that no node takes."""
    raw = pod(uid, node="")
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_ROOM}
    raw["status"]["conditions"].append(condition)
    return raw


def given_up(*, event: str = "", node: str = "", taken_s: float = 125) -> Guarded:
    """`a` is evicted, its replacement finds no node, `d` is refused for 90 s, and the drain is given up at 120 s.

    `event` is what a node autoscaler says of it meanwhile, and `node` which one takes it after all.
    """
    detail = {"budget": "model", "gone": ["model-a"], "left": ["model-d"], "pending": [NO_ROOM]}
    story = Guarded(240).stands(*"abcd", pdb=budget())
    story.drain(result="blocked", result_s=120, healed_s=122, detail=detail).traffic(end_s=230)
    story.evicted("a", 30.2, fault="node-drain-1").saw(30.3, "ADDED", waiting("e"))
    story.refused("d", 40, fault="node-drain-1").refused("d", 119, fault="node-drain-1")
    if event:
        told = {"uid": "ev-1", "name": "ev-1", "namespace": NAMESPACE}
        raw = {"metadata": told, "involvedObject": {"uid": "e"}, "reason": event, "message": "pod triggered scale-up"}
        story.saw(35, "ADDED", raw, "Event")
    return story.saw(taken_s, "MODIFIED", pod("e", node=node)) if node else story


@pytest.mark.parametrize(
    ("others", "answer", "claimed"),
    [
        pytest.param({}, Answer.FAIL, Answer.PASS, id="no node ever"),
        pytest.param({"node": "n1"}, Answer.FAIL, Answer.PASS, id="the node that it closed, once it is open again"),
        pytest.param({"event": "TriggeredScaleUp"}, Answer.UNKNOWN, Answer.UNKNOWN, id="a node is on its way"),
        pytest.param({"event": "Nominated", "node": "n9"}, Answer.UNKNOWN, Answer.UNKNOWN, id="and comes"),
        pytest.param({"node": "n9"}, Answer.UNKNOWN, Answer.UNKNOWN, id="another node has room later"),
        pytest.param({"event": "FailedScheduling"}, Answer.FAIL, Answer.PASS, id="an event that promises nothing"),
    ],
)
def test_a_drain_that_waits_for_a_node_is_not_blocked_for_good(
    others: Mapping[str, Any], answer: Answer, claimed: Answer
) -> None:
    """A node that a cloud provisions takes minutes; a budget blocks the drain until then, and not for ever."""
    history = given_up(**others).history()
    for check, expected in ((Drained(), answer), (Drained(blocked_by="model"), claimed)):
        finding = check(history)
        assert finding.answer is expected, finding.line()
