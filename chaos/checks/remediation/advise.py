"""Ask every rule, and keep what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chaos.checks.remediation.budgets import budget_blocks_all, budget_missing, budget_too_loose
from chaos.checks.remediation.capacity import one_node, one_replica, release_takes_all
from chaos.checks.remediation.model import Advice, Case
from chaos.checks.remediation.probes import liveness_hasty, liveness_missing, readiness_missing
from chaos.checks.remediation.shutdown import shutdown_too_short
from chaos.checks.verdict import Verdict
from chaos.history import History

__all__ = ["advise"]

RULES: tuple[Callable[[Case], Iterator[Advice]], ...] = (
    one_replica,
    one_node,
    release_takes_all,
    budget_missing,
    budget_too_loose,
    budget_blocks_all,
    shutdown_too_short,
    liveness_missing,
    liveness_hasty,
    readiness_missing,
)


def advise(history: History, verdict: Verdict) -> tuple[Advice, ...]:
    """What to change, where a finding did not hold and the record names a known cause; a dry run gets none."""
    if history.facts.dry_run:
        return ()
    case = Case.of(history, verdict)
    return () if case is None else tuple(advice for rule in RULES for advice in rule(case))
