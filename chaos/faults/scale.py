"""Let the system have another number of replicas for a while, e.g. to see what fewer of them carry."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from chaos.errors import UsageError
from chaos.faults.base import DeploymentFault, Injection
from chaos.faults.context import FaultContext
from chaos.faults.support.object_patch import Change
from chaos.history.facts.autoscaler import KIND, AutoscalerView
from chaos.objects.base import Raw
from chaos.objects.pod import PodView

__all__ = ["Scale"]


@dataclass(frozen=True, slots=True)
class Scale(DeploymentFault):
    """Set the Deployment's number of replicas while the block lasts.

    It has landed when just so many pods are left, and all are Ready. Healing puts the former number back, if nobody
    changed it since. Where an autoscaler owns the number it is not made: it would be taken back at once.
    """

    name: ClassVar[str] = "scale"

    replicas: int
    deadline_s: float = 90.0

    def __post_init__(self) -> None:
        if self.replicas < 1:
            raise UsageError(f"Scale.replicas: {self.replicas} is not at least 1")

    @property
    @override
    def words(self) -> str:
        many = "" if self.replicas == 1 else "s"
        return f"let Deployment {self.workload.name} have {self.replicas} replica{many}"

    @property
    @override
    def landing_deadline_s(self) -> float:
        """The pods' own time to end, or to become Ready."""
        return self.deadline_s

    @override
    def pods_at_risk(self, workload: Raw, desired: int, down: int) -> int:
        """Those that are taken away; as many may be added, for which others' room may be used up."""
        return abs(desired - self.replicas)

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Change the number; landed at just so many pods, all Ready and none on its way out."""

        def proof() -> str:
            pods = [pod for pod in map(PodView, context.recorder.objects("Pod")) if not pod.finished]
            ready = sum(pod.ready for pod in pods)
            return f"{ready} left, all Ready" if ready == len(pods) == self.replicas else ""

        return Injection(self, context, proof, missed=self._change(context))

    def _change(self, context: FaultContext) -> str:
        workload = self.workload
        for scaler in map(AutoscalerView, context.recorder.objects(KIND)):
            if scaler.target == (workload.kind, workload.name):
                return f"the autoscaler {scaler.name} owns the number of replicas"
        manual = f"kubectl scale deployment {workload.name} -n {workload.namespace} --replicas N"
        change = Change(context, workload, "/spec/replicas", manual)
        return change.read() or change.make(self.replicas, action="scale", undo_action="restore-scale")
