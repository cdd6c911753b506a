"""What took a replica away, and how long the system's own spec gives it to have it back."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chaos.checks.base import timings_of
from chaos.checks.recovery.node_losses import ZoneLoss, zone_loss
from chaos.clock import NS
from chaos.history import History
from chaos.history.coverage import covered
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.history.facts.replica_counts import node_outages, workload_states
from chaos.objects.base import Raw
from chaos.objects.kinds import ReplicaSetView
from chaos.semantics import (
    Bound,
    Timings,
    Unpromised,
    node_loss_bound,
    recovery_bound,
    restart_bound,
    restarts_remembered,
)

__all__ = ["Cause", "Causes"]

NODE_NEWS_NS = 5 * NS
"""A pod and its node turn not Ready together, but the news of the two comes over different watches."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why replicas are missing, in words, and the bound for their return."""

    words: str
    bound: Bound


@dataclass(frozen=True, slots=True)
class Causes:
    """What is needed to name the cause of each loss in a trial, and its bound."""

    history: History
    timings: Timings
    workloads: tuple[tuple[int, ReplicaSetView], ...]
    outages: Mapping[str, tuple[tuple[int, int | None], ...]]
    _known: dict[tuple[object, ...], Cause] = field(default_factory=dict)

    @classmethod
    def of(cls, history: History) -> Causes:
        """Gather it from a history."""
        timings = timings_of(history)
        return cls(history, timings, workload_states(history), node_outages(history))

    def cause_of(self, life: PodLife, at_ns: int | None) -> Cause:
        """What happened to a replica that ceased to be Ready, or never did (None), and the bound for its return."""
        if at_ns is None:
            return self._once(("place", id(life.spec)), lambda: self._in_place(life.spec, 0, node_seen=True))
        spec = self._template(at_ns) or life.spec
        if life.lost_ns == at_ns:
            return self._once(("deleted", id(spec)), lambda: self._deleted(spec))
        if self.node_lost(life.node, at_ns):
            # Tolerations come from the pod itself: the API server adds them to pods, not to their template.
            lost = zone_loss(self.history, life.node, at_ns)
            return self._once(("node", id(life.spec), lost), lambda: self._with_node(life.spec, lost))
        recent = restarts_remembered(life.all_restarts_ns, at_ns, self.timings)
        seen = covered(self.history, "Node", at_ns, at_ns)
        return self._once(("place", id(spec), recent, seen), lambda: self._in_place(spec, recent, node_seen=seen))

    def _once(self, key: tuple[object, ...], make: Callable[[], Cause]) -> Cause:
        """Work a bound out once for each spec; the history keeps the specs, so that their ids stay theirs."""
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    def _deleted(self, spec: Raw) -> Cause:
        bound = recovery_bound(spec, self.timings, workload_kind=self.history.facts.workload.pods_by)
        return Cause("replacement of a deleted pod", bound)

    def _with_node(self, spec: Raw, lost: ZoneLoss) -> Cause:
        kind = self.history.facts.workload.pods_by
        bound = node_loss_bound(spec, self.timings, workload_kind=kind, nodes=lost.nodes, rate=lost.rate)
        return Cause("replacement after the loss of a node", bound)

    def _in_place(self, spec: Raw, recent: int, *, node_seen: bool) -> Cause:
        bound = restart_bound(spec, self.timings, restarts=recent)
        if not node_seen:
            unseen = Unpromised("ready", "nodes were not watched, so the pod's node may have been lost")
            bound = Bound(bound.parts, (*bound.unpromised, unseen))
        return Cause("restart in place", bound)

    def node_lost(self, node: str, at_ns: int) -> bool:
        """Whether the node was lost about that moment."""
        return any(
            begin_ns <= at_ns + NODE_NEWS_NS and (end_ns is None or end_ns >= at_ns - NODE_NEWS_NS)
            for begin_ns, end_ns in self.outages.get(node, ())
        )

    def growth(self, at_ns: int) -> Cause:
        """The cause where no replica was lost: more are desired, and new ones are on their way."""
        spec = self._template(at_ns)
        kind = self.history.facts.workload.pods_by
        return Cause("new replicas", recovery_bound(spec, self.timings, workload_kind=kind))

    def _template(self, at_ns: int) -> Raw:
        """The pod spec that the workload gave its pods at a moment, empty if it was not seen by then or has none."""
        place = bisect_right(self.workloads, at_ns, key=lambda state: state[0])
        spec = self.workloads[place - 1][1].pod_spec if place else {}
        return spec if spec.get("containers") else {}
