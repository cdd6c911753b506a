"""A piece of advice, and what all rules need to know of the system as it was before the first fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import workload_states
from chaos.objects.base import Raw
from chaos.objects.kinds import PodDisruptionBudgetView, ReplicaSetView
from chaos.objects.pod import PodView

__all__ = ["Advice", "Case", "patch_of"]

PATCHED = frozenset({"Deployment", "StatefulSet"})
"""Kinds whose fields are known, and which a strategic merge patch can change."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One change. `check` is the finding that it answers; `sums` is the arithmetic, a line a step.

    `patch` is YAML, whole objects or a strategic merge patch; `apply` is how to apply it.
    """

    check: str
    title: str
    why: str
    sums: tuple[str, ...]
    patch: str
    apply: str


@dataclass(frozen=True, slots=True)
class Case:
    """A trial, and the system as it was when the first fault began. `budgets` are those that bind replicas."""

    history: History
    workload: ReplicaSetView
    budgets: tuple[PodDisruptionBudgetView, ...]
    budgets_seen: bool
    lives: Sequence[PodLife]
    at_ns: int

    @classmethod
    def of(cls, history: History) -> Case | None:
        """Gather it; None if the workload was never seen, or is of a kind that we know no patches for."""
        if history.facts.workload_kind not in PATCHED:
            return None
        at_ns = min((fault.begin_ns for fault in history.faults), default=history.ended_ns)
        states = workload_states(history)
        before = [view for when_ns, view in states if when_ns <= at_ns] or [view for _, view in states[:1]]
        if not before:
            return None
        budgets, seen = _budgets(history, at_ns), "PodDisruptionBudget" in history.covered_ns
        return cls(history, before[-1], budgets, seen, pod_lives(history), at_ns)

    @property
    def pod_spec(self) -> Raw:
        return self.workload.pod_spec

    @property
    def container(self) -> Raw:
        return next(iter(self.pod_spec.get("containers") or ()), {})

    @property
    def how(self) -> str:
        facts = self.history.facts
        kind = facts.workload_kind.lower()
        return f"kubectl -n {facts.namespace} patch {kind} {facts.workload_name} --patch-file patch.yaml"


def patch_of(content: Mapping[str, Any]) -> str:
    """The patch as YAML, keys in the order given."""
    return str(yaml.safe_dump(dict(content), sort_keys=False, default_flow_style=False, allow_unicode=True))


def _budgets(history: History, at_ns: int) -> tuple[PodDisruptionBudgetView, ...]:
    """The disruption budgets in force at a moment that bind one of the system's pods."""
    replicas = {life.uid for life in pod_lives(history)}
    pods: dict[str, PodView] = {}
    found: dict[str, PodDisruptionBudgetView] = {}
    for event in history.watch:
        if event.at_ns > at_ns:
            break
        if event.kind == "Pod":
            pod = PodView(event.object)
            if pod.uid in replicas:
                pods[pod.uid] = pod
        elif event.kind == "PodDisruptionBudget":
            view = PodDisruptionBudgetView(event.object)
            if event.type in ("DELETED", "VANISHED"):
                found.pop(view.uid, None)
            else:
                found[view.uid] = view
    return tuple(view for view in found.values() if any(view.selects(pod) for pod in pods.values()))
