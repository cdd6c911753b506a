"""Evict pods: ask the API server to take them down within their disruption budget, as a drain or an autoscaler does."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from chaos.cluster import Done, mutations
from chaos.faults.base import NOTHING_LEFT, Injection, TargetedFault
from chaos.faults.context import FaultContext
from chaos.faults.permissions import EVICT, Right
from chaos.faults.support.background_task import Ending
from chaos.faults.support.cluster_view import budgets_over, leaving
from chaos.objects.base import Ref, View

__all__ = ["Evict"]


@dataclass(frozen=True, slots=True)
class Evict(TargetedFault):
    """Evict the target pods, all at once, each asked once and by its UID.

    A refusal by a disruption budget is one of the two right answers: it is journalled as the outcome of that eviction
    and in the fault's result, and the fault has landed. `grace_s`: None keeps the pods' own. Nothing is left to undo:
    the owner replaces the pods.
    """

    name: ClassVar[str] = "evict"
    permissions: ClassVar[tuple[Right, ...]] = EVICT
    if_run_dies: ClassVar[str] = NOTHING_LEFT
    evicts: ClassVar[bool] = True

    grace_s: int | None = None

    @property
    @override
    def words(self) -> str:
        return f"evict {self.targets.words}"

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Ask for every eviction, concurrently; missed if any was neither granted nor refused by a budget."""
        orders = [mutations.evict_pod(ref, grace_s=self.grace_s, fault=context.fault) for ref in self.victims]
        with ThreadPoolExecutor(max_workers=max(1, len(orders))) as pool:
            answers = dict(zip(self.victims, pool.map(context.executor.do, orders), strict=True))
        ending = _ending(context, answers)
        context.result(ending.result, ending.words, ending.detail)
        missed = ending.words if ending.result == "failed" else ""
        return Injection(self, context, lambda: _proof(context, answers), missed=missed)


def _proof(context: FaultContext, answers: dict[Ref, Done]) -> str:
    """Each pod whose eviction was granted is leaving or gone by UID, each other one was refused."""
    granted = _with_outcome(answers, "ok")
    if not answers or not all(leaving(context.recorder, ref.uid) for ref in granted):
        return ""
    refused = [ref for ref, done in answers.items() if done.budget_refused]
    parts = [f"evicted by UID: {_named(granted)}" if granted else "", _refusal(context, refused)]
    return "; ".join(part for part in parts if part)


def _with_outcome(answers: dict[Ref, Done], outcome: str) -> tuple[Ref, ...]:
    return tuple(ref for ref, done in answers.items() if done.outcome == outcome)


def _ending(context: FaultContext, answers: dict[Ref, Done]) -> Ending:
    refused = [ref for ref, done in answers.items() if done.budget_refused]
    other = {ref: done for ref, done in answers.items() if done.outcome != "ok" and ref not in refused}
    granted = _with_outcome(answers, "ok")
    detail = {
        "budget": " and ".join(_budgets(context, refused)),
        "gone": [ref.name for ref in granted],
        "left": [ref.name for ref in (*refused, *other)],
    }
    if other:
        return Ending("failed", "; ".join(f"{ref.name}: {done.reason}" for ref, done in other.items()), detail)
    counted = f"{len(granted)} of {len(answers)} evicted"
    if refused:
        return Ending("blocked", f"{counted}; {_refusal(context, refused)}", detail)
    return Ending("finished", counted, detail)


def _refusal(context: FaultContext, refused: list[Ref]) -> str:
    if not refused:
        return ""
    named = " and ".join(_budgets(context, refused)) or "(of a name that was not seen)"
    return f"refused, as the disruption budget {named} demands: {_named(refused)}"


def _budgets(context: FaultContext, refused: list[Ref]) -> tuple[str, ...]:
    uids = {ref.uid for ref in refused}
    pods = [pod for pod in map(View, context.recorder.objects("Pod")) if pod.uid in uids]
    budgets = context.recorder.objects("PodDisruptionBudget")
    return tuple(dict.fromkeys(name for pod in pods for name in budgets_over(budgets, pod)))


def _named(refs: list[Ref] | tuple[Ref, ...]) -> str:
    return ", ".join(f"{ref.name} ({ref.uid[:8]})" for ref in refs)
