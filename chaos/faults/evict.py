"""Evict pods: ask the API server to take them down within their disruption budget, as a drain or an autoscaler does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from chaos.cluster import Done, mutations
from chaos.faults.base import Field
from chaos.faults.support.background_task import Ending
from chaos.faults.support.cluster_view import budgets_over, leaving
from chaos.faults.targets import Targets
from chaos.objects.base import Ref, View

__all__ = ["Evict"]

API_ALLOWANCE_S = 10.0
"""Kubernetes' own objective for a single-object mutation is 1 s at the 99th percentile; a small cluster gets more."""


@dataclass(frozen=True, slots=True)
class Evict:
    """Evict the target pods, all at once, each asked once and by its UID.

    A refusal by a disruption budget is one of the two right answers: it is journalled as the outcome of that eviction
    and in the fault's result, and the fault has landed. `grace_s`: None keeps the pods' own.
    """

    targets: Targets
    grace_s: int | None = None
    _answers: dict[Ref, Done] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The kind of fault."""
        return "evict"

    @property
    def words(self) -> str:
        """What it does to whom."""
        return f"evict {self.targets.words}"

    @property
    def victims(self) -> tuple[Ref, ...]:
        """The pods that are asked to leave."""
        return self.targets.refs

    @property
    def landing_deadline_s(self) -> float:
        """The API's own time."""
        return API_ALLOWANCE_S

    def inject(self, field: Field) -> str:
        """Ask for every eviction, concurrently. Return why any of them was neither granted nor refused by a budget."""
        orders = [mutations.evict_pod(ref, grace_s=self.grace_s, fault=field.fault) for ref in self.victims]
        with ThreadPoolExecutor(max_workers=max(1, len(orders))) as pool:
            self._answers.update(zip(self.victims, pool.map(field.executor.do, orders), strict=True))
        ending = self._ending(field)
        field.result(ending.result, ending.words, **ending.detail)
        return ending.words if ending.result == "failed" else ""

    def landed(self, field: Field) -> str:
        """Prove it: each pod whose eviction was granted is leaving or gone by UID, each other one was refused."""
        granted = self._with("ok")
        if not self._answers or not all(leaving(field.recorder, ref.uid) for ref in granted):
            return ""
        refused = [ref for ref, done in self._answers.items() if done.budget_refused]
        parts = [f"evicted by UID: {_named(granted)}" if granted else "", _refusal(field, refused)]
        return "; ".join(part for part in parts if part)

    def heal(self, field: Field) -> str:  # noqa: ARG002  # the role's shape
        """Nothing is left to undo: the owner replaces the pods."""
        return ""

    def _with(self, outcome: str) -> tuple[Ref, ...]:
        return tuple(ref for ref, done in self._answers.items() if done.outcome == outcome)

    def _ending(self, field: Field) -> Ending:
        refused = [ref for ref, done in self._answers.items() if done.budget_refused]
        other = {ref: done for ref, done in self._answers.items() if done.outcome != "ok" and ref not in refused}
        granted = self._with("ok")
        budgets = _budgets(field, refused)
        detail = {
            "budget": " and ".join(budgets),
            "gone": [ref.name for ref in granted],
            "left": [ref.name for ref in (*refused, *other)],
        }
        if other:
            return Ending("failed", "; ".join(f"{ref.name}: {done.reason}" for ref, done in other.items()), detail)
        counted = f"{len(granted)} of {len(self._answers)} evicted"
        if refused:
            return Ending("blocked", f"{counted}; {_refusal(field, refused)}", detail)
        return Ending("finished", counted, detail)


def _refusal(field: Field, refused: list[Ref]) -> str:
    if not refused:
        return ""
    named = " and ".join(_budgets(field, refused)) or "(of a name that was not seen)"
    return f"refused, as the disruption budget {named} demands: {_named(refused)}"


def _budgets(field: Field, refused: list[Ref]) -> tuple[str, ...]:
    uids = {ref.uid for ref in refused}
    pods = [pod for pod in map(View, field.recorder.objects("Pod")) if pod.uid in uids]
    budgets = field.recorder.objects("PodDisruptionBudget")
    return tuple(dict.fromkeys(name for pod in pods for name in budgets_over(budgets, pod)))


def _named(refs: list[Ref] | tuple[Ref, ...]) -> str:
    return ", ".join(f"{ref.name} ({ref.uid[:8]})" for ref in refs)
