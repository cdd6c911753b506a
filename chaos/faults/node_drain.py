"""Drain a node, as an operator does before taking a machine away: `kubectl drain`."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from chaos.errors import UsageError
from chaos.faults.base import API_ALLOWANCE_S, Awaited, Injection, TargetedFault, Until
from chaos.faults.context import FaultContext
from chaos.faults.permissions import DRAIN, Right
from chaos.faults.support.background_task import Work
from chaos.faults.support.cluster_view import ALL_BUT_DAEMONS, objections, pods_of_others, sorted_for_drain
from chaos.faults.support.node_eviction import LEAST_S, Drain, Terms, cordon, is_cordoned, patience_s
from chaos.semantics import DrainOptions, DrainSet

__all__ = ["STOP_S", "DrainFault", "NodeDrain"]

STOP_S = 30.0
"""A call that is under way when the drain is stopped ends within its own time limits, 3 s and 20 s."""


@dataclass(frozen=True, slots=True)
class DrainFault(TargetedFault):
    """A fault that closes nodes and evicts the pods of the system that are on them."""

    permissions: ClassVar[tuple[Right, ...]] = DRAIN
    hits_nodes: ClassVar[bool] = True
    evicts: ClassVar[bool] = True

    @property
    @override
    def landing_deadline_s(self) -> float:
        """The API's own time, for a cordon and an eviction."""
        return 2 * API_ALLOWANCE_S

    @property
    @override
    def leaves_neighbours(self) -> bool:
        """It evicts them only if it was given `whole_namespace`."""
        return True


@dataclass(frozen=True, slots=True)
class NodeDrain(DrainFault):
    """Cordon the target node and evict the system's pods from it, all at once, while the scenario goes on.

    Only the system's own pods are evicted, as others did not agree to it; `whole_namespace` evicts the other pods of
    the system's namespace too, as `kubectl drain` would. A node that holds pods of other namespaces (a DaemonSet's and
    static ones aside) is outside the blast radius, unless `leave_foreign` leaves them where they are. What is left is
    noted. An eviction that a disruption budget refuses is asked for again every 5 s until `deadline_s`, by default as
    long as the pods' own spec permits where they go one by one; a refusal that stays until the deadline ends the drain
    as `blocked`, which is no error. `ended` and `refused` are what a scenario may wait for.
    `max_in_flight`: how many pods may be on their way out at once, None for all. `options` are kubectl's flags; a pod
    that they do not permit to evict (with an emptyDir, or without a controller) is refused before the node is closed.
    Healing stops the drain, and opens the node if it was this drain that closed it.
    """

    name: ClassVar[str] = "node-drain"

    deadline_s: float | None = None
    max_in_flight: int | None = None
    grace_s: int | None = None
    options: DrainOptions = ALL_BUT_DAEMONS
    leave_foreign: bool = False
    whole_namespace: bool = False

    def __post_init__(self) -> None:
        if self.deadline_s is not None and self.deadline_s <= 0:
            raise UsageError(f"NodeDrain.deadline_s: {self.deadline_s} is not a positive number of seconds")
        if self.max_in_flight is not None and self.max_in_flight < 1:
            raise UsageError(f"NodeDrain.max_in_flight: {self.max_in_flight} is not at least 1")
        if self.targets.refs and len(self.targets.nodes) != 1:
            raise UsageError(
                f"NodeDrain: {self.targets.words} is not one node", "pick one, e.g. with targets.fullest_node(system)"
            )

    @property
    @override
    def words(self) -> str:
        limit = "" if self.max_in_flight is None else f", {self.max_in_flight} pods at a time"
        within = "" if self.deadline_s is None else f" within {self.deadline_s:g} s"
        return f"drain {self.targets.words}{within}{limit}"

    @property
    @override
    def leaves_foreign_pods(self) -> bool:
        return self.leave_foreign

    @property
    def ended(self) -> Awaited:
        """The drain ended, however it did."""
        return Awaited(self, "ended")

    @property
    def refused(self) -> Awaited:
        """A disruption budget refused one of its evictions."""
        return Awaited(self, "refused")

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Cordon the node and begin to evict."""
        return _Drain(self, context)


class _Drain(Injection):
    def __init__(self, fault: NodeDrain, context: FaultContext) -> None:
        super().__init__(fault, context)
        self._fault = fault
        (self._node,) = fault.targets.nodes
        self._work = Work("the drain")
        chosen = sorted_for_drain(context, self._node.name, fault.options, whole_namespace=fault.whole_namespace)
        self._deadline_s = fault.deadline_s or patience_s(chosen.evict, context.timings, fault.grace_s)
        terms = Terms(self._deadline_s, fault.max_in_flight, fault.grace_s, fault.whole_namespace)
        self._drain = Drain(context, self._work, self._node, terms)
        self.missed = self._objection(chosen) or cordon(context, self._node)
        if not self.missed:
            self._work.start(context, lambda: self._drain.run(fault.options))

    @property
    def ended(self) -> Until:
        """See `NodeDrain.ended`."""
        words = f"the drain of {self._fault.targets.words} ends"
        return Until(words, lambda: self._work.ended, self._deadline_s + API_ALLOWANCE_S)

    @property
    def refused(self) -> Until:
        """See `NodeDrain.refused`. A budget that is to refuse one does so at first."""
        words = "a disruption budget refuses an eviction"
        return Until(words, lambda: bool(self._drain.refused), self._fault.deadline_s or LEAST_S)

    @override
    def landed(self) -> str:
        """The watch shows the node cordoned, and the first eviction was answered."""
        if not self._drain.first or not is_cordoned(self.context, self._node):
            return ""
        return f"node {self._node.name} is unschedulable; first eviction: {self._drain.first}"

    @override
    def stop(self) -> str:
        return self._work.stop(STOP_S)

    def _objection(self, chosen: DrainSet) -> str:
        """Why the drain may not begin. Pods of others that are left are noted."""
        context, node, whole = self.context, self._node, self._fault.whole_namespace
        if chosen.blocked:
            return f"node {node.name} may not be drained: {objections(chosen)}"
        if all(pod.deleting for pod in chosen.evict):
            return f"node {node.name} holds no pod of the system to evict"
        others = pods_of_others(context, [node.name])
        if left := [ref for ref in others if not (whole and ref.namespace == context.namespace)]:
            named = ", ".join(f"{ref.namespace}/{ref.name}" for ref in left)
            context.journal.event("note", text=f"pods of others are left on node {node.name}: {named}")
        return ""
