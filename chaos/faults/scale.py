"""Let the system have another number of replicas for a while, e.g. to see what fewer of them carry."""

from __future__ import annotations

from dataclasses import dataclass, field

from chaos.errors import UsageError
from chaos.faults.base import Field
from chaos.faults.support.object_patch import Change
from chaos.history.facts.autoscaler import KIND, AutoscalerView
from chaos.objects.base import Ref
from chaos.objects.pod import PodView

__all__ = ["Scale"]


@dataclass(frozen=True, slots=True)
class Scale:
    """Set the Deployment's number of replicas while the block lasts.

    It has landed when just so many pods are left, and all are Ready. Healing puts the former number back, if nobody
    changed it since. Where an autoscaler owns the number it is not made: it would be taken back at once.
    """

    workload: Ref
    replicas: int
    deadline_s: float = 90.0
    _change: Change = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.replicas < 1:
            raise UsageError(f"Scale.replicas: {self.replicas} is not at least 1")
        by_hand = f"kubectl scale deployment {self.workload.name} -n {self.workload.namespace} --replicas N"
        object.__setattr__(self, "_change", Change(self.workload, "/spec/replicas", by_hand))

    @property
    def name(self) -> str:
        """The kind of fault."""
        return "scale"

    @property
    def words(self) -> str:
        """What it does to whom."""
        many = "" if self.replicas == 1 else "s"
        return f"let Deployment {self.workload.name} have {self.replicas} replica{many}"

    @property
    def victims(self) -> tuple[Ref, ...]:
        """The Deployment."""
        return (self.workload,)

    @property
    def landing_deadline_s(self) -> float:
        """The pods' own time to end, or to become Ready."""
        return self.deadline_s

    def inject(self, field: Field) -> str:
        """Change the number. Return why that could not be done."""
        target = (self.workload.kind, self.workload.name)
        for scaler in map(AutoscalerView, field.recorder.objects(KIND)):
            if scaler.target == target:
                return f"the autoscaler {scaler.name} owns the number of replicas"
        if reason := self._change.read(field):
            return reason
        return self._change.make(field, self.replicas, action="scale")

    def landed(self, field: Field) -> str:
        """Prove it: just so many pods, all Ready and none on its way out."""
        pods = [pod for pod in map(PodView, field.recorder.objects("Pod")) if not pod.finished]
        ready = sum(pod.ready and not pod.deleting for pod in pods)
        return f"{ready} left, all Ready" if ready == len(pods) == self.replicas else ""

    def heal(self, field: Field) -> str:
        """Put the former number back. Return what could not be undone."""
        return self._change.undo(field, action="restore-scale")
