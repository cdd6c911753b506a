"""What took replicas away, and how long the system's own spec gives it to have them back."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from chaos.clock import NS
from chaos.history import Fault, History
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

__all__ = ["Cause", "Causes", "Leaving", "victims_of"]

NODE_NEWS_NS = 5 * NS
"""A pod and its node turn not Ready together, but the news of the two comes over different watches."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """A replica ceased to be Ready. `asked`: a fault took it, rather than that it fell by itself."""

    at_ns: int
    life: PodLife
    asked: bool


@dataclass(frozen=True, slots=True)
class Cause:
    """Why replicas are missing, in words, and the bound for their return."""

    words: str
    bound: Bound


@dataclass(frozen=True, slots=True)
class Causes:
    """All that took replicas away in a trial, in order of time, and what is needed to name each one's bound."""

    history: History
    timings: Timings
    leavings: tuple[Leaving, ...]
    workloads: tuple[tuple[int, ReplicaSetView], ...]
    outages: Mapping[str, tuple[tuple[int, int | None], ...]]
    _known: dict[tuple[object, ...], Cause] = field(default_factory=dict)

    @classmethod
    def of(cls, history: History, lives: tuple[PodLife, ...]) -> Causes:
        """Gather them from the lives of all replicas."""
        asked = set(_asked(history, lives))
        leavings = [Leaving(at_ns, life, (life.uid, at_ns) in asked) for life in lives for at_ns in _moments(life)]
        leavings.sort(key=lambda leaving: leaving.at_ns)
        timings = Timings.of(history.facts.raw.get("timings") or {})
        return cls(history, timings, tuple(leavings), workload_states(history), node_outages(history))

    def between(self, begin_ns: int, end_ns: int) -> tuple[Leaving, ...]:
        """The leavings of a span, both ends included."""
        first = bisect_left(self.leavings, begin_ns, key=_when)
        return self.leavings[first : bisect_right(self.leavings, end_ns, key=_when)]

    def cause_of(self, leaving: Leaving) -> Cause:
        """What happened to a replica that ceased to be Ready, and the bound for its return."""
        life, at_ns = leaving.life, leaving.at_ns
        spec = self._template(at_ns) or life.spec
        if life.lost_ns == at_ns:
            return self._once(("deleted", id(spec)), lambda: self._deleted(spec))
        if self.node_lost(life.node, at_ns):
            # Tolerations come from the pod itself: the API server adds them to pods, not to their template.
            return self._once(("node", id(life.spec)), lambda: self._with_node(life.spec))
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

    def _with_node(self, spec: Raw) -> Cause:
        bound = node_loss_bound(spec, self.timings, workload_kind=self.history.facts.workload.pods_by)
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


def victims_of(history: History, fault: Fault, lives: tuple[PodLife, ...]) -> tuple[PodLife, ...]:
    """The replicas that a fault was aimed at: by UID, or because they were on a victim node."""
    acted = [action.target for action in history.actions if action.fault == fault.id and action.outcome != "fail"]
    refs = (*fault.victims, *acted)
    uids = {ref.uid for ref in refs if ref.kind == "Pod" and ref.uid}
    nodes = {ref.name for ref in refs if ref.kind == "Node"}
    return tuple(life for life in lives if life.uid in uids or life.node in nodes)


def _asked(history: History, lives: tuple[PodLife, ...]) -> Iterator[tuple[str, int]]:
    """Where a fault took its victims: for each, by UID, the moment when it first ceased to be Ready in that fault."""
    for fault in history.faults:
        for life in victims_of(history, fault, lives):
            yield from [(life.uid, at_ns) for at_ns in _moments(life) if at_ns >= fault.begin_ns][:1]


def _moments(life: PodLife) -> tuple[int, ...]:
    return tuple(end_ns for _, end_ns in life.ready_spans if end_ns is not None)


def _when(leaving: Leaving) -> int:
    return leaving.at_ns
