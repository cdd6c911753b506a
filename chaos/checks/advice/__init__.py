"""What to change: for causes that findings name, a patch with its arithmetic. Pure: from a judged history to advice."""

from collections.abc import Callable, Iterator

from chaos.checks.advice.budgets import budget_blocks_all, budget_missing, budget_too_loose
from chaos.checks.advice.capacity import one_node, one_replica, release_takes_all
from chaos.checks.advice.model import Advice, Case
from chaos.checks.advice.pod_template import (
    liveness_hasty,
    liveness_missing,
    readiness_missing,
    shutdown_too_short,
)
from chaos.checks.budgets.budget_held import BudgetHeldDetail
from chaos.checks.budgets.drained import DrainedDetail
from chaos.checks.placement.spread import SpreadDetail
from chaos.checks.probes.no_needless_restart import NoNeedlessRestartDetail
from chaos.checks.probes.restarted_by_liveness import RestartedByLivenessDetail
from chaos.checks.probes.unready_leaves_endpoints import UnreadyLeavesEndpointsDetail
from chaos.checks.traffic.slo_met import SloMetDetail
from chaos.checks.verdict import Answer, Finding, Verdict
from chaos.history import History

__all__ = ["Advice", "advise"]

Rule = Callable[[Case, Finding], Iterator[Advice]]

RULES: tuple[tuple[Rule, tuple[type, ...]], ...] = (
    (one_replica, (SloMetDetail, BudgetHeldDetail)),
    (one_node, (SpreadDetail, SloMetDetail, BudgetHeldDetail)),
    (release_takes_all, (SloMetDetail,)),
    (budget_missing, (BudgetHeldDetail,)),
    (budget_too_loose, (BudgetHeldDetail,)),
    (budget_blocks_all, (DrainedDetail,)),
    (shutdown_too_short, (SloMetDetail,)),
    (liveness_missing, (RestartedByLivenessDetail,)),
    (liveness_hasty, (NoNeedlessRestartDetail,)),
    (readiness_missing, (SloMetDetail, UnreadyLeavesEndpointsDetail)),
)
"""Each rule with the findings that it is about, by the type of their detail."""


def advise(history: History, verdict: Verdict) -> tuple[Advice, ...]:
    """What to change, where a finding did not hold and the record names a known cause; a dry run gets none."""
    case = None if history.facts.dry_run else Case.of(history)
    if case is None:
        return ()
    asked = ((rule, _first(verdict, kinds)) for rule, kinds in RULES)
    return tuple(advice for rule, finding in asked if finding is not None for advice in rule(case, finding))


def _first(verdict: Verdict, kinds: tuple[type, ...]) -> Finding | None:
    """The first finding of these kinds that is a FAIL; of a drain, that is no PASS."""
    return next((one for one in verdict.findings if isinstance(one.detail, kinds) and _unheld(one)), None)


def _unheld(finding: Finding) -> bool:
    if isinstance(finding.detail, DrainedDetail):
        return finding.answer is not Answer.PASS
    of_a_window = isinstance(finding.detail, SloMetDetail) and finding.detail.begin_ns is not None
    return finding.answer is Answer.FAIL and not of_a_window
