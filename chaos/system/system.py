"""The system under test: what scenarios, targets and faults need to know of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.objects.base import Raw, Ref, View
from chaos.objects.workload_kind import DEPLOYMENT, WorkloadKind
from chaos.system.spec.system_spec import SystemSpec

__all__ = ["System"]


@dataclass(frozen=True, slots=True)
class System:
    """The system under test as it was deployed, or found.

    Attributes:
        selector: chooses its pods.
        port: the Service's, as is `cluster_ip`.
        generations: by kind, the generation that was applied.
        pods_before: how many pods the workload had already; they are replaced step by step.
        objects: all that was applied, in that order.
        template: the pods' spec in the cluster, where the system was found there; else empty.
    """

    spec: SystemSpec
    namespace: str
    selector: Mapping[str, str]
    workload: Ref
    service: str
    port: int
    cluster_ip: str
    generations: Mapping[str, int]
    pods_before: int
    objects: tuple[Ref, ...]
    template: Raw = field(default_factory=dict)
    workload_kind: WorkloadKind = DEPLOYMENT

    def owns(self, view: View) -> bool:
        """Whether its selector chooses an object, in its namespace."""
        return view.namespace == self.namespace and self.selector.items() <= view.labels.items()

    @property
    def disruption_budget(self) -> Ref | None:
        """The disruption budget, if it has one."""
        return next((ref for ref in self.objects if ref.kind == "PodDisruptionBudget"), None)
