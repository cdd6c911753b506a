"""What a live trial works with: the connection, the record, the system, and what may be done to it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from typing_extensions import override

from chaos.clock import Clock
from chaos.cluster import DryRunExecutor
from chaos.errors import ClusterRefused, NotAllowed, UsageError
from chaos.faults import Disruption, Fault, FaultContext
from chaos.faults.permissions import LOAD
from chaos.faults.support.cluster_view import foreign_pods
from chaos.history import load_history
from chaos.history.facts.replica_counts import ready_replicas
from chaos.objects.base import Raw, Ref, View
from chaos.objects.kinds import EndpointSliceView, NodeView
from chaos.objects.pod import PodView
from chaos.safety import BlastRadius
from chaos.safety.abort_conditions import AbortConditions
from chaos.semantics import endpoint_bound, recovery_bound
from chaos.system import System
from chaos.trial.data_readings import Data
from chaos.trial.environment import Environment
from chaos.trial.preflight.consent import Consent

__all__ = ["RisingLoad", "TrialContext"]


@dataclass(frozen=True, slots=True)
class RisingLoad:
    """More traffic than a trial began with: the owners of a service have to allow it as they do a fault."""

    name: str = LOAD.name
    victims: tuple[Ref, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialContext(FaultContext):
    """What a live trial works with; faults see the part of it that is theirs.

    Attributes:
        run: The run folder.
        clock: The clock of everything that is recorded.
        environment: Where the trial runs: takes the lease, and knows why to stop.
        system: The system as it was deployed or found.
        blast_radius: How much may be down at once.
        data: What of the system must survive, and how it is read.
        consent: What the owners allow, asked before each action and until the trial's end.
        abort_conditions: What the trial may cost before it stops.
    """

    run: Path
    clock: Clock
    environment: Environment
    system: System
    blast_radius: BlastRadius
    data: Data
    consent: Consent
    abort_conditions: AbortConditions

    @property
    def dry_run(self) -> bool:
        """Whether nothing is done to the system."""
        return isinstance(self.executor, DryRunExecutor)

    def claim(self) -> bool:
        """Before anything is done to the system: see `Environment.claim`. A dry run claims nothing."""
        return not self.dry_run and self.environment.claim()

    @override
    def stop_reason(self) -> str:
        """The lease is lost, the journal not renewed, consent withdrawn, a command says so, or a limit is passed."""
        return (
            self.environment.stop_reason()
            or self.undo.lost
            or self.consent.objection
            or self.abort_conditions.objection()
        )

    def stopped(self, stop: Callable[[str], None]) -> bool:
        """Whether the trial must not go on; why goes to `stop`."""
        if reason := self.stop_reason():
            stop(reason)
        return bool(reason)

    def allow(self, fault: Disruption) -> None:
        """Ask the owners. Raises `NotAllowed` with their objection."""
        if objection := self.consent(fault):
            raise NotAllowed(objection)

    def allow_rising_load(self) -> None:
        """Before the load rises or pods send it. Raises `NotAllowed`, or `ClusterRefused` as `claim` and to stop."""
        self.allow(RisingLoad())
        claimed = self.claim()
        if reason := self.stop_reason():
            raise ClusterRefused(reason)
        if claimed:  # which may have waited for a dead run's lease
            self.allow(RisingLoad())

    def permits(self, fault: Fault, stop: Callable[[str], None]) -> bool:
        """Take the lease, and say whether a fault may be made now; why the trial is to end goes to `stop`.

        Raises as `admit` does, before anything is written, and once more when the lease was taken: a dead run's is
        waited for, and what that left is healed.
        """
        self.admit(fault)
        claimed = self.claim()
        if self.stopped(stop):
            return False
        if claimed:
            self.admit(fault)
        return True

    def admit(self, fault: Fault) -> None:
        """Hold a fault against consent and blast radius. Raises `NotAllowed` or `UsageError`."""
        self.allow(fault)
        pods, down = self.pods(), self.replicas_down()
        hit = [victim.name for victim in fault.victims if victim.kind == "Node"]
        nodes = [node for node in map(NodeView, self.recorder.objects("Node")) if node.name not in hit]
        # On nodes of others their owners' bound holds, whatever a scenario is about.
        unbounded = fault.takes_every_node and not self.adopted
        radius = replace(self.blast_radius, nodes_max=None) if unbounded else self.blast_radius
        # Since the pick others may have come to a node.
        aimed = {victim.uid for victim in fault.victims}
        met = sum(pod.ready and not pod.deleting and pod.node in hit and pod.uid not in aimed for pod in pods)
        radius.admit(
            fault.victims,
            ours={pod.uid for pod in pods} | {ref.uid for ref in (*self.system.objects, self.system.workload)},
            at_risk=met + self._at_risk(fault, down),
            down=down,
            nodes_out=sum(node.unschedulable or not node.ready for node in nodes),
            foreign=() if fault.leaves_foreign_pods else foreign_pods(self.cluster, hit, self.namespace),
        )

    def _at_risk(self, fault: Fault, down: int) -> int:
        """How many pods may go by a change of an object. Raises `UsageError` where nobody can tell of how many."""
        if all(victim.kind in ("Pod", "Node") for victim in fault.victims):
            return 0
        workload, desired = self._workload(), self.desired_replicas()
        if workload is None or desired is None:
            raise UsageError(f"blast radius: how many replicas {self.system.workload.name} desires is not known")
        return fault.pods_at_risk(workload, desired, down)

    def pods(self) -> list[PodView]:
        """The system's pods, now."""
        return [PodView(pod) for pod in self.recorder.objects("Pod")]

    def desired_replicas(self) -> int | None:
        """How many replicas the workload asks for, None if it is not there, or does not say."""
        workload = self._workload()
        return None if workload is None else self.workload_kind.wanted(workload)

    def _workload(self) -> Raw | None:
        """The workload as it is now."""
        found = self.recorder.objects(self.workload_kind.name)
        return next((one for one in found if View(one).name == self.system.workload.name), None)

    def replicas_down(self) -> int:
        """How many replicas are desired and down. One that an autoscaler is only adding was never up, so it is not."""
        ready = self._ready(self.pods())
        missing = max(0, (self.desired_replicas() or 0) - ready)
        if not missing:
            return 0
        history = load_history(self.run)
        most = ready_replicas(history).max(history.began_ns, history.ended_ns)
        return missing if most is None else max(0, min(missing, most - ready))

    def has_all_replicas(self) -> bool:
        """Whether as many pods are Ready as the workload desires."""
        desired = self.desired_replicas()
        return desired is not None and self._ready(self.pods()) >= desired

    def has_all_endpoints(self) -> bool:
        """Whether each Ready pod is among the ready endpoints of the Service."""
        slices = map(EndpointSliceView, self.recorder.objects("EndpointSlice"))
        there = {one.pod_uid for view in slices for one in view.endpoints if one.ready}
        return all(pod.uid in there for pod in self.pods() if pod.ready)

    def endpoint_bound_s(self) -> float:
        """How long a pod that turned Ready may take to be among them."""
        return endpoint_bound(self.timings).total_s

    def recovery_bound_s(self) -> float:
        """How long a lost replica may take to be back, as the pods' own spec permits; the longest over all pods."""
        kind = self.workload_kind.pods_by
        specs = [pod["spec"] for pod in self.recorder.objects("Pod")]
        return max((recovery_bound(spec, self.timings, workload_kind=kind).total_s for spec in specs), default=0.0)

    @staticmethod
    def _ready(pods: list[PodView]) -> int:
        return sum(pod.ready and not pod.deleting for pod in pods)
