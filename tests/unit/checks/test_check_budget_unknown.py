"""BudgetHeld: what was not seen, not asked or not answered neither convicts nor acquits."""

from __future__ import annotations

import pytest
from budget_stories import REFUSED, Guarded, budget, drain_story, guarded, unwatched_budget
from histories import at, facts, pod
from numbering import revised, revision

from chaos.checks import BudgetHeld
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap


def judged(story: Guarded, *, ready_min: int | None = None) -> Finding:
    """The finding on a story."""
    return BudgetHeld(ready_min=ready_min)(story.history())


def test_no_eviction_is_unknown() -> None:
    """A budget that was never asked did not hold anything."""
    finding = judged(guarded().drain())
    assert finding.answer is Answer.UNKNOWN
    assert "never asked" in finding.reason
    assert finding.settle


def test_no_budget_is_unknown() -> None:
    """Where there is no budget, that it held is neither true nor false; that the spec declares one is told."""
    story = unwatched_budget(guarded().drain()).acted("evict-pod", 30.1).leaves("a", 30.2)
    story.has(facts=facts(raw={"spec": {"disruption_budget": {"max_unavailable": 1}}}))
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "though the system's spec declares one" in finding.reason


def test_a_budget_that_binds_others_is_no_budget() -> None:
    """A budget whose selector misses the system's pods holds nothing."""
    stray = budget(spec={"maxUnavailable": 1, "selector": {"matchLabels": {"app": "other"}}})
    story = guarded(pdb=stray).drain().acted("evict-pod", 30.1).leaves("a", 30.2)
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "no disruption budget binds the system's pods" in finding.reason


def test_an_eviction_without_an_answer_is_unknown_until_the_watch_settles_it() -> None:
    """An eviction whose answer was lost: the watch shows the charge, or the pod staying, or nobody knows."""
    story = drain_story()
    open_ = drain_story().acted("evict-pod", 80, uid="b", outcome="info")
    assert judged(open_).answer is Answer.UNKNOWN
    settled = drain_story().acted("evict-pod", 50, uid="b", outcome="info")
    assert judged(settled).answer is Answer.PASS
    charged = story.evicted("b", 60, outcome="info").back("g", 60.3)
    finding = judged(charged)
    assert finding.answer is Answer.PASS
    assert finding.values["evictions_accepted"] == 3
    assert finding.values["evictions_of_others"] == 0


def test_an_accepted_eviction_that_the_watch_does_not_show_is_unknown() -> None:
    """A 201 after which nothing happens to the pod, or of a pod nobody saw, proves nothing."""
    assert judged(drain_story().acted("evict-pod", 60, uid="b")).answer is Answer.UNKNOWN
    assert judged(drain_story().acted("evict-pod", 60, uid="zz")).answer is Answer.UNKNOWN


@pytest.mark.parametrize("kind", ["Pod", "PodDisruptionBudget"])
def test_a_gap_is_unknown(kind: str) -> None:
    """A gap in the time that is judged may hide an eviction or a dip."""
    assert judged(drain_story().gap(50, 52, kind)).answer is Answer.UNKNOWN


def test_a_gap_around_a_violation_makes_it_unknown() -> None:
    """If pods were not seen at the eviction, that too few were left is not sure either."""
    story = guarded().drain().evicted("a", 30.2).counted(30.5, budget(healthy=4, desired=3)).evicted("d", 30.6)
    assert judged(story).answer is Answer.FAIL
    assert judged(story.gap(30.4, 30.5)).answer is Answer.UNKNOWN


def test_a_gap_long_before_does_not_excuse_a_violation() -> None:
    """A FAIL that was seen stands."""
    story = guarded().drain().evicted("a", 30.2).counted(50, budget(healthy=4, desired=3)).evicted("d", 50.6)
    assert judged(story.gap(35, 36)).answer is Answer.FAIL


def test_resource_versions_that_do_not_count_together_are_unknown() -> None:
    """If pods and budgets are numbered apart, their order is not known, and neither is what it would convict."""
    story = guarded().drain().evicted("a", 30.2).counted(50, revised(budget(), revision(29)))
    story.evicted("d", 50.6)
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "one counter" in finding.reason


def test_resource_versions_that_are_no_numbers_are_unknown() -> None:
    """Without numbers there is no order."""
    story = drain_story()
    story.events[-1] = story.events[-1].__class__(
        at(40), "Pod", "MODIFIED", {**pod("b"), "metadata": {**pod("b")["metadata"], "resourceVersion": "abc"}}
    )
    assert judged(story).answer is Answer.UNKNOWN


def test_two_budgets_that_refuse_everything_are_unknown() -> None:
    """Where two budgets bind each pod the API answers every eviction with an error, and no budget is asked."""
    words = "500 This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    story = guarded().counted(0, budget(name="other"), type_="LISTED").drain()
    story.acted("evict-pod", 30.1, outcome="fail", detail={"status": 500, "reason": words})
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "two disruption budgets bind model-a" in finding.reason


def test_a_dry_run_asks_nothing() -> None:
    """A dry run spends nothing, so it proves nothing."""
    dry = {"query": {"dryRun": "All"}}
    refused = guarded(pdb=budget(desired=4)).drain().acted("evict-pod", 30.1, outcome="fail", detail={**REFUSED, **dry})
    assert judged(refused).answer is Answer.UNKNOWN
    assert judged(drain_story().acted("evict-pod", 60, uid="b", detail=dry)).answer is Answer.PASS


def test_a_busy_server_is_no_refusal() -> None:
    """A 429 without the cause DisruptionBudget comes from a busy server, not from a budget."""
    story = guarded().drain().acted("evict-pod", 30.1, outcome="fail", detail={"status": 429, "reason": "busy"})
    assert judged(story).answer is Answer.UNKNOWN
    assert REFUSED["causes"] == ["DisruptionBudget"]


def test_news_that_came_late_does_not_convict_a_refusal() -> None:
    """If the watch of budgets was cut off just then, when a state was in force is not known."""
    story = guarded().drain().refused("a", 30.2).has(late=(Gap("PodDisruptionBudget", at(29), at(31), "reset"),))
    assert judged(story).answer is Answer.PASS


def test_a_refusal_before_the_news_of_the_charge_was_due() -> None:
    """The charge that made a refusal due may be heard of after it."""
    story = guarded().drain().evicted("a", 30.2)
    assert judged(story.refused("d", 30.15)).answer is Answer.PASS
