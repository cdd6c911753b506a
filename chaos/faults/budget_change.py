"""Change the system's disruption budget while the block lasts: another bound, or one that cannot be kept."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from chaos.errors import UsageError
from chaos.faults.base import Fault, Injection
from chaos.faults.context import FaultContext
from chaos.faults.permissions import Right, rights
from chaos.faults.support.object_patch import Change
from chaos.objects.base import Raw, Ref, View
from chaos.semantics.budgets import share_of

__all__ = ["BudgetChange"]

SYNC_ALLOWANCE_S = 15.0
"""The API's own time, and the controller's to count anew; `observedGeneration` shows that it did."""


@dataclass(frozen=True, slots=True)
class BudgetChange(Fault):
    """Give the disruption budget another bound: one of `min_available` and `max_unavailable`, in pods or as `50%`.

    It has landed when its controller has counted by the new bound, so that the next eviction meets it. Healing puts
    the former bound back, and compares.
    """

    name: ClassVar[str] = "budget-change"
    permissions: ClassVar[tuple[Right, ...]] = rights("get patch", "PodDisruptionBudget")

    budget: Ref
    min_available: int | str | None = None
    max_unavailable: int | str | None = None

    def __post_init__(self) -> None:
        if (self.min_available is None) == (self.max_unavailable is None):
            raise UsageError("BudgetChange: give one of min_available and max_unavailable, and only one")

    @property
    @override
    def words(self) -> str:
        ((key, value),) = self._bound.items()
        return f"change the disruption budget {self.budget.name} to {key} {value}"

    @property
    @override
    def victims(self) -> tuple[Ref, ...]:
        return (self.budget,)

    @property
    @override
    def landing_deadline_s(self) -> float:
        return SYNC_ALLOWANCE_S

    @override
    def pods_at_risk(self, workload: Raw, desired: int, down: int) -> int:
        """Those that anybody may evict by the new bound, of which those that are down already are a part.

        A percentage is rounded up to whole pods (`GetScaledValueFromIntOrPercent`, pkg/controller/disruption).
        """
        ((key, bound),) = self._bound.items()
        pods = share_of(bound, desired)
        return max(0, min(desired, desired - pods if key == "minAvailable" else pods) - down)

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Change it; landed when the controller has counted by this bound."""
        budget = self.budget
        change = Change(
            context, budget, "/spec", f"kubectl edit poddisruptionbudget {budget.name} -n {budget.namespace}"
        )

        def proof() -> str:
            for seen in map(View, context.recorder.objects("PodDisruptionBudget")):
                if seen.uid == budget.uid and seen.observed_generation >= change.generation > 0:
                    status = seen.status
                    return (
                        f"counted by the new bound: {status.get('currentHealthy')} healthy, "
                        f"{status.get('desiredHealthy')} needed, {status.get('disruptionsAllowed')} may go"
                    )
            return ""

        return Injection(self, context, proof, missed=self._make(change))

    def _make(self, change: Change) -> str:
        if not self.budget.name:
            return "the system has no disruption budget to change"
        if reason := change.read():
            return reason
        kept = {key: value for key, value in change.before.items() if key not in ("minAvailable", "maxUnavailable")}
        return change.make({**kept, **self._bound}, action="change-budget", undo_action="restore-budget")

    @property
    def _bound(self) -> dict[str, int | str]:
        if self.min_available is not None:
            return {"minAvailable": self.min_available}
        assert self.max_unavailable is not None
        return {"maxUnavailable": self.max_unavailable}
