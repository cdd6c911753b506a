"""Disruption budgets that are missing, looser than the claim, or that never let anything go."""

from collections.abc import Iterator
from typing import Any

from chaos.checks.advice.model import Advice, Case, patch_of
from chaos.checks.budgets.budget_held import BudgetHeldDetail
from chaos.checks.verdict import Finding
from chaos.objects.kinds import PodDisruptionBudgetView

__all__ = ["budget_blocks_all", "budget_missing", "budget_too_loose"]


def budget_missing(case: Case, finding: Finding) -> Iterator[Advice]:
    """Evictions took more than the claim lets go, and no disruption budget bound the replicas."""
    replicas = case.workload.replicas
    if case.budgets or not case.budgets_seen or replicas < 2:
        return
    may_go, sums = _may_go(_claimed(finding), replicas)
    facts = case.history.facts
    whole: dict[str, Any] = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": facts.workload_name, "namespace": facts.namespace},
        "spec": {"maxUnavailable": may_go, "selector": dict(case.workload.selector)},
    }
    why = "No disruption budget binds the replicas, so nothing refuses an eviction, however few are left."
    yield Advice(finding.check, "Add a disruption budget", why, sums, patch_of(whole), "kubectl apply -f patch.yaml")


def budget_too_loose(case: Case, finding: Finding) -> Iterator[Advice]:
    """The disruption budget was kept, and lets more go than the claim says."""
    claimed = _claimed(finding)
    if claimed is None:
        return
    replicas = case.workload.replicas
    for budget in case.budgets:
        if not budget.up_to_date or budget.desired >= claimed or replicas <= claimed:
            continue
        may_go, sums = _may_go(claimed, replicas)
        was = f"now: {budget.bound} of {replicas} replicas keeps {budget.desired}"
        why = f"The disruption budget {budget.name} ({budget.bound}) keeps {budget.desired}, the claim is {claimed}."
        patch = patch_of({"spec": _bound(budget, may_go)})
        yield Advice(finding.check, "Tighten the disruption budget", why, (was, *sums), patch, _how(budget))


def budget_blocks_all(case: Case, finding: Finding) -> Iterator[Advice]:
    """A drain ended blocked by a disruption budget that wants every replica, so that it never lets any go."""
    blocked = [
        fault for fault in case.history.faults if fault.result == "blocked" and fault.result_detail.get("budget")
    ]
    replicas = case.workload.replicas
    if not blocked or replicas < 2:
        return
    names = {str(fault.result_detail["budget"]) for fault in blocked}
    for budget in case.budgets:
        if budget.name not in names or not budget.up_to_date or budget.desired < replicas:
            continue
        left = replicas - budget.desired
        sums = (
            f"now: {budget.bound} of {replicas} replicas: {replicas} - {budget.desired} = {left} may go, ever",
            f"with maxUnavailable 1: {replicas} - 1 = {replicas - 1} stay, and one at a time may go",
        )
        why = f"The disruption budget {budget.name} wants every replica, so no drain can ever finish."
        patch = patch_of({"spec": _bound(budget, 1)})
        yield Advice(finding.check, "Let the disruption budget permit one", why, sums, patch, _how(budget))


def _claimed(finding: Finding) -> int | None:
    return finding.detail.ready_min if isinstance(finding.detail, BudgetHeldDetail) else None


def _may_go(claimed: int | None, replicas: int) -> tuple[int, tuple[str, ...]]:
    if claimed is None:
        return 1, (f"no number is claimed; one of {replicas} at a time is the least that still lets a drain finish",)
    left = replicas - claimed
    if left >= 1:
        return left, (f"claim: at least {claimed} ready; {replicas} replicas - {claimed} = {left} may go at a time",)
    return 1, (f"claim: at least {claimed} ready of {replicas} replicas lets none go; 1, so that a drain can finish",)


def _bound(budget: PodDisruptionBudgetView, may_go: int) -> dict[str, Any]:
    """The one bound; the other is taken away, since only one may be given."""
    return {"maxUnavailable": may_go, **({"minAvailable": None} if "minAvailable" in budget.spec else {})}


def _how(budget: PodDisruptionBudgetView) -> str:
    return f"kubectl -n {budget.namespace} patch poddisruptionbudget {budget.name} --type merge --patch-file patch.yaml"
