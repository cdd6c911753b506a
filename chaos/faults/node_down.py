"""Nodes that are lost: switched off with everything on them, unannounced."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from chaos.cluster import DRY_RUN
from chaos.errors import UsageError
from chaos.faults.base import Awaited, Injection, TargetedFault, Until, each
from chaos.faults.context import FaultContext
from chaos.faults.infrastructure import NO_NODE_INFRASTRUCTURE, NodeInfrastructure
from chaos.faults.permissions import Right, rights
from chaos.faults.support.cluster_view import leaving, pods_of_others, whole
from chaos.objects.base import Ref
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView
from chaos.safety import UndoEntry
from chaos.semantics import KUBERNETES, LostNode, node_loss_detection, power_loss_bound

__all__ = ["NodeDown"]


@dataclass(frozen=True, slots=True)
class NodeDown(TargetedFault):
    """Switch the target nodes off, all at once, and on again in the end.

    It has landed when the infrastructure itself shows every node off, or the API server that each is not Ready.
    Healing switches them on and waits until each node renews its lease, is Ready and has no taint of a lost node.
    `noticed` and `replaced` are what a scenario may wait for. A node takes everybody's pods with it, so one that holds
    pods of others (a DaemonSet's and static ones aside) is refused, unless `whole_namespace` agrees to lose those of
    the system's namespace too, and `leave_foreign` those of other namespaces. What is lost is noted. `every_node`: no
    node needs to be left.
    """

    name: ClassVar[str] = "node-down"
    permissions: ClassVar[tuple[Right, ...]] = (
        *rights("list", "Pod", everywhere=True),
        # The leases are the nodes' own: by them a node reports.
        *rights("get", "Lease", everywhere=True),
        *rights("get", "Node", everywhere=True),
    )
    hits_nodes: ClassVar[bool] = True
    silent: ClassVar[bool] = True
    if_run_dies: ClassVar[str] = "it stays off until `gameday undo` runs where the command is that switches it on"

    leave_foreign: bool = False
    every_node: bool = False
    whole_namespace: bool = False

    def __post_init__(self) -> None:
        if self.targets.refs and not self.targets.nodes:
            raise UsageError(
                f"NodeDown: {self.targets.words} is no node", "pick one, e.g. with targets.fullest_node(system)"
            )

    @property
    @override
    def words(self) -> str:
        return f"switch {self.targets.words} off"

    @property
    @override
    def landing_deadline_s(self) -> float:
        """Where only the API server can tell: the slowest that Kubernetes' defaults notice a lost node."""
        return node_loss_detection(KUBERNETES).worst_s + KUBERNETES.allowance_s

    @property
    @override
    def leaves_foreign_pods(self) -> bool:
        return self.leave_foreign

    @property
    @override
    def leaves_neighbours(self) -> bool:
        return self.whole_namespace

    @property
    @override
    def takes_every_node(self) -> bool:
        return self.every_node

    @property
    def noticed(self) -> Awaited:
        """The API server reports every target node as not Ready."""
        return Awaited(self, "noticed")

    @property
    def replaced(self) -> Awaited:
        """Every pod that was on the nodes is on its way out, and the system has all its replicas elsewhere."""
        return Awaited(self, "replaced")

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Switch every node off."""
        if context.infrastructure.nodes is None:
            return Injection(self, context, missed=NO_NODE_INFRASTRUCTURE)
        return _NodeLoss(self, context, context.infrastructure.nodes)


class _NodeLoss(Injection):
    def __init__(self, fault: NodeDown, context: FaultContext, infrastructure: NodeInfrastructure) -> None:
        super().__init__(fault, context)
        self._targets = fault.targets
        self._infrastructure = infrastructure
        names = {node.name for node in fault.targets.nodes}
        pods = map(PodView, context.recorder.objects("Pod"))
        self._pods = tuple(pod for pod in pods if pod.node in names and not pod.deleting and not pod.finished)
        if others := ", ".join(f"{ref.namespace}/{ref.name}" for ref in pods_of_others(context, sorted(names))):
            context.journal.event("note", text=f"pods of others are lost with {fault.targets.words}: {others}")
        self.missed = each(fault.targets.nodes, self._switch_off)

    @property
    def noticed(self) -> Until:
        """See `NodeDown.noticed`."""
        timings = self.context.timings
        deadline_s = node_loss_detection(timings).worst_s + timings.allowance_s
        return Until(
            f"{self._targets.words} is NotReady", lambda: all(map(self._lost, self._targets.nodes)), deadline_s
        )

    @property
    def replaced(self) -> Until:
        """See `NodeDown.replaced`."""
        context = self.context
        lost = LostNode(nodes=len(self._targets.nodes))
        bounds = (power_loss_bound(pod.spec, context.timings, lost=lost) for pod in self._pods)

        def seen() -> bool:
            gone = all(leaving(context.recorder, pod.uid) for pod in self._pods)
            return gone and whole(context.recorder, context.workload_kind)

        deadline_s = max((bound.total_s for bound in bounds), default=0.0)
        return Until(f"the pods of {self._targets.words} are replaced", seen, deadline_s)

    @override
    def landed(self) -> str:
        """The infrastructure shows each node off, or the API server reports that it is not Ready."""
        proofs = [self._off(node) for node in self._targets.nodes]
        return "; ".join(proofs) if proofs and all(proofs) else ""

    def _switch_off(self, node: Ref) -> str:
        context = self.context
        # What is below the API knows names alone: a machine that has the name by now is another one.
        found = context.cluster.get("Node", None, node.name)
        if found is None or NodeView(found).uid != node.uid:
            return f"node {node.name} is not there any more"
        entry = UndoEntry("node-on", node, self._infrastructure.manual_on(node.name))
        if reason := context.record(entry):
            return f"node {node.name}: {reason}"
        reason = context.act("node-off", node, lambda: self._infrastructure.off(node.name))
        if reason == DRY_RUN:
            context.discard(entry)
        return reason

    def _off(self, node: Ref) -> str:
        if words := self._infrastructure.seen_off(node.name):
            return f"node {node.name} {words}"
        view = self._seen(node)
        if view is None:
            return f"node {node.name} is gone from the API"
        status = view.ready_status or "nowhere"
        return "" if view.ready else f"node {node.name} has Ready {status}, as the API server reports"

    def _seen(self, node: Ref) -> NodeView | None:
        return next(
            (view for view in map(NodeView, self.context.recorder.objects("Node")) if view.uid == node.uid), None
        )

    def _lost(self, node: Ref) -> bool:
        view = self._seen(node)
        return view is None or not view.ready
