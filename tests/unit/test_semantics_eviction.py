"""The eviction API's decision, row by row as Kubernetes' handler asks (registry/core/pod/storage/eviction.go)."""

from __future__ import annotations

from typing import Any

import pytest
from histories import pod

from chaos.history.pods import PodView
from chaos.semantics import BudgetState, decide_eviction

FULL = BudgetState("budget", healthy=3, desired=2, allowed=1)
SPENT = BudgetState("budget", healthy=2, desired=2, allowed=0)
SHORT = BudgetState("budget", healthy=1, desired=2, allowed=0)


def always(budget: BudgetState) -> BudgetState:
    """The same budget with unhealthyPodEvictionPolicy AlwaysAllow."""
    return BudgetState(budget.name, budget.healthy, budget.desired, budget.allowed, always_allow_unready=True)


def finished() -> dict[str, Any]:
    """A pod that has succeeded."""
    raw = pod("a", running=True)
    raw["status"]["phase"] = "Succeeded"
    return raw


@pytest.mark.parametrize(
    ("raw", "budgets", "answer", "spends"),
    [
        pytest.param(pod("a", ready=True), [FULL], "admitted", True, id="ready, budget permits one"),
        pytest.param(pod("a", ready=True), [SPENT], "refused", False, id="ready, budget spent"),
        pytest.param(
            pod("a", ready=True), [always(SPENT)], "refused", False, id="ready, AlwaysAllow is for the unready"
        ),
        pytest.param(pod("a", running=True), [SPENT], "admitted", False, id="unready, budget met"),
        pytest.param(pod("a", running=True), [SHORT], "refused", False, id="unready, budget short"),
        pytest.param(pod("a", running=True), [always(SHORT)], "admitted", False, id="unready, AlwaysAllow"),
        pytest.param(pod("a"), [SHORT], "admitted", False, id="pending pods are not guarded"),
        pytest.param(finished(), [SHORT], "admitted", False, id="finished pods are not guarded"),
        pytest.param(pod("a", ready=True, deleting=True), [SHORT], "admitted", False, id="already going"),
        pytest.param(pod("a", ready=True), [], "admitted", False, id="no budget"),
        pytest.param(pod("a", ready=True), [FULL, FULL], "error", False, id="two budgets"),
    ],
)
def test_the_decision_follows_the_handler(
    raw: dict[str, Any], budgets: list[BudgetState], answer: str, *, spends: bool
) -> None:
    """Phase and deletion come first, then the number of budgets, then readiness and policy, then the budget itself."""
    decision = decide_eviction(PodView(raw), budgets)
    assert (decision.answer, decision.spends) == (answer, spends)


def test_an_unready_pod_is_not_let_go_by_a_budget_that_desires_none() -> None:
    """IfHealthyBudget asks for a desired number above zero; without, the budget's allowance decides."""
    none = BudgetState("budget", healthy=0, desired=0, allowed=0)
    assert decide_eviction(PodView(pod("a", running=True)), [none]).answer == "refused"


def test_a_budget_that_was_not_counted_since_it_changed_refuses() -> None:
    """A generation that the controller has not seen answers 429, whatever is allowed."""
    stale = BudgetState("budget", healthy=3, desired=2, allowed=1, counted=False)
    decision = decide_eviction(PodView(pod("a", ready=True)), [stale])
    assert decision.answer == "refused"
    assert decision.statuses == {429}


def test_a_dry_run_spends_nothing() -> None:
    """It is answered as the real one would be, and the budget stays whole."""
    decision = decide_eviction(PodView(pod("a", ready=True)), [FULL], dry_run=True)
    assert (decision.answer, decision.spends) == ("admitted", False)


def test_a_refusal_names_its_budget() -> None:
    """Who is refused must learn by which disruption budget."""
    decision = decide_eviction(PodView(pod("a", ready=True)), [SPENT])
    assert decision.budgets == ("budget",)
    assert decision.statuses == {429}
