"""Drained: a drain ends in time, or is blocked as it was claimed, or nobody can know."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from budget_stories import Guarded, budget, drain_story, guarded
from histories import PROBED, at, facts, node, pod

from chaos.checks import Drained
from chaos.checks.budgets.records import EVICTED
from chaos.checks.verdict import Answer, Finding
from chaos.history import Action, Gap, Outcome
from chaos.objects.base import Ref


def judged(story: Guarded, **claim: Any) -> Finding:
    """The finding on a story."""
    return Drained(**claim)(story.history())


def blocked(*, desired: int = 4, result_s: float = 42, pending: tuple[str, ...] = (), healthy: int = 4) -> Guarded:
    """A drain that was refused to its end."""
    detail = {"budget": "model", "left": ["model-a", "model-d"], "pending": list(pending)}
    story = guarded(pdb=budget(desired=desired, healthy=healthy))
    return story.drain(result="blocked", result_s=result_s, healed_s=result_s + 1, detail=detail).refused("a", 30.2)


# --- finished -----------------------------------------------------------------------------------------------


def test_a_drain_in_time_passes() -> None:
    """Both pods are gone within two rounds; the finding says what the bound is made of."""
    finding = judged(drain_story())
    assert finding.answer is Answer.PASS
    (drain,) = finding.values["drains"]
    assert (drain["pods"], drain["permits"], drain["seconds"]) == (2, 1, 12)
    # twice: 10 s grace, 1 s poll, 5 s retry and the 29 s of a replacement
    assert drain["bound_s"] == 90
    assert "termination" in finding.margin


def test_a_drain_of_another_node_is_not_that_of_this() -> None:
    """A claim on one node is not proved by another node's drain."""
    assert judged(drain_story(), node="n1").answer is Answer.PASS
    finding = judged(drain_story(), node="n2")
    assert finding.answer is Answer.UNKNOWN
    assert "no drain of node n2" in finding.reason


def test_a_pod_left_on_the_node_fails() -> None:
    """A drain that says it finished while a pod is still there is not finished."""
    story = drain_story()
    story.events = [one for one in story.events if not (one.type == "DELETED" and one.at_ns > at(33))]
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "model-d" in finding.reason


def raced(uid: str = "d", status: int = 404) -> Guarded:
    """Others delete the last pod of the node: the watch tells that it is gone 2 ms after the drain has ended."""
    story = guarded().drain(result_s=37.3, healed_s=45).evicted("a", 30.2, fault="node-drain-1")
    story.refused("d", 30.25, fault="node-drain-1").back("e", 30.3, node="n2").leaves("d", 35.302, reason="")
    detail = {"status": status, "reason": f"{status}"}
    return story.acted("evict-pod", 37.28, uid=uid, outcome="fail", fault="node-drain-1", detail=detail)


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(raced(), Answer.PASS, id="found gone"),
        pytest.param(raced("a"), Answer.FAIL, id="another was found gone"),
        pytest.param(raced(status=409), Answer.FAIL, id="not found gone"),
        pytest.param(
            raced(status=409).has(late=(Gap("Pod", at(36), at(37.5), "reset"),)), Answer.UNKNOWN, id="the news was late"
        ),
        pytest.param(
            raced(status=409).has(late=(Gap("Pod", at(37.3001), at(37.5), "reset"),)), Answer.FAIL, id="and later still"
        ),
    ],
)
def test_a_pod_that_an_eviction_finds_gone_is_not_left(story: Guarded, answer: Answer) -> None:
    """The API server answers 404 for a pod that is no more, and the watch tells of it a moment later."""
    finding = judged(story)
    assert finding.answer is answer, finding.line()


def test_a_pod_that_arrived_as_the_node_closed_counts() -> None:
    """A pod that the scheduler had bound to the node before it closed has to leave too."""
    story = drain_story().saw(31, "ADDED", pod("late", node="n1", running=True))
    assert judged(story).answer is Answer.FAIL


@pytest.mark.parametrize(
    ("opened_s", "came_s", "answer"),
    [
        pytest.param(38, 39, Answer.UNKNOWN, id="after others opened it"),
        pytest.param(38, 31, Answer.FAIL, id="before others opened it"),
        pytest.param(None, 39, Answer.FAIL, id="nobody opened it"),
    ],
)
def test_a_pod_that_came_as_others_had_opened_the_node_is_open(
    opened_s: float | None, came_s: float, answer: Answer
) -> None:
    """Somebody uncordons the node in mid-drain, and the scheduler goes on placing pods there."""
    story = drain_story().saw(came_s, "ADDED", pod("late", node="n1", running=True))
    if opened_s is not None:
        story.saw(opened_s, "MODIFIED", node("n1", labels={"pool": "blue", "zone": "z1"}), "Node")
    finding = judged(story)
    assert finding.answer is answer, finding.line()
    assert ("others opened n1" in finding.reason) == (answer is Answer.UNKNOWN)


