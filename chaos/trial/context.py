"""What a live trial works with: the connection, the record, the system, and what may be done to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from typing_extensions import override

from chaos.clock import Clock
from chaos.cluster import DryRunExecutor
from chaos.errors import ClusterRefused, GamedayError, NotAllowed, NotNow, UsageError
from chaos.faults import Disruption, Fault, FaultContext
from chaos.faults.permissions import LOAD
from chaos.faults.support.cluster_view import pods_of_others
from chaos.history import load_history
from chaos.history.facts.replica_counts import ready_replicas
from chaos.objects.base import Raw, Ref, View
from chaos.objects.kinds import EndpointSliceView, NodeView
from chaos.objects.pod import PodView
from chaos.safety import BlastRadius
from chaos.safety.abort_conditions import AbortConditions
from chaos.semantics import endpoint_bound, recovery_bound
from chaos.semantics.rollout import is_rolled_out, release_bound
from chaos.system import System
from chaos.trial.data_readings import Data
from chaos.trial.environment import Environment
from chaos.trial.preflight.consent import Consent

__all__ = ["RisingLoad", "TrialContext", "Witness"]


@dataclass(frozen=True, slots=True)
class RisingLoad:
    """More traffic than a trial began with: the owners of a service have to allow it as they do a fault."""

    name: str = LOAD.name
    victims: tuple[Ref, ...] = ()


class Witness(Protocol):
    """What keeps evidence in threads of its own, until `stop`; `failure` says what ended it early."""

    @property
    def failure(self) -> GamedayError | None:
        """Why it ended early; None as long as it has not."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Bring the evidence to its end; calling it again does nothing."""


