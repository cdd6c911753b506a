"""The system under test as scenarios see it: the fixture `system`."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from chaos.cluster import Recorder
from chaos.objects.base import Ref
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView
from chaos.objects.workload_kind import DEPLOYMENT, WorkloadKind
from chaos.semantics import KUBERNETES, Timings
from chaos.system import SystemSpec

__all__ = ["SystemUnderTest"]

NO_WORKLOAD = Ref("Deployment", "", "")
NO_BUDGET = Ref("PodDisruptionBudget", "", "")


@dataclass(frozen=True, slots=True)
class SystemUnderTest:
    """The system under test, for scenarios and for choosing a fault's targets.

    Attributes:
        spec: What it is.
        namespace: Where it runs.
        words: Its pods' selector, for people.
        rng: The trial's seeded source of chance.
        recorder: What is seen of it; None when a saved run is judged again, and then there is nothing to choose from.
        workload: The Deployment or the like, which faults change.
        disruption_budget: Its PodDisruptionBudget.
        timings: How the cluster is timed.
        workload_kind: What is known of the workload's kind.
    """

    spec: SystemSpec
    namespace: str
    words: str
    rng: random.Random
    recorder: Recorder | None = None
    workload: Ref = NO_WORKLOAD
    disruption_budget: Ref = NO_BUDGET
    timings: Timings = KUBERNETES
    workload_kind: WorkloadKind = DEPLOYMENT

    @property
    def inert(self) -> bool:
        """Whether a saved run is judged again, so that nothing is to be chosen."""
        return self.recorder is None

    def ready_pods(self) -> Sequence[PodView]:
        """The pods that are Ready and not being deleted, now."""
        return tuple(pod for pod in self.pods() if pod.ready)

    def pods(self) -> Sequence[PodView]:
        """All pods, now, also those that are not Ready or are being deleted."""
        return tuple(map(PodView, self.recorder.objects("Pod"))) if self.recorder else ()

    def nodes(self) -> Sequence[NodeView]:
        """All nodes of the cluster, now."""
        return tuple(map(NodeView, self.recorder.objects("Node"))) if self.recorder else ()