def test_a_pod_that_came_after_the_node_was_opened_does_not_count() -> None:
    """What is scheduled to the node once it is open again is not left there."""
    opened = Action("u-1", "uncordon", Ref("Node", "", "n1"), at(38), at(38.1), "ok", "node-drain-1")
    story = drain_story().saw(40, "ADDED", pod("new", node="n1"))
    story.has(actions=(*story.parts["actions"], opened))
    assert judged(story).answer is Answer.PASS


def test_a_drain_beyond_its_bound_fails() -> None:
    """The budget had room all the time, and the drain still took longer than its rounds may."""
    story = Guarded(240).stands("a", "b", "c", "d", pdb=budget()).drain(result_s=150, healed_s=151)
    story.traffic(end_s=200)
    story.evicted("a", 30.2, fault="node-drain-1").back("e", 30.3).evicted("d", 140).back("f", 140.3)
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "took 120.0 s, bound 90 s" in finding.reason


def test_a_late_drain_of_pods_that_promise_nothing_is_unknown() -> None:
    """Without a startup probe nothing limits how long a replacement takes, so nothing was broken."""
    slow = {**PROBED, "containers": [{"name": "m", "imagePullPolicy": "Never"}]}
    story = Guarded(400).stands("a", "b", "c", "d", pdb=budget()).drain(result_s=300, healed_s=301)
    story.events = [
        replace(one, object={**one.object, "spec": {**slow, "nodeName": one.object["spec"]["nodeName"]}})
        if one.kind == "Pod"
        else one
        for one in story.events
    ]
    for uid, at_s in (("a", 30.2), ("d", 290)):
        raw = pod(uid, node="n1", deleting=True, spec=slow)
        story.saw(at_s, "MODIFIED", raw).saw(at_s + 2, "DELETED", raw)
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "no startup probe" in finding.reason


def kept(gone_s: float | None, *, ended_s: float = 37, finalizers: tuple[str, ...] = ("a.example/sync",)) -> Guarded:
    """Of two pods `d` is evicted at 35 s, and its container ends; its object stays until others let it go, if ever."""
    end_s = 141 if gone_s is None else gone_s + 1
    story = Guarded(240).stands("a", "b", "c", "d", pdb=budget())
    story.drain(result="finished" if gone_s else "stopped", result_s=end_s, healed_s=end_s + 1).traffic(end_s=200)
    story.evicted("a", 30.2, fault="node-drain-1").back("e", 30.3)
    story.acted("evict-pod", 35.29, uid="d", fault="node-drain-1").charged("d", 35.3)
    going, ended = (pod("d", ready=ready, deleting=True, disruption=EVICTED) for ready in (True, False))
    for raw in (going, ended):
        raw["metadata"] |= {"finalizers": list(finalizers)} if finalizers else {}
    story.saw(35.31, "MODIFIED", going).counted(35.32, budget(healthy=3)).saw(ended_s, "MODIFIED", ended)
    story.back("f", 35.4, node="n3")
    return story if gone_s is None else story.saw(gone_s, "DELETED", ended)


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(kept(140), Answer.UNKNOWN, id="kept for long"),
        pytest.param(kept(None), Answer.UNKNOWN, id="kept for ever"),
        pytest.param(kept(100), Answer.PASS, id="let go in time"),
        pytest.param(kept(140, ended_s=130), Answer.FAIL, id="it ran for long"),
        pytest.param(kept(140, finalizers=()), Answer.FAIL, id="no finalizers"),
    ],
)
def test_a_drain_waits_for_whoever_removes_finalizers(story: Guarded, answer: Answer) -> None:
    """A queue or a controller of others keeps the object of a pod that has ended, and nobody promises for how long."""
    finding = judged(story)
    assert finding.answer is answer, finding.line()
    assert ("finalizers kept model-d" in finding.reason) is (answer is Answer.UNKNOWN)


def test_the_bound_counts_from_when_the_budget_had_room() -> None:
    """A budget that permitted none until it was changed is no fault of the drain."""
    story = Guarded(300).stands("a", "b", "c", "d", pdb=budget(desired=4)).drain(result_s=160, healed_s=161)
    story.refused("a", 30.2).counted(140, budget(desired=3))
    story.evicted("a", 141).back("e", 141.3).evicted("d", 150).back("f", 150.2)
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert finding.values["drains"][0]["anchor_ns"] == at(140)
    assert "counted from when its budget had room" in finding.measured