class Bounds(Protocol):
    """How much may be down at once, by the numbers of replicas and nodes at the moment at which a fault acts."""

    def __call__(self, *, wanted: int, nodes: int) -> BlastRadius: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialContext(FaultContext):
    """What a live trial works with; faults see the part of it that is theirs.

    Attributes:
        run: The run folder.
        clock: The clock of everything that is recorded.
        environment: Where the trial runs: takes the lease, and knows why to stop.
        system: The system as it was deployed or found.
        blast_radius: How much may be down at once, of so many replicas (`wanted`, and up before) and `nodes` as then.
        data: What of the system must survive, and how it is read.
        consent: What the owners allow, asked before each action and until the trial's end.
        abort_conditions: What the trial may cost before it stops.
        active: The faults that are active now.
        witnesses: What keeps evidence beside the recorder: the servers' metrics, the containers' logs.
        role: What the workload does in the system, empty for the engine.
        roles: The same context for each other workload of the system.
    """

    run: Path
    clock: Clock
    environment: Environment
    system: System
    blast_radius: Bounds
    data: Data
    consent: Consent
    abort_conditions: AbortConditions
    active: Callable[[], Sequence[Fault]] = tuple
    witnesses: Sequence[Witness] = ()
    role: str = ""
    roles: Mapping[str, "TrialContext"] = field(default_factory=dict)

    @property
    def all(self) -> tuple["TrialContext", ...]:
        """This one, and that of each other workload."""
        return (self, *self.roles.values())

    @property
    def front(self) -> System:
        """What users send to: the router, if there is one."""
        return self.roles["router"].system if "router" in self.roles else self.system

    def check_roles(self) -> None:
        """Raise `HarnessBroken` if another workload is no longer being recorded."""
        for one in self.roles.values():
            one.recorder.check()

    def of(self, fault: Fault) -> "TrialContext":
        """The context of the workload that a fault hits."""
        hit = {victim.uid for victim in fault.victims if victim.kind != "Node"}
        for one in self.roles.values():
            own = {ref.uid for ref in (*one.system.objects, one.system.workload)} | {pod.uid for pod in one.pods()}
            if hit & own:
                return replace(one, active=self.active)
        return self

    @property
    def dry_run(self) -> bool:
        """Whether nothing is done to the system."""
        return isinstance(self.executor, DryRunExecutor)

    def claim(self, *, nodes: bool = False) -> bool:
        """Before anything is done to the system or to nodes: see `Environment.claim`. A dry run claims nothing."""
        return not self.dry_run and self.environment.claim(nodes=nodes)

    @override
    def stop_reason(self) -> str:
        """The lease is lost, the journal not renewed, consent withdrawn, a command says so, or a limit is passed."""
        return (
            self.environment.stop_reason()
            or self.undo.lost
            or next((one.consent.objection for one in self.all if one.consent.objection), "")
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
        waited for, and what that left is healed. That too much is down already is no mistake of the scenario: it ends
        the trial.
        """
        try:
            self.admit(fault)
            claimed = self.claim(nodes=any(victim.kind == "Node" for victim in fault.victims))
            if self.stopped(stop):
                return False
            if claimed:
                self.admit(fault)
        except NotNow as refused:
            stop(refused.what)
            return False
        return True

    def admit(self, fault: Fault) -> None:
        """Hold a fault against consent and blast radius, as all is now. Raises `NotAllowed` or `UsageError`."""
        self.allow(fault)
        self._bound(fault, fault.victims)

    @override
    def objection_to(self, fault: Fault, victims: Sequence[Ref]) -> str:
        try:
            self._bound(fault, victims)
        except (UsageError, ClusterRefused) as refused:
            return refused.what
        return ""

    def _bound(self, fault: Fault, victims: Sequence[Ref]) -> None:
        pods = self.pods()
        hit = [victim.name for victim in victims if victim.kind == "Node"]
        nodes = list(map(NodeView, self.recorder.objects("Node")))
        others = [node for node in nodes if node.name not in hit]
        # Since the pick others may have come to a node.
        aimed = {victim.uid for victim in victims}
        # Nor do all read as down that another fault has taken, e.g. by a hang.
        taken = {victim.uid for one in self.active() if one.silent and one is not fault for victim in one.victims}
        there = [pod for pod in pods if pod.ready and pod.uid not in aimed]
        met = sum(pod.node in hit or pod.uid in taken for pod in there)
        kinds = {victim.kind for victim in victims}
        wanted, down = self._wanted_and_down() if met or kinds - {"Node"} else (0, 0)
        workload = self._workload() if kinds - {"Node", "Pod"} else None
        # Those that are only being added serve nobody yet: of them none can be left.
        radius = self.blast_radius(wanted=min(wanted, self._ready(pods) + down), nodes=len(nodes))
        # On nodes of others their owners' bound holds, whatever a scenario is about.
        if fault.takes_every_node and not self.adopted:
            radius = replace(radius, nodes_max=None)
        radius.admit(
            victims,
            ours={pod.uid for pod in pods} | {ref.uid for ref in (*self.system.objects, self.system.workload)},
            at_risk=met + (fault.pods_at_risk(workload, wanted, down) if workload else 0),
            down=down,
            nodes_out=sum(node.unschedulable or not node.ready or node.uid in taken for node in others),
            foreign=self._taken_along(fault, hit),
        )

    def _taken_along(self, fault: Fault, nodes: list[str]) -> list[Ref]:
        """The pods of others that a fault would take with these nodes, and that it was not told it may.

        All that is in a namespace of the trial's own is ours.
        """
        here, elsewhere = self.adopted and not fault.leaves_neighbours, not fault.leaves_foreign_pods
        others = pods_of_others(self, nodes) if nodes and (here or elsewhere) else ()
        return [pod for pod in others if (here if pod.namespace == self.namespace else elsewhere)]

    def _wanted_and_down(self) -> tuple[int, int]:
        """How many replicas are wanted and how many of them are down, now. Raises `UsageError` if nobody can tell."""
        wanted, down = self.desired_replicas(), self.replicas_down()
        if wanted is None or down is None:
            kind, name = self.system.workload.kind, self.system.workload.name
            raise UsageError(
                f"blast radius: how many replicas {kind} {name} wants, and so how many are down already, is not known",
                f"see what it says of them: kubectl get {kind.lower()} {name} -n {self.namespace} -o yaml",
            )
        return wanted, down

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

    def replicas_down(self) -> int | None:
        """How many replicas are desired and down; None if nobody can tell how many are desired.

        One that an autoscaler is only adding was never up, so it is not down.
        """
        ready, desired = self._ready(self.pods()), self.desired_replicas()
        if desired is None:
            return None
        missing = max(0, desired - ready)
        if not missing:
            return 0
        history = load_history(self.run)
        history = history.roles.get(self.role, history)
        most = ready_replicas(history).max(history.began_ns, history.ended_ns)
        return missing if most is None else max(0, min(missing, most - ready))

    def has_all_replicas(self) -> bool:
        """Whether as many pods are Ready as the workload desires."""
        desired = self.desired_replicas()
        return desired is not None and self._ready(self.pods()) >= desired

    def is_rolled_out(self) -> bool:
        """Whether no release of the workload is under way, e.g. back to the template that it had before a fault."""
        workload = self._workload()
        return workload is None or is_rolled_out(self.workload_kind.name, workload)

    def has_all_endpoints(self) -> bool:
        """Whether each Ready pod is among the ready endpoints of the Service."""
        slices = map(EndpointSliceView, self.recorder.objects("EndpointSlice"))
        there = {one.pod_uid for view in slices for one in view.endpoints if one.ready}
        return all(pod.uid in there for pod in self.pods() if pod.ready)

    def endpoint_bound_s(self) -> float:
        """How long a pod that turned Ready may take to be among them."""
        return endpoint_bound(self.timings).total_s

    def recovery_bound_s(self) -> float:
        """How long a lost replica may take to be back, or a release to come through, as the pods' own spec permits."""
        kind, workload = self.workload_kind, self._workload()
        specs = [pod["spec"] for pod in self.recorder.objects("Pod")]
        bounds = [recovery_bound(spec, self.timings, workload_kind=kind.pods_by) for spec in specs]
        if specs and workload is not None and not self.is_rolled_out():
            spec, desired = workload["spec"], self.desired_replicas() or 1
            new = spec["template"]["spec"]
            bounds.append(release_bound(kind.name, spec, new, self.timings, desired=desired, former=specs[0]))
        return max((bound.total_s for bound in bounds), default=0.0)

    @staticmethod
    def _ready(pods: list[PodView]) -> int:
        return sum(pod.ready for pod in pods)
