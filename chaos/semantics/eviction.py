"""What the eviction API answers for a pod, from the pod and the disruption budgets as the server holds them.

Follows `EvictionREST.Create`. The API reads a budget's status as its controller last wrote it and
counts nothing itself. Left out: conflicts with other writers, name and precondition mismatches, and what an admission
webhook says.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Self

from chaos.objects.base import Raw
from chaos.objects.kinds import PodDisruptionBudgetView
from chaos.objects.pod import PodView

__all__ = ["BudgetState", "Cause", "Decision", "decide_eviction"]

DISRUPTED_MAX = 2000
"""How many unconfirmed evictions a budget may hold (`MaxDisruptedPodSize`)."""

Cause = Literal[
    "finished",
    "pending",
    "terminating",
    "no-budget",
    "unready-always-allowed",
    "unready-budget-healthy",
    "within-budget",
    "not-counted-yet",
    "spent",
    "sync-failed",
    "negative",
    "too-many-unconfirmed",
    "several-budgets",
]
"""Why an eviction is answered as it is, from the first check to the last."""


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What the eviction API reads of a disruption budget. `expects` any pods: one that expects none permits none."""

    name: str
    healthy: int
    desired: int
    allowed: int
    always_allow_unready: bool = False
    counted: bool = True
    failed: str = ""
    unconfirmed: int = 0
    expects: bool = True

    @classmethod
    def of(cls, raw: Raw) -> Self:
        """Read a raw disruption budget's status."""
        view = PodDisruptionBudgetView(raw)
        condition = view.condition("DisruptionAllowed")
        failing = condition.get("status") == "False" and condition.get("reason") == "SyncFailed"
        return cls(
            name=view.name,
            healthy=view.healthy,
            desired=view.desired,
            allowed=view.allowed,
            always_allow_unready=view.spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow",
            counted=view.up_to_date,
            failed=str(condition.get("message", "")) if failing else "",
            unconfirmed=len(view.disrupted),
            expects=view.expected > 0,
        )

    def with_healthy(self, healthy: int) -> Self:
        """The same budget after a new count of its healthy pods; one that cannot be counted stays as it is."""
        if self.failed:
            return self
        return replace(self, healthy=healthy, allowed=max(0, healthy - self.desired) if self.expects else 0)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, why, and the disruption budgets that made it so.

    `spends`: whether it takes one from the budget; a dry run never does. `statuses` are the HTTP statuses that say so.
    """

    answer: Literal["admitted", "refused", "error"]
    cause: Cause
    budgets: tuple[str, ...] = ()
    spends: bool = False
    words: str = ""

    @property
    def admitted(self) -> bool:
        """Whether the pod is deleted."""
        return self.answer == "admitted"

    @property
    def statuses(self) -> frozenset[int]:
        """The HTTP statuses that may carry this answer.

        Two budgets on one pod: 500 since v1.36, before that a 201 around a Status that says Failure.
        """
        match self.cause:
            case "several-budgets":
                return frozenset({500, 201})
            case "negative" | "too-many-unconfirmed":
                return frozenset({403})
            case _:
                return frozenset({201}) if self.admitted else frozenset({429})


def decide_eviction(pod: PodView, budgets: Iterable[BudgetState], *, dry_run: bool = False) -> Decision:
    """Decide one eviction; `budgets` are the states of those that select the pod, and of no other."""
    unasked = _unasked(pod)
    if unasked is not None:
        return unasked
    binding = tuple(budgets)
    names = tuple(budget.name for budget in binding)
    if len(binding) > 1:
        words = f"disruption budgets {' and '.join(names)} both bind it, which the eviction API does not support"
        return Decision("error", "several-budgets", names, words=words)
    if not binding:
        return Decision("admitted", "no-budget", words="no disruption budget binds it")
    (budget,) = binding
    if not pod.ready_condition and budget.always_allow_unready:
        return Decision("admitted", "unready-always-allowed", names, words="not Ready, and AlwaysAllow lets it go")
    if not pod.ready_condition and budget.healthy >= budget.desired > 0:
        return Decision("admitted", "unready-budget-healthy", names, words=f"not Ready, and {budget.name} is met")
    return _charged(budget, dry_run=dry_run)


def _unasked(pod: PodView) -> Decision | None:
    """The answer for a pod whose loss no budget is asked about (`canIgnorePDB`), None for any other."""
    if pod.finished:
        return Decision("admitted", "finished", words="it has finished")
    if pod.phase == "Pending":
        return Decision("admitted", "pending", words="it is pending")
    if pod.deleting:
        return Decision("admitted", "terminating", words="it is being deleted already")
    return None


def _charged(budget: BudgetState, *, dry_run: bool) -> Decision:
    """Check and decrement: the budget's own answer."""
    name = (budget.name,)
    if not budget.counted:
        why = f": {budget.failed}" if budget.failed else ""
        words = f"{budget.name} was changed and not counted since{why}"
        return Decision("refused", "not-counted-yet", name, words=words)
    if budget.allowed < 0:
        return Decision("refused", "negative", name, words=f"{budget.name} permits less than none")
    if budget.unconfirmed > DISRUPTED_MAX:
        return Decision("refused", "too-many-unconfirmed", name, words=f"{budget.name} awaits too many deletions")
    if budget.allowed == 0 and budget.failed:
        return Decision("refused", "sync-failed", name, words=f"{budget.name} cannot be counted: {budget.failed}")
    if budget.allowed == 0:
        words = f"{budget.name} needs {budget.desired} healthy pods and has {budget.healthy}"
        return Decision("refused", "spent", name, words=words)
    return Decision("admitted", "within-budget", name, spends=not dry_run, words=f"{budget.name} permits it")