def test_a_short_wait_for_room_does_not_count_either() -> None:
    """A budget without room as the drain began, and be it for ten seconds, had none to give."""
    story = Guarded(300).stands("a", "b", "c", "d", pdb=budget(desired=4)).drain(result_s=125, healed_s=126)
    story.refused("a", 30.2).counted(40, budget(desired=3))
    story.evicted("a", 41).back("e", 41.3).evicted("d", 120).back("f", 120.2)
    finding = judged(story)
    assert finding.values["drains"][0]["seconds"] == 85
    assert finding.answer is Answer.PASS


def test_a_drain_without_any_budget_has_one_round() -> None:
    """Where no budget binds the pods all leave at once, and nothing waits for replacements."""
    story = drain_story()
    story.events = [one for one in story.events if one.kind != "PodDisruptionBudget"]
    (drain,) = judged(story).values["drains"]
    assert drain["permits"] is None
    # 10 s grace, 1 s poll, 5 s allowance
    assert drain["bound_s"] == 16


def test_a_limit_of_the_drain_itself_makes_more_rounds() -> None:
    """A drain that takes one pod at a time needs a round for each, whatever the budget permits."""
    limits = {"max_in_flight": 1}
    story = guarded(pdb=budget(desired=2)).drain(result_s=42, healed_s=45, parameters=limits)
    story.evicted("a", 30.2, desired=2).evicted("d", 31, healthy=3, desired=2)
    assert judged(story).values["drains"][0]["permits"] == 1


# --- blocked ------------------------------------------------------------------------------------------------


def test_a_blocked_drain_fails_and_names_the_budget() -> None:
    """A budget that needs every pod never permits any: the drain is not done, as the budget demands."""
    finding = judged(blocked())
    assert finding.answer is Answer.FAIL
    assert "as disruption budget model demands: it needs 4 of 4" in finding.reason


def test_a_blocked_drain_passes_if_that_is_the_claim() -> None:
    """The same story proves that the budget blocks."""
    finding = judged(blocked(), blocked_by="model")
    assert finding.answer is Answer.PASS
    assert finding.limit == "blocked by disruption budget model"


def test_a_finished_drain_breaks_the_claim_that_it_is_blocked() -> None:
    """A budget that let the drain finish did not block it."""
    finding = judged(drain_story(), blocked_by="model")
    assert finding.answer is Answer.FAIL
    assert "nothing blocked it" in finding.reason


def test_another_budget_than_claimed_fails() -> None:
    """Blocked by a budget that the claim does not name."""
    assert judged(blocked(), blocked_by="other").answer is Answer.FAIL


def test_a_deadline_too_short_is_unknown() -> None:
    """A budget that had no room for a moment, as in any round, did not block; nor is the drain done."""
    story = guarded().drain(result="blocked", result_s=36, healed_s=37, detail={"budget": "model", "left": ["model-d"]})
    story.evicted("a", 30.2).refused("d", 30.3)
    for claim in ({}, {"blocked_by": "model"}):
        finding = judged(story, **claim)
        assert finding.answer is Answer.UNKNOWN
        assert "too short to decide" in finding.reason
        assert "45 s" in finding.settle


def test_a_budget_without_room_for_longer_than_a_round_blocks() -> None:
    """If no replacement came within the time of a round, the drain is blocked for certain."""
    story = Guarded(240).stands("a", "b", "c", "d", pdb=budget())
    story.drain(result="blocked", result_s=100, healed_s=101, detail={"budget": "model", "left": ["model-d"]})
    story.evicted("a", 30.2).refused("d", 30.3)
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "a round takes 45 s" in finding.reason


def test_a_replacement_without_a_node_blocks() -> None:
    """If the replacement cannot be scheduled, the budget stays without room: no deadline is long enough."""
    story = guarded().evicted("a", 30.2).refused("d", 30.3)
    pending = ["model-e is Pending: 0/3 nodes are available"]
    detail = {"budget": "model", "left": ["model-d"], "pending": pending}
    story.drain(result="blocked", result_s=36, healed_s=37, detail=detail)
    assert judged(story, blocked_by="model").answer is Answer.PASS
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "found no node" in finding.reason


def test_a_budget_with_room_did_not_block() -> None:
    """A drain that says it was blocked by a budget which had room all the time proves nothing."""
    story = guarded().drain(result="blocked", detail={"budget": "model", "pending": ["model-e is Pending"]})
    assert judged(story, blocked_by="model").answer is Answer.UNKNOWN


# --- nobody can know ----------------------------------------------------------------------------------------


