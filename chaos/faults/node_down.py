"""Nodes that are lost: their power goes, and with it everything on them, unannounced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from chaos.cluster import LEASHED, LeashedHand
from chaos.errors import ClusterRefused, TimedOut, UsageError
from chaos.faults.at_once import each
from chaos.faults.base import Field, Until
from chaos.faults.sight import leaving, whole
from chaos.history import Ref
from chaos.history.views import NodeView, PodView
from chaos.semantics import KUBERNETES, LOSS_TAINTS, node_loss_detection, power_loss_bound
from chaos.targets import Targets
from chaos.wait import until

__all__ = ["NO_POWER", "NodeDown"]

NO_POWER = "nobody can take a node's power away: give --node-off and --node-on"

RETURN_S = 120.0
"""For a kubelet to connect again, report, and be believed: it notices a broken connection to the API server after 45 s
(HTTP/2 health check), and kubelet and controller report and look every few seconds after that."""

LEASES = "kube-node-lease"
LOOK_S = 0.5


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
        # Before the deed: whatever comes in between, the node may stand still, and has to be given its power back.
        state.touched += self._nodes
        return each(self._nodes, lambda node: _switch(field, node, "power-off", power.off))

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

        before = {node.name: _renewed(field, node) for node in touched}
        if left := each(touched, give_back):
            return left
        if isinstance(field.hand, LeashedHand):
            return ""
        if silent := _await_voice(field, [node for node in touched if before[node.name]], before):
            return silent
        if not field.recorder.wait_for(lambda: self._all(field, _is_back), RETURN_S):
            late = [node.name for node in touched if not _is_back(field, node)]
            return f"not Ready without taints {RETURN_S:g} s after the power came back: {', '.join(late)}"
        self._state.touched.clear()
        return ""

    def _all(self, field: Field, holds: Callable[[Field, Ref], bool]) -> bool:
        return all(holds(field, node) for node in self._nodes)

    @property
    def _nodes(self) -> tuple[Ref, ...]:
        return tuple(ref for ref in self.targets.refs if ref.kind == "Node")


def _switch(field: Field, node: Ref, action: str, deed: Callable[[str], str]) -> str:
    """Switch one node, journalled before and after; a leashed hand switches nothing."""
    with field.journal.action(action, node, fault=field.fault) as entry:
        if isinstance(field.hand, LeashedHand):
            # Nothing was taken, so there is nothing to give back either.
            reason = LEASHED if action == "power-off" else ""
            entry.end("fail", reason=LEASHED)
            return reason
        if reason := deed(node.name):
            entry.end("fail", reason=reason)
        else:
            entry.end("ok")
    return reason


def _renewed(field: Field, node: Ref) -> str:
    """When a node's kubelet last renewed its lease, as it wrote it; empty if that may not be read."""
    try:
        lease = field.cluster.get("Lease", LEASES, node.name) or {}
    except ClusterRefused:
        return ""
    return str((lease.get("spec") or {}).get("renewTime", ""))


def _await_voice(field: Field, nodes: Sequence[Ref], before: Mapping[str, str]) -> str:
    """Wait until each node has renewed its lease since; which has not, in words.

    One that was not missed yet still counts as Ready: only what it says itself shows that it goes on.
    """
    try:
        until(
            lambda: all(_renewed(field, node) != before[node.name] for node in nodes),
            deadline_s=RETURN_S,
            poll_s=LOOK_S,
            awaited=f"a renewed lease of {', '.join(node.name for node in nodes)} after the power came back",
        )
    except TimedOut as late:
        return late.what
    return ""


def _seen(field: Field, node: Ref) -> NodeView | None:
    return next((view for view in map(NodeView, field.recorder.objects("Node")) if view.uid == node.uid), None)


def _is_lost(field: Field, node: Ref) -> bool:
    view = _seen(field, node)
    return view is None or not view.ready


def _is_back(field: Field, node: Ref) -> bool:
    view = _seen(field, node)
    return view is not None and view.ready and not any(taint.get("key") in LOSS_TAINTS for taint in view.taints)


def _proof(field: Field, node: Ref) -> str:
    if field.means.node_power and (words := field.means.node_power.seen_off(node.name)):
        return f"node {node.name} {words}"
    view = _seen(field, node)
    if view is None:
        return f"node {node.name} is gone from the API"
    return "" if view.ready else f"node {node.name} has Ready {view.ready_status or 'nowhere'}, says the API server"
