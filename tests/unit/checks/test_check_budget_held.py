"""BudgetHeld: no eviction takes more than the disruption budget lets go, or than the scenario claims."""

from __future__ import annotations

import pytest
from budget_stories import Guarded, budget, drain_story, guarded, unwatched_budget
from histories import at, pod
from numbering import revised, revision

from chaos.checks import BudgetHeld
from chaos.checks.verdict import Answer, Finding


def judged(story: Guarded, *, ready_min: int | None = None) -> Finding:
    """The finding on a story."""
    return BudgetHeld(ready_min=ready_min)(story.history())


def test_a_drain_within_the_budget_passes() -> None:
    """Two evictions with a refusal between them, each leaving three of four: the budget held."""
    finding = judged(drain_story())
    assert finding.answer is Answer.PASS
    assert finding.values["evictions_accepted"] == 2
    assert finding.values["evictions_refused"] == 1
    assert finding.values["lowest_after_eviction"] == 3
    assert finding.values["dips_count"] == 0


def test_refusals_alone_prove_that_it_held() -> None:
    """A budget that refuses every eviction, as it must, was asked and held."""
    full = budget(desired=4)
    assert judged(guarded(pdb=full).drain(result="blocked").refused("a", 30.2)).answer is Answer.PASS


def test_a_claim_that_is_kept_passes() -> None:
    """Three are claimed to stay ready, the budget needs three, and three stayed."""
    assert judged(drain_story(), ready_min=3).answer is Answer.PASS


def test_the_order_of_receipt_does_not_matter() -> None:
    """News of the deletion may arrive before news of the charge: the resourceVersion tells the order."""
    story = guarded().drain()
    story.acted("evict-pod", 30.1, uid="a")
    charge = budget(healthy=4, desired=3, allowed=0, disrupted=("a",))
    story.counted(30.3, revised(charge, revision(30.15)))
    story.leaves("a", 30.2)
    story.counted(30.35, budget(healthy=3, desired=3))
    assert judged(story).answer is Answer.PASS


def test_an_eviction_below_the_budget_fails() -> None:
    """A second eviction, granted although only three were healthy: the status lied, and the pods tell."""
    story = drain_story()
    story.events = [event for event in story.events if event.at_ns < at(32)]
    story.counted(31, budget(healthy=4, desired=3)).evicted("d", 31.5)
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "left 2 healthy, disruption budget model needs 3" in finding.reason
    assert any("2 healthy of 3 needed" in one.text for one in finding.evidence)


@pytest.mark.parametrize("overwritten_s", [30.201, 30.23])
def test_a_budget_granted_twice_fails_at_once(overwritten_s: float) -> None:
    """A controller that writes an old count over a charge lets a second pod go a moment later (k/k issue 82149)."""
    story = guarded().drain().acted("evict-pod", 30.1).charged("a", 30.2).leaves("a", 30.202)
    story.counted(overwritten_s, budget(healthy=4, desired=3))
    story.acted("evict-pod", 30.1, uid="d").charged("d", 30.25).leaves("d", 30.252)
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert finding.values["evictions_stale"] == 0
    assert "left 2 healthy" in finding.reason


def test_an_eviction_on_an_old_wish_fails() -> None:
    """While the status does not speak of the newest wish, every eviction has to be refused."""
    story = guarded(pdb=budget(generation=2, observed=1)).drain()
    story.acted("evict-pod", 30.1)
    story.counted(30.2, budget(generation=2, observed=1, allowed=0, disrupted=("a",))).leaves("a", 30.21)
    assert judged(story).answer is Answer.FAIL


def test_an_eviction_with_no_room_fails() -> None:
    """A charge to a budget that permitted nothing is a FAIL, whatever it left."""
    story = guarded(pdb=budget(allowed=0)).drain().acted("evict-pod", 30.1)
    story.counted(30.2, budget(allowed=-1, disrupted=("a",)))
    assert judged(story.leaves("a", 30.21)).answer is Answer.FAIL


def test_a_charge_that_takes_nothing_off_fails() -> None:
    """An accepted eviction has to leave one less permitted."""
    story = guarded().drain().acted("evict-pod", 30.1).charged("a", 30.2, allowed=1)
    assert judged(story.leaves("a", 30.21)).answer is Answer.FAIL


def test_more_permitted_than_counted_fails() -> None:
    """A budget may permit no more evictions than it counts healthy pods above its need."""
    story = guarded(pdb=budget(allowed=2)).drain().acted("evict-pod", 30.1)
    story.charged("a", 30.2, allowed=1).leaves("a", 30.21)
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "by its own count" in finding.reason


