"""Change the system's disruption budget while the block lasts: another promise, or one that cannot be kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from chaos.errors import UsageError
from chaos.faults.base import Field
from chaos.faults.support.object_patch import Change
from chaos.objects.base import Ref, View

__all__ = ["BudgetChange"]

SYNC_ALLOWANCE_S = 15.0
"""The API's own time, and the controller's to count anew; it says in `observedGeneration` that it did."""


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """Give the disruption budget another bound: one of `min_available` and `max_unavailable`, in pods or as `50%`.

    It has landed when its controller has counted by the new bound, so that the next eviction meets it. Healing puts
    the former bound back, and compares.
    """

    budget: Ref
    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    _change: Change = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if (self.min_available is None) == (self.max_unavailable is None):
            raise UsageError("BudgetChange: give one of min_available and max_unavailable, and only one")
        by_hand = f"kubectl edit poddisruptionbudget {self.budget.name} -n {self.budget.namespace}"
        object.__setattr__(self, "_change", Change(self.budget, "/spec", by_hand))

    @property
    def name(self) -> str:
        """The kind of fault."""
        return "budget-change"

    @property
    def words(self) -> str:
        """What it does to whom."""
        ((key, value),) = self._bound.items()
        return f"change the disruption budget {self.budget.name} to {key} {value}"

    @property
    def victims(self) -> tuple[Ref, ...]:
        """The disruption budget."""
        return (self.budget,)

    @property
    def landing_deadline_s(self) -> float:
        """The API's own time and the controller's."""
        return SYNC_ALLOWANCE_S

    def inject(self, field: Field) -> str:
        """Change it. Return why that could not be done."""
        if not self.budget.name:
            return "the system has no disruption budget to change"
        if reason := self._change.read(field):
            return reason
        kept = {
            key: value for key, value in self._change.before.items() if key not in ("minAvailable", "maxUnavailable")
        }
        return self._change.make(field, {**kept, **self._bound}, action="change-budget")

    def landed(self, field: Field) -> str:
        """Prove it: the controller has counted by this bound."""
        for budget in map(View, field.recorder.objects("PodDisruptionBudget")):
            if budget.uid == self.budget.uid and budget.observed_generation >= self._change.generation > 0:
                status = budget.status
                return (
                    f"counted by the new bound: {status.get('currentHealthy')} healthy, "
                    f"{status.get('desiredHealthy')} needed, {status.get('disruptionsAllowed')} may go"
                )
        return ""

    def heal(self, field: Field) -> str:
        """Put the former bound back. Return what could not be undone."""
        return self._change.undo(field, action="restore-budget")

    @property
    def _bound(self) -> dict[str, int | str]:
        if self.min_available is not None:
            return {"minAvailable": self.min_available}
        assert self.max_unavailable is not None
        return {"maxUnavailable": self.max_unavailable}