def test_a_drain_that_was_stopped_early_is_unknown() -> None:
    """A drain that we stopped before its bound was over was not given the time."""
    story = guarded().drain(result="stopped", result_s=35).evicted("a", 30.2)
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "longer deadline" in finding.settle


def test_a_drain_that_failed_after_all_its_time_fails() -> None:
    """A drain that had all the time it may take and did not finish is too late."""
    story = Guarded(300).stands("a", "b", "c", "d", pdb=budget()).drain(result="failed", result_s=200, healed_s=201)
    assert judged(story.evicted("a", 30.2).back("e", 30.4)).answer is Answer.FAIL


BUSY = {"status": 429, "reason": "429 too many requests, please try again later"}


@pytest.mark.parametrize(
    ("outcome", "detail", "answer"),
    [
        ("fail", BUSY, Answer.UNKNOWN),
        ("fail", {"status": 403, "reason": "403 admission webhook denied the request"}, Answer.UNKNOWN),
        ("info", {"reason": "the connection broke"}, Answer.UNKNOWN),
        ("fail", {"status": 404, "reason": "404 not found"}, Answer.FAIL),
        ("fail", BUSY | {"causes": ["DisruptionBudget"]}, Answer.FAIL),
    ],
)
@pytest.mark.parametrize("result", ["finished", "failed"])
def test_a_drain_that_the_api_server_held_up_is_not_the_systems_failure(
    result: str, outcome: Outcome, detail: dict[str, Any], answer: Answer
) -> None:
    """Late, but evictions met the API server's own trouble: nobody can know. Budgets and pods gone excuse nothing."""
    story = Guarded(300).stands("a", "b", "c", "d", pdb=budget()).drain(result=result, result_s=200, healed_s=201)
    story.traffic(end_s=250)
    story.acted("evict-pod", 30.1, uid="a", outcome=outcome, fault="node-drain-1", detail=detail)
    story.evicted("a", 30.2, fault="node-drain-1").back("e", 30.3).evicted("d", 140).back("f", 140.3)
    finding = judged(story)
    assert finding.answer is answer
    assert ("errors of the API server" in finding.reason) == (answer is Answer.UNKNOWN)


def test_a_late_drain_of_which_news_came_late_is_unknown() -> None:
    """A watch that was dead for a while says late what was in time."""
    story = Guarded(240).stands("a", "b", "c", "d", pdb=budget()).drain(result_s=150, healed_s=151)
    story.evicted("a", 30.2, fault="node-drain-1").back("e", 30.3).evicted("d", 140).back("f", 140.3)
    history = replace(story.history(), late=(Gap("Pod", at(35), at(150), "nothing came"),))
    finding = Drained()(history)
    assert finding.answer is Answer.UNKNOWN
    assert "news came late" in finding.reason


def test_two_budgets_on_a_pod_make_a_drain_impossible() -> None:
    """The API refuses to evict a pod that two budgets bind, so the drain can never finish."""
    words = "500 This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    story = guarded().drain(result="failed", result_s=31)
    story.acted("evict-pod", 30.2, outcome="fail", fault="node-drain-1", detail={"status": 500, "reason": words})
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "two disruption budgets" in finding.reason


def test_a_drain_without_a_result_is_unknown() -> None:
    """A run that died in the drain did not see its end."""
    assert judged(guarded().drain(result="")).answer is Answer.UNKNOWN


def test_a_drain_that_missed_is_unknown() -> None:
    """A drain that did not land proves nothing."""
    story = drain_story()
    story.has(faults=(replace(story.parts["faults"][0], missed="the node was gone", landed_ns=None),))
    assert judged(story).answer is Answer.UNKNOWN


def test_a_node_without_replicas_proves_nothing() -> None:
    """An empty node is quickly drained."""
    assert judged(guarded().drain(node="n9")).answer is Answer.UNKNOWN


def test_a_gap_over_the_end_is_unknown() -> None:
    """If pods were not seen as the drain ended, that the node was empty is not known."""
    assert judged(drain_story().gap(41, 43)).answer is Answer.UNKNOWN


def test_a_dry_run_proves_nothing() -> None:
    """A dry_run drain evicts nobody."""
    assert judged(drain_story().has(facts=facts(dry_run=True))).answer is Answer.UNKNOWN


def test_the_worst_drain_decides() -> None:
    """Of two drains one was blocked."""
    story = drain_story().drain(
        node="n2", at_s=60, result="blocked", result_s=80, healed_s=81, detail={"budget": "model"}
    )
    story.counted(50, budget(desired=4, generation=2))
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert [one.answer for one in finding.obligations] == [Answer.PASS, Answer.FAIL]
