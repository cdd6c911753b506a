"""Nodes that are lost: their power goes, and with it everything on them, unannounced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chaos.cluster import DRY_RUN, DryRunExecutor
from chaos.errors import UsageError
from chaos.faults.base import Field, Until
from chaos.faults.support.cluster_view import leaving, whole
from chaos.faults.support.infrastructure import NodePower
from chaos.faults.support.node_heartbeat import RETURN_S, await_voice, is_well, last_renewed
from chaos.faults.support.parallel import each
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView
from chaos.safety import Inverse
from chaos.semantics import KUBERNETES, node_loss_detection, power_loss_bound

__all__ = ["NO_POWER", "NodeDown"]

NO_POWER = "nobody can take a node's power away: give --gameday-node-off and --gameday-node-on"


@dataclass(slots=True)
class _State:
    """What a fault that was injected knows: where it acts, the nodes that it touched, and the pods on them."""

    at: Field | None = None
    touched: list[Ref] = field(default_factory=list)
    pods: tuple[PodView, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeDown:
    """Take the power of the target nodes away, all at once, and give it back in the end.

    It has landed when the means itself shows every node standing still, or the API server says that each is not Ready.
    Healing gives the power back and waits until each node renews its lease, is Ready and has no taint of a lost node.
    `noticed` and `replaced` are what a scenario may wait for. A node that holds pods of others is refused, unless
    `leave_foreign` says that they may be lost too. `every_node`: no node needs to be left.
    """

    targets: Targets
    leave_foreign: bool = False
    every_node: bool = False
    _state: _State = field(default_factory=_State, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.targets.refs and not self._nodes:
            raise UsageError(
                f"NodeDown: {self.targets.words} is no node", "pick one, e.g. with targets.fullest_node(system)"
            )

    @property
    def name(self) -> str:
        """The kind of fault."""
        return "node-down"

    @property
    def words(self) -> str:
        """What it does to whom."""
        return f"take the power of {self.targets.words} away"

    @property
    def victims(self) -> tuple[Ref, ...]:
        """The nodes, and the pods of the system that were on them when they were picked."""
        return self.targets.refs

    @property
    def landing_deadline_s(self) -> float:
        """Where only the API server can tell: the slowest that Kubernetes' defaults notice a lost node."""
        return node_loss_detection(KUBERNETES).worst_s + KUBERNETES.allowance_s

    @property
    def noticed(self) -> Until:
        """The API server says of every target node that it is not Ready."""
        at = self._state.at
        timings = at.timings if at else KUBERNETES
        deadline_s = node_loss_detection(timings).worst_s + timings.allowance_s
        return Until(
            f"{self.targets.words} is NotReady", lambda: at is not None and self._all(at, _is_lost), deadline_s
        )

    @property
    def replaced(self) -> Until:
        """Every pod that was on the nodes is on its way out, and the system has all its replicas elsewhere."""
        at, pods = self._state.at, self._state.pods
        timings = at.timings if at else KUBERNETES
        bounds = (power_loss_bound(pod.spec, timings, nodes=len(self._nodes)).total_s for pod in pods)

        def seen() -> bool:
            return (
                at is not None
                and all(leaving(at.recorder, pod.uid) for pod in pods)
                and whole(at.recorder, at.workload_kind)
            )

        return Until(f"the pods of {self.targets.words} are replaced", seen, max(bounds, default=0.0))

    def inject(self, field: Field) -> str:
        """Take the power of every node away. Return why that could not be done for any of them."""
        if field.means.node_power is None:
            return NO_POWER
        names = {node.name for node in self._nodes}
        state, power = self._state, field.means.node_power
        state.at = field
        state.pods = tuple(
            pod
            for pod in map(PodView, field.recorder.objects("Pod"))
            if pod.node in names and not pod.deleting and not pod.finished
        )
        # Before the action: whatever comes in between, the node may stand still, and has to be given its power back.
        state.touched += self._nodes
        return each(self._nodes, lambda node: _take(field, node, power))

    def landed(self, field: Field) -> str:
        """Prove it: the means shows each node standing still, or the API server says that it is not Ready."""
        proofs = [_proof(field, node) for node in self._nodes]
        return "; ".join(proofs) if proofs and all(proofs) else ""

    def heal(self, field: Field) -> str:
        """Give the power back, and wait for the nodes. Return which is not back, and how to mend it by hand."""
        touched, power = tuple(self._state.touched), field.means.node_power
        if not touched or power is None:
            return ""

        def give_back(node: Ref) -> str:
            reason = _switch(field, node, "power-on", power.on)
            return f"node {node.name}: {reason}; by hand: {power.by_hand(node.name)}" if reason else ""

        before = {node.name: last_renewed(field.cluster, node.name) for node in touched}
        if left := each(touched, give_back):
            return left
        if isinstance(field.executor, DryRunExecutor):
            return ""
        if silent := await_voice(field.cluster, [name for name, renewed in before.items() if renewed], before):
            return silent
        if not field.recorder.wait_for(lambda: self._all(field, _is_back), RETURN_S):
            late = [node.name for node in touched if not _is_back(field, node)]
            return f"not Ready without taints {RETURN_S:g} s after the power came back: {', '.join(late)}"
        for node in touched:
            field.undo.kept(_inverse(node, power))
        self._state.touched.clear()
        return ""

    def _all(self, field: Field, holds: Callable[[Field, Ref], bool]) -> bool:
        return all(holds(field, node) for node in self._nodes)

    @property
    def _nodes(self) -> tuple[Ref, ...]:
        return tuple(ref for ref in self.targets.refs if ref.kind == "Node")


def _inverse(node: Ref, power: NodePower) -> Inverse:
    return Inverse("power-on", node, power.by_hand(node.name))


def _take(field: Field, node: Ref, power: NodePower) -> str:
    if reason := field.undo.promise(_inverse(node, power), fault=field.fault):
        return f"node {node.name}: {reason}"
    return _switch(field, node, "power-off", power.off)


def _switch(field: Field, node: Ref, action: str, switch: Callable[[str], str]) -> str:
    """Switch one node, journalled before and after; a dry_run hand switches nothing."""
    with field.journal.action(action, node, fault=field.fault) as entry:
        if isinstance(field.executor, DryRunExecutor):
            # Nothing was taken, so there is nothing to give back either.
            reason = DRY_RUN if action == "power-off" else ""
            entry.end("fail", reason=DRY_RUN)
            return reason
        if reason := switch(node.name):
            entry.end("fail", reason=reason)
        else:
            entry.end("ok")
    return reason


def _seen(field: Field, node: Ref) -> NodeView | None:
    return next((view for view in map(NodeView, field.recorder.objects("Node")) if view.uid == node.uid), None)


def _is_lost(field: Field, node: Ref) -> bool:
    view = _seen(field, node)
    return view is None or not view.ready


def _is_back(field: Field, node: Ref) -> bool:
    view = _seen(field, node)
    return view is not None and is_well(view)


def _proof(field: Field, node: Ref) -> str:
    if field.means.node_power and (words := field.means.node_power.seen_off(node.name)):
        return f"node {node.name} {words}"
    view = _seen(field, node)
    if view is None:
        return f"node {node.name} is gone from the API"
    return "" if view.ready else f"node {node.name} has Ready {view.ready_status or 'nowhere'}, says the API server"
