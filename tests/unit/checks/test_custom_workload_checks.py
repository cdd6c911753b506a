"""Checks on a workload of a kind that others added to the API: the same claims, judged from its own objects."""

from __future__ import annotations

from dataclasses import replace

import pytest
from budget_stories import Guarded, budget
from custom_stories import KIND, Custom, custom, custom_facts, model_set, owned
from histories import PROBED, T0, Story, at, node, pod, replica_set

from chaos.checks import BudgetHeld, Recovered
from chaos.checks.verdict import Answer
from chaos.history import History, WatchEvent
from chaos.history.facts.membership import Membership
from chaos.history.facts.replica_counts import desired_replicas, unknown_spans
from chaos.history.step_function import Steps
from chaos.objects.pod import PodView
from chaos.semantics import KUBERNETES, recovery_bound

SHARE = {"minAvailable": "75%", "selector": {"matchLabels": {"app": "model"}}}


def members(history: History) -> set[str]:
    """The pods that are replicas, by UID."""
    whose = Membership.of(history)
    pods = (PodView(event.object) for event in history.watch if event.kind == "Pod")
    return {one.uid for one in pods if whose.has(one.uid, one)}


def test_pods_of_the_workload_itself_are_its_replicas() -> None:
    """Its own pods count; those of another object of its kind, or of a kind of the same name elsewhere, do not."""
    stranger = owned(pod("x", ready=True), name="other", uid="m-2")
    foreign = pod("y", ready=True)
    foreign["metadata"]["ownerReferences"] = [
        {"apiVersion": "other.example/v1", "kind": "ModelSet", "name": "model", "uid": "m-1", "controller": True}
    ]
    told = custom().history()
    watch = (*told.watch, *(WatchEvent(at(1), "Pod", "ADDED", raw) for raw in (stranger, foreign)))
    assert members(replace(told, watch=watch)) == {"a", "b", "c", "d"}


@pytest.mark.parametrize(("seen", "above", "counts"), [(True, "model", 1), (True, "other", 0), (False, "model", 1)])
def test_the_chain_is_followed_through_what_stands_between(*, seen: bool, above: str, counts: int) -> None:
    """A pod's ReplicaSet leads up to the workload; where that was never seen the selector decides."""
    story = Story().has(facts=custom_facts(through=["ReplicaSet"])).saw(0, "LISTED", pod("a", ready=True))
    if seen:
        story.saw(0, "LISTED", owned(replica_set(1), name=above), "ReplicaSet")
    assert len(members(story.history())) == counts


def test_what_a_kind_that_is_not_on_the_way_controls_is_no_replica() -> None:
    """A pod with the right labels below a StatefulSet is none of a ReplicaSet's workload."""
    story = Story().has(facts=custom_facts(through=["ReplicaSet"]))
    story.saw(0, "LISTED", owned(pod("a", ready=True), "StatefulSet", "model", "s-1"))
    assert members(story.history()) == set()


def test_the_number_wanted_is_read_where_the_scale_reads_it() -> None:
    """Its course is that of `spec.count`."""
    story = custom().saw(10, "MODIFIED", model_set(5), KIND).saw(20, "MODIFIED", model_set(3), KIND)
    wanted = desired_replicas(story.history())
    assert [wanted.value_at(at(second)) for second in (5, 15, 25)] == [4, 5, 3]


def silent(story: Custom) -> History:
    """The story as it is loaded, with what the workload did not say."""
    told = story.history()
    return replace(told, gaps=(*told.gaps, *unknown_spans(told.facts, told.watch, told.ended_ns)))


def test_where_the_workload_does_not_say_is_a_gap() -> None:
    """From that state to the next that says, or to the end; one that is deleted wants none, which says enough."""
    story = custom().saw(10, "MODIFIED", model_set(None), KIND).saw(20, "MODIFIED", model_set(4), KIND)
    assert [(gap.kind, gap.since_ns, gap.until_ns) for gap in silent(story).gaps] == [(KIND, at(10), at(20))]
    assert [gap.until_ns for gap in silent(custom().saw(10, "MODIFIED", model_set(None), KIND)).gaps] == [at(120)]
    assert silent(custom().saw(10, "DELETED", model_set(None), KIND)).gaps == ()


def test_a_loss_while_it_does_not_say_is_unknown() -> None:
    """How many had to come back is not known, so a pod that stays away convicts nobody."""
    story = custom().fault("a").saw(25, "MODIFIED", model_set(None), KIND).killed("a", 30.2)
    assert Recovered()(silent(story)).answer is Answer.UNKNOWN


def test_an_eviction_within_the_budget_passes() -> None:
    """The budget is asked, lets one go, and three are left."""
    story = custom().evicted("a", 30.2, fault="evict-1").back("e", 30.4)
    story.fault("a", name="evict").has()
    finding = BudgetHeld(ready_min=3)(story.history())
    assert finding.answer is Answer.PASS, finding.reason
    assert finding.values["lowest_after_eviction"] == 3


