"""The system under test as scenarios see it: the fixture `system`."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chaos.cluster import Recorder
from chaos.errors import UsageError
from chaos.faults.targets import ENGINE
from chaos.objects.base import Ref
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView
from chaos.objects.quantities import amount
from chaos.objects.workload_kind import DEPLOYMENT, WorkloadKind
from chaos.semantics import KUBERNETES, Timings
from chaos.system import SystemSpec
from chaos.system.spec.compatibility import may_go

__all__ = ["SystemUnderTest"]

NAME_ROLE = "name it under [system.roles] in gameday.toml"
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
        at_once: How many pods may be down at once because of us, as was known before the trial; None for any number.
        nodes_at_once: The same of nodes that may be out.
        roles: The other workloads of the system, by what they do; this one is the engine.
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
    at_once: int | None = None
    nodes_at_once: int | None = None
    roles: Mapping[str, "SystemUnderTest"] = field(default_factory=dict)

    def role(self, name: str) -> "SystemUnderTest":
        """The workload of that role, to pick from. Raises `UsageError` if the system has none."""
        if name == ENGINE or self.inert:
            return self
        if name not in self.roles:
            known = ", ".join((ENGINE, *self.roles))
            raise UsageError(f"no workload of the system has the role {name}: there is {known}", NAME_ROLE)
        return self.roles[name]

    @property
    def replicas(self) -> int:
        """How many replicas it is meant to have at the fewest."""
        return self.spec.replicas_floor

    @property
    def evictable(self) -> int:
        """How many of them may be evicted at once: as the disruption budget lets, at most `at_once`."""
        budget, most = self.spec.disruption_budget, self.replicas if self.at_once is None else self.at_once
        return min(most, self.replicas if budget is None else may_go(budget, self.replicas))

    @property
    def kept(self) -> int | None:
        """How many of them stay Ready whoever is evicted, for `checks.BudgetHeld`; None if all may go."""
        return self.replicas - self.evictable or None

    def share(self, part: float) -> int:
        """How many `targets.share` picks of them: that part, rounded down, at least one, at most `at_once`."""
        most = self.replicas if self.at_once is None else self.at_once
        return max(1, min(int(part * self.replicas + 1e-9), most))

    @property
    def target_load(self) -> float:
        """The load at which one replica is at its autoscaler's target for CPU; 1.0 without one, or on another metric.

        A replica that carries all that it can is taken to use its CPU limit, or its request where it has no limit.
        """
        if (autoscale := self.spec.autoscale) is None or not autoscale.on_cpu:
            return 1.0
        limit, request = (float(amount(one)) if one else None for one in (self.spec.cpu_limit, self.spec.cpu_request))
        full = limit / request if limit and request else 1.0
        return autoscale.cpu_percent / 100 / full

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
