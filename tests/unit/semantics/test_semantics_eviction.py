"""The eviction API's decision, case by case as its handler takes them."""

from __future__ import annotations

from typing import Any

import pytest
from cluster_objects import budget, pod, standing

from chaos.objects.pod import PodView
from chaos.semantics import BudgetState, Decision, decide_eviction

FREE, FULL, MET, NONE_NEEDED = standing(3, 2, 1), standing(1, 2, 0), standing(2, 2, 0), standing(0, 0, 0)


def decide(raw: dict[str, Any], *budgets: dict[str, Any], dry_run: bool = False) -> Decision:
    """The decision on a raw pod under raw budgets."""
    return decide_eviction(PodView(raw), map(BudgetState.of, budgets), dry_run=dry_run)


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ({"phase": "Succeeded"}, "finished"),
        ({"phase": "Failed"}, "finished"),
        ({"phase": "Pending", "ready": False}, "pending"),
        ({"deleting": True}, "terminating"),
    ],
)
def test_some_pods_no_budget_is_asked_about(state: dict[str, Any], cause: str) -> None:
    """Finished, pending and terminating pods go, also past two budgets, and none is charged."""
    spent = [budget("a", status=FULL), budget("b", status=FULL)]
    found = decide(pod("web-0", **state), *spent)
    assert (found.answer, found.cause, found.spends, found.statuses) == ("admitted", cause, False, frozenset({201}))


def test_a_pod_without_a_budget_goes() -> None:
    """Nothing binds it, nothing is charged."""
    found = decide(pod("web-0"))
    assert (found.answer, found.cause, found.spends) == ("admitted", "no-budget", False)


@pytest.mark.parametrize("ready", [True, False])
def test_two_budgets_on_one_pod_are_an_error(*, ready: bool) -> None:
    """Whatever they permit; a server says so with a 500, or with a 201 around a failure."""
    found = decide(pod("web-0", ready=ready), budget("a", status=FREE), budget("b", status=FREE))
    assert (found.answer, found.cause, found.budgets) == ("error", "several-budgets", ("a", "b"))
    assert found.statuses == {500, 201}
    assert not found.admitted


@pytest.mark.parametrize(
    ("policy", "ready", "status", "answer", "cause", "spends"),
    [
        (None, True, FREE, "admitted", "within-budget", True),
        (None, True, FULL, "refused", "spent", False),
        (None, True, MET, "refused", "spent", False),
        ("IfHealthyBudget", True, FREE, "admitted", "within-budget", True),
        ("IfHealthyBudget", True, MET, "refused", "spent", False),
        # a Ready pod is never excused by the policy
        ("AlwaysAllow", True, FREE, "admitted", "within-budget", True),
        ("AlwaysAllow", True, MET, "refused", "spent", False),
        (None, False, FREE, "admitted", "unready-budget-healthy", False),
        (None, False, MET, "admitted", "unready-budget-healthy", False),
        (None, False, FULL, "refused", "spent", False),
        ("IfHealthyBudget", False, MET, "admitted", "unready-budget-healthy", False),
        ("IfHealthyBudget", False, FULL, "refused", "spent", False),
        ("AlwaysAllow", False, FULL, "admitted", "unready-always-allowed", False),
        ("AlwaysAllow", False, MET, "admitted", "unready-always-allowed", False),
        # none needed healthy: not Ready is then no excuse, and with none healthy there is nothing to spend
        (None, False, NONE_NEEDED, "refused", "spent", False),
        (None, False, standing(2, 0, 2), "admitted", "within-budget", True),
        ("AlwaysAllow", False, NONE_NEEDED, "admitted", "unready-always-allowed", False),
    ],
)
def test_the_policy_for_unready_pods(
    *,
    policy: str | None,
    ready: bool,
    status: dict[str, Any],
    answer: str,
    cause: str,
    spends: bool,
) -> None:
    """UnhealthyPodEvictionPolicy x readiness x what the budget permits (KEP-3017)."""
    spec: dict[str, Any] = {} if policy is None else {"unhealthyPodEvictionPolicy": policy}
    found = decide(pod("web-0", ready=ready), budget(status=status, **spec))
    assert (found.answer, found.cause, found.spends) == (answer, cause, spends)
    assert found.budgets == ("pdb",)


@pytest.mark.parametrize(
    ("status", "cause", "http"),
    [
        (standing(3, 2, 1, observedGeneration=1), "not-counted-yet", 429),
        (standing(3, 2, -1, observedGeneration=2), "negative", 403),
        (
            standing(3, 2, 1, observedGeneration=2, disruptedPods={f"p{n}": "" for n in range(2001)}),
            "too-many-unconfirmed",
            403,
        ),
        (
            standing(
                3,
                2,
                0,
                observedGeneration=2,
                conditions=[
                    {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "no scale"}
                ],
            ),
            "sync-failed",
            429,
        ),
    ],
)
def test_refusals_that_are_no_count(status: dict[str, Any], cause: str, http: int) -> None:
    """A budget changed since its last count, out of bounds, or not countable refuses, each with its own cause."""
    found = decide(pod("web-0"), budget(status=status, generation=2))
    assert (found.answer, found.cause, found.statuses) == ("refused", cause, frozenset({http}))


def test_two_thousand_unconfirmed_evictions_are_not_too_many() -> None:
    """The bound is more than 2000."""
    status = standing(3, 2, 1, disruptedPods={f"p{n}": "" for n in range(2000)})
    assert decide(pod("web-0"), budget(status=status)).admitted


def test_an_unready_pod_passes_a_budget_that_was_not_counted_yet() -> None:
    """The bypass for pods that are not Ready asks no generation."""
    lagging = budget(status=standing(2, 2, 0, observedGeneration=1), generation=2)
    assert decide(pod("web-0", ready=False), lagging).cause == "unready-budget-healthy"


def test_a_dry_run_is_decided_alike_and_spends_nothing() -> None:
    """Dry runs check the budget in memory only."""
    free, full = budget(status=FREE), budget(status=FULL)
    assert decide(pod("web-0"), free, dry_run=True).admitted
    assert not decide(pod("web-0"), free, dry_run=True).spends
    assert decide(pod("web-0"), full, dry_run=True).cause == "spent"


def test_a_new_count_moves_what_is_permitted() -> None:
    """More healthy pods permit more evictions; a budget that cannot be counted stays shut."""
    state = BudgetState.of(budget(status=FULL))
    assert [state.with_healthy(healthy).allowed for healthy in (1, 2, 4)] == [0, 0, 2]
    shut = BudgetState("b", healthy=3, desired=2, allowed=0, failed="no scale")
    assert shut.with_healthy(9).allowed == 0