def test_an_eviction_that_leaves_too_few_fails() -> None:
    """Two evictions of four with one let go: the second is charged to a budget without room."""
    story = custom().fault("a", name="evict").evicted("a", 30.2).charged("b", 30.3, healthy=3, allowed=-1)
    finding = BudgetHeld()(story.leaves("b", 30.302, node="n2").history())
    assert finding.answer is Answer.FAIL
    assert "model-b was evicted though" in finding.reason


def renewed(story: Guarded) -> Guarded:
    """The budget is given another wish at 60 s, which its controller has not counted for a second."""
    story.counted(60, budget(generation=2, observed=1, spec=SHARE))
    return story.counted(61, budget(generation=2, spec=SHARE))


def test_a_new_wish_is_counted_by_the_scale_that_was_seen() -> None:
    """Three of four by the ModelSet's own number, before the controller has said so."""
    story = renewed(custom().fault("a", name="evict").evicted("a", 30.2).back("e", 30.4))
    finding = BudgetHeld(ready_min=3)(story.history())
    assert finding.answer is Answer.PASS, finding.reason
    assert finding.values["budgets"][0]["desired_max"] == 3


def test_a_new_wish_without_a_scale_is_unknown() -> None:
    """Nobody saw the ModelSet, so how many the new wish needs is not taken from what the budget said of the old one."""
    story = Custom(seen=False).stands("a", "b", "c", "d")
    story.traffic()
    renewed(story.fault("a", name="evict").evicted("a", 30.2).back("e", 30.4))
    finding = BudgetHeld(ready_min=3)(story.history())
    assert finding.answer is Answer.UNKNOWN
    assert f"how many pods {KIND} model wants is not known" in finding.reason
    assert finding.settle


def test_a_pod_that_is_not_replaced_fails() -> None:
    """A controller of others is granted the grace of the old pod too; beyond that its promise is broken."""
    story = custom().fault("a").killed("a", 30.2)
    finding = Recovered()(story.history())
    assert finding.answer is Answer.FAIL
    assert finding.values["losses"][0]["bound_s"] == 29 + 10
    sources = [part.source for part in recovery_bound(PROBED, KUBERNETES, workload_kind=KIND).parts]
    assert any(f"nobody promises when a {KIND} replaces a pod" in source for source in sources)


def test_a_pod_that_is_replaced_in_time_passes() -> None:
    """A successor that is Ready within the bound."""
    story = custom().fault("a").killed("a", 30.2).replaced("e", 30.3, ready_s=34)
    assert Recovered()(story.history()).answer is Answer.PASS


def test_a_pod_that_is_kept_holds_nothing_up_once_its_place_is_taken() -> None:
    """A controller of others replaces at once, and the former pod's finalizers come into play long after that."""
    spec = {**PROBED, "containers": [{**PROBED["containers"][0], "imagePullPolicy": "IfNotPresent"}]}
    story = Custom(end_s=200, spec=spec).stands("a", "b", "c", "d")
    kept = pod("a", deleting=True, spec=spec)
    kept["metadata"]["finalizers"] = ["a.example/sync"]
    story.fault("a").saw(30.2, "MODIFIED", pod("a", ready=True, deleting=True, spec=spec)).saw(62, "MODIFIED", kept)
    story.saw(30.3, "ADDED", pod("e", node="", spec=spec)).saw(30.4, "MODIFIED", pod("e", spec=spec))
    story.saw(66, "MODIFIED", pod("e", running=True, spec=spec)).saw(76, "MODIFIED", pod("e", ready=True, spec=spec))
    finding = Recovered()(story.history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "model-e took 35.6 s to start" in finding.reason


def test_a_workload_that_was_not_seen_is_unknown() -> None:
    """Without its number of replicas nobody knows how many had to come back."""
    told = custom().fault("a").killed("a", 30.2).history()
    covered = {kind: span for kind, span in told.covered_ns.items() if kind != KIND}
    watch = tuple(event for event in told.watch if event.kind != KIND)
    assert Recovered()(replace(told, covered_ns=covered, watch=watch)).answer is Answer.UNKNOWN


def test_a_lost_node_that_keeps_its_pod_is_unknown() -> None:
    """Nobody promises that a controller of others replaces a pod before its lost node is removed."""
    taint = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}
    spec = {**PROBED, "tolerations": [{**taint, "tolerationSeconds": 5}]}
    story = Custom(end_s=600, spec=spec).stands("a", "b", "c")
    story.fault("a", name="node-down").saw(31, "MODIFIED", node("n1", ready=False), "Node")
    story.saw(31.1, "MODIFIED", pod("a", running=True, node="n1", spec=spec))
    finding = Recovered()(story.history())
    assert finding.answer is Answer.UNKNOWN
    assert f"nobody promises that a {KIND} replaces a pod" in finding.reason


def test_steps_of_nothing_are_empty() -> None:
    """A kind that was never watched tells no number."""
    told = Story().has(facts=custom_facts()).history()
    assert desired_replicas(told) == Steps((), told.ended_ns)
    assert told.began_ns == T0