@pytest.mark.parametrize("ours", [True, False])
def test_an_eviction_that_was_not_charged_fails(*, ours: bool) -> None:
    """A pod that a budget binds and that goes marked as evicted, without any charge, went past the budget."""
    story = guarded().drain(at_s=95, result_s=96, healed_s=97)
    if ours:
        story.acted("evict-pod", 94.9)
    story.leaves("a", 95)
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "no charge" in finding.reason


def test_a_pod_evicted_in_spite_of_a_refusal_fails() -> None:
    """A refused pod may not be deleted by that eviction."""
    story = guarded(pdb=budget(desired=4)).drain(at_s=90).refused("a", 91).leaves("a", 91.1)
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "had been refused" in finding.reason


def test_a_refusal_with_room_fails() -> None:
    """A budget that permits one may not refuse it."""
    finding = judged(guarded().drain().refused("a", 30.2))
    assert finding.answer is Answer.FAIL
    assert "refused though" in finding.reason


def test_an_eviction_between_two_budgets_fails() -> None:
    """The API refuses an eviction where two budgets bind the pod; an accepted one is wrong."""
    story = guarded().counted(0, budget(name="other"), type_="LISTED")
    finding = judged(story.drain().evicted("a", 30.2))
    assert finding.answer is Answer.FAIL
    assert "two disruption budgets" in finding.reason


def test_evictions_by_others_count() -> None:
    """An eviction that somebody else asked for is judged like ours."""
    story = guarded().drain().evicted("a", 30.2, outcome=None)
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert finding.values["evictions_of_others"] == 1
    story.counted(30.5, budget(healthy=4, desired=3)).evicted("d", 30.6, outcome=None)
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "somebody else's" in finding.reason


def test_an_unready_pod_evicted_against_the_policy_fails() -> None:
    """A pod that is not Ready goes uncharged only if its budget is met, or lets it always go."""
    story = guarded(pdb=budget(healthy=3, desired=4)).drain(at_s=90)
    story.saw(20, "MODIFIED", pod("a", running=True, node="n1"))
    story.refused("b", 90.1).acted("evict-pod", 91, uid="a")
    marked = pod("a", running=True, node="n1", disruption="EvictionByEvictionAPI")
    story.saw(91.1, "MODIFIED", marked)
    assert judged(story).answer is Answer.FAIL
    policy = budget(healthy=3, desired=4)
    policy["spec"] = {**policy["spec"], "unhealthyPodEvictionPolicy": "AlwaysAllow"}
    assert judged(story.counted(10, policy)).answer is Answer.PASS


def test_a_missing_budget_is_caught_by_the_claim() -> None:
    """Without a budget two pods go at once; the claim that three stay ready is broken."""
    story = unwatched_budget(guarded().drain()).acted("evict-pod", 30.1, uid="a").acted("evict-pod", 30.1, uid="d")
    story.leaves("a", 30.2).leaves("d", 30.3)
    finding = judged(story, ready_min=3)
    assert finding.answer is Answer.FAIL
    assert "left 2 ready, the claim is 3" in finding.reason


def test_a_budget_looser_than_the_claim_is_caught() -> None:
    """A budget that needs two lets two go, rightly; the claim that three stay ready is broken all the same."""
    story = guarded(pdb=budget(desired=2)).drain().evicted("a", 30.2, desired=2)
    story.evicted("d", 30.4, healthy=3, desired=2)
    assert judged(story).answer is Answer.PASS
    finding = judged(story, ready_min=3)
    assert finding.answer is Answer.FAIL


def test_a_looser_budget_that_was_not_used_up_is_unknown() -> None:
    """Where the budget needs less than is claimed, an eviction that happens to leave enough proves nothing."""
    story = guarded(pdb=budget(desired=2)).drain().evicted("a", 30.2, desired=2)
    finding = judged(story, ready_min=3)
    assert finding.answer is Answer.UNKNOWN
    assert "needs only 2" in finding.reason


def test_deletions_do_not_break_the_claim() -> None:
    """The claim is against evictions: a kill that leaves fewer is told, and left to the SLO."""
    story = drain_story().killed("b", 60).killed("c", 60.5)
    story.acted("delete-pod", 59.9, uid="b").acted("delete-pod", 60.4, uid="c")
    finding = judged(story, ready_min=3)
    assert finding.answer is Answer.PASS
    assert "left to the SLO" in finding.reason


def test_a_claim_of_nothing_is_refused() -> None:
    """A claim that cannot be broken is no claim."""
    with pytest.raises(ValueError, match="ready_min"):
        BudgetHeld(ready_min=0)
