"""Kill pods through the API, as an operator or a controller would: `kubectl delete pod`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chaos.cluster import mutations
from chaos.faults.base import Field
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.objects.pod import PodView

__all__ = ["PodKill"]

API_ALLOWANCE_S = 10.0
"""Kubernetes' own objective for a single-object mutation is 1 s at the 99th percentile; a small cluster gets more."""


@dataclass(frozen=True, slots=True)
class PodKill:
    """Delete the target pods, all at once.

    `grace_s`: 0 forces the kill (the object vanishes at once, the process gets SIGKILL), None keeps the pod's own
    terminationGracePeriodSeconds, any other number replaces it. Each delete carries the victim's UID as a
    precondition, so a successor of the same name cannot die in its place. A deletion bypasses disruption budgets
    by design; use an eviction to meet them.
    """

    targets: Targets
    grace_s: int | None = None

    @property
    def name(self) -> str:
        """The kind of fault."""
        return "pod-kill"

    @property
    def words(self) -> str:
        """What it does to whom."""
        grace = "their own grace" if self.grace_s is None else f"a grace of {self.grace_s} s"
        return f"delete {self.targets.words} with {grace}"

    @property
    def victims(self) -> tuple[Ref, ...]:
        """The pods that die."""
        return self.targets.refs

    @property
    def landing_deadline_s(self) -> float:
        """The grace, which preStop and drain may use up, and the API's own time."""
        return (self.targets.grace_s if self.grace_s is None else self.grace_s) + API_ALLOWANCE_S

    def inject(self, field: Field) -> str:
        """Delete every victim, concurrently. Return why any of them could not be deleted."""
        orders = [mutations.delete_pod(ref, grace_s=self.grace_s, fault=field.fault) for ref in self.victims]
        with ThreadPoolExecutor(max_workers=max(1, len(orders))) as pool:
            done = list(pool.map(field.executor.do, orders))
        refused = [
            f"{ref.name}: {one.reason}" for ref, one in zip(self.victims, done, strict=True) if one.outcome == "fail"
        ]
        return "; ".join(refused)

    def landed(self, field: Field) -> str:
        """Prove it: no pod with a victim's UID is left in the API."""
        left = {PodView(pod).uid for pod in field.recorder.objects("Pod")}
        if any(ref.uid in left for ref in self.victims):
            return ""
        return "gone by UID: " + ", ".join(f"{ref.name} ({ref.uid[:8]})" for ref in self.victims)

    def heal(self, field: Field) -> str:  # noqa: ARG002  # the role's shape
        """Nothing is left to undo: the owner replaces the pods."""
        return ""
