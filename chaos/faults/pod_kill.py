"""Kill pods through the API, as an operator or a controller would: `kubectl delete pod`."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from chaos.cluster import mutations
from chaos.faults.base import API_ALLOWANCE_S, NOTHING_LEFT, Injection, TargetedFault, each
from chaos.faults.context import FaultContext
from chaos.faults.permissions import Right, rights
from chaos.objects.base import Ref
from chaos.objects.pod import PodView

__all__ = ["PodKill"]


@dataclass(frozen=True, slots=True)
class PodKill(TargetedFault):
    """Delete the target pods, all at once.

    `grace_s`: 0 forces the kill (the object vanishes at once, the process gets SIGKILL), None keeps the pod's own
    terminationGracePeriodSeconds, any other number replaces it. Each delete carries the victim's UID as a
    precondition, so a replacement of the same name cannot die in its place. A deletion bypasses disruption budgets
    by design; use an eviction to meet them. Nothing is left to undo: the owner replaces the pods.
    """

    name: ClassVar[str] = "pod-kill"
    permissions: ClassVar[tuple[Right, ...]] = rights("delete", "Pod")
    if_run_dies: ClassVar[str] = NOTHING_LEFT

    grace_s: int | None = None

    @property
    @override
    def words(self) -> str:
        grace = "their own grace" if self.grace_s is None else f"a grace of {self.grace_s} s"
        return f"delete {self.targets.words} with {grace}"

    @property
    @override
    def landing_deadline_s(self) -> float:
        """The grace, which preStop and drain may use up, and the API's own time."""
        return (self.targets.grace_s if self.grace_s is None else self.grace_s) + API_ALLOWANCE_S

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Delete every victim, concurrently; landed when no pod with a victim's UID is left in the API."""

        def delete(ref: Ref) -> str:
            done = context.executor.do(mutations.delete_pod(ref, grace_s=self.grace_s, fault=context.fault))
            return f"{ref.name}: {done.reason}" if done.outcome == "fail" else ""

        def proof() -> str:
            left = {PodView(pod).uid for pod in context.recorder.objects("Pod")}
            if any(ref.uid in left for ref in self.victims):
                return ""
            return "gone by UID: " + ", ".join(f"{ref.name} ({ref.uid[:8]})" for ref in self.victims)

        return Injection(self, context, proof, missed=each(self.victims, delete))
