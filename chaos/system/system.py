"""The system under test as it was asked for: what scenarios, picks and faults need to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.objects.base import Raw, Ref
from chaos.objects.workload_kind import DEPLOYMENT, WorkloadKind
from chaos.system.spec.system_spec import SystemSpec

__all__ = ["System"]


@dataclass(frozen=True, slots=True)
class System:
    """The system under test as it was asked for.

    `selector` chooses its pods. `port` and `cluster_ip` are the Service's. `generations` holds, by kind, the number of
    the wish that was applied. `pods_before` is how many pods the workload had already: above zero they are replaced
    step by step. `objects` are all that was applied, in that order. `template` is the spec of the pods as it is in the
    cluster, where the system was found there; empty where the spec says it all. `workload_kind` is what is known of the
    workload's kind.
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

    @property
    def disruption_budget(self) -> Ref | None:
        """The disruption budget, if it has one."""
        return next((ref for ref in self.objects if ref.kind == "PodDisruptionBudget"), None)
