"""Drain a node, as an operator does before taking a machine away: `kubectl drain`."""

from __future__ import annotations

from dataclasses import dataclass, field

from chaos.errors import UsageError
from chaos.faults.base import Field, Until
from chaos.faults.support.background_task import Work
from chaos.faults.support.cluster_view import ALL_BUT_DAEMONS, foreign_pods, objections, sorted_for_drain
from chaos.faults.support.cordon import Cordon
from chaos.faults.support.node_eviction import Drain, Terms
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.semantics import DrainOptions

__all__ = ["NodeDrain"]

API_ALLOWANCE_S = 10.0
"""Kubernetes' own objective for a single-object mutation is 1 s at the 99th percentile; a small cluster gets more."""

STOP_S = 30.0
"""A call that is under way when the drain is stopped ends within its own time limits, 3 s and 20 s."""


@dataclass(slots=True)
class _State:
    """What a drain under way knows."""

    cordon: Cordon | None = None
    drain: Drain | None = None


@dataclass(frozen=True, slots=True)
class NodeDrain:
    """Cordon the target node and evict the system's pods from it, all at once, while the scenario goes on.

    Only pods of the trial's namespace are evicted. A node that also holds pods of others (a DaemonSet's and static ones
    aside) is outside the blast radius, unless `leave_foreign` says to leave them where they are. An eviction that
    a disruption budget refuses is asked for again every 5 s until `deadline_s`; a refusal that stands at the deadline
    ends the drain as `blocked`, which is no error. `ended` and `refused` are what a scenario may wait for.
    `max_in_flight`: how many pods may be on their way out at once, None for all. `options` are kubectl's flags; a pod
    that they do not permit to evict (with an emptyDir, or without a controller) is refused before the node is closed.
    Healing stops the drain, and opens the node if it was this drain that closed it.
    """

    targets: Targets
    deadline_s: float = 60.0
    max_in_flight: int | None = None
    grace_s: int | None = None
    options: DrainOptions = ALL_BUT_DAEMONS
    leave_foreign: bool = False
    _work: Work = field(default_factory=Work, init=False, repr=False, compare=False)
    _state: _State = field(default_factory=_State, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.deadline_s <= 0:
            raise UsageError(f"NodeDrain.deadline_s: {self.deadline_s} is not a positive number of seconds")
        if self.max_in_flight is not None and self.max_in_flight < 1:
            raise UsageError(f"NodeDrain.max_in_flight: {self.max_in_flight} is not at least 1")
        if self.targets.refs and len(self._nodes) != 1:
            raise UsageError(
                f"NodeDrain: {self.targets.words} is not one node", "pick one, e.g. with targets.fullest_node(system)"
            )

    @property
    def name(self) -> str:
        """The kind of fault."""
        return "node-drain"

    @property
    def words(self) -> str:
        """What it does to whom."""
        limit = "" if self.max_in_flight is None else f", {self.max_in_flight} pods at a time"
        return f"drain {self.targets.words} within {self.deadline_s:g} s{limit}"

    @property
    def victims(self) -> tuple[Ref, ...]:
        """The node, and the pods of the system that were on it when it was picked."""
        return self.targets.refs

    @property
    def landing_deadline_s(self) -> float:
        """The API's own time, for a cordon and an eviction."""
        return 2 * API_ALLOWANCE_S

    @property
    def ended(self) -> Until:
        """The drain ended, however it did."""
        return Until(
            f"the drain of {self.targets.words} ends", lambda: self._work.ended, self.deadline_s + API_ALLOWANCE_S
        )

    @property
    def refused(self) -> Until:
        """A disruption budget refused one of its evictions."""
        state = self._state
        return Until(
            "a disruption budget refuses an eviction",
            lambda: bool(state.drain and state.drain.refused),
            self.deadline_s,
        )

    def inject(self, field: Field) -> str:
        """Cordon the node and begin to evict. Return why that could not be begun."""
        (node,) = self._nodes
        chosen = sorted_for_drain(field.cluster, node.name, field.namespace, self.options)
        if chosen.blocked:
            return f"node {node.name} may not be drained: {objections(chosen)}"
        if all(pod.deleting for pod in chosen.evict):
            return f"node {node.name} holds no pod of the system to evict"
        if others := foreign_pods(field.cluster, [node.name], field.namespace):
            named = ", ".join(f"{ref.namespace}/{ref.name}" for ref in others)
            field.journal.event("note", text=f"pods of others are left on node {node.name}: {named}")
        self._state.cordon = Cordon(node)
        if reason := self._state.cordon.close(field):
            return reason
        terms = Terms(self.deadline_s, self.max_in_flight, self.grace_s)
        self._state.drain = drain = Drain(field, self._work, node, terms)
        self._work.start(field, lambda: drain.run(self.options))
        return ""

    def landed(self, field: Field) -> str:
        """Prove it: the watch shows the node cordoned, and the first eviction was answered."""
        cordon, drain = self._state.cordon, self._state.drain
        if cordon is None or drain is None or not drain.first or not cordon.closed(field):
            return ""
        return f"node {cordon.node.name} is unschedulable; first eviction: {drain.first}"

    def heal(self, field: Field) -> str:
        """Stop the drain, and open the node if we closed it. Return what could not be undone."""
        ended = self._work.stop(STOP_S)
        left = self._state.cordon.open(field) if self._state.cordon else ""
        return left if ended else f"the drain did not stop within {STOP_S:g} s; {left}".rstrip("; ")

    @property
    def _nodes(self) -> tuple[Ref, ...]:
        return tuple(ref for ref in self.targets.refs if ref.kind == "Node")
