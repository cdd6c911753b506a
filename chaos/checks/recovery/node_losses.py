"""Nodes that were lost: whose power was taken, as the journal tells it, and how soon their zone is evicted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chaos.checks.base import timings_of
from chaos.clock import NS
from chaos.history import Fault, History
from chaos.history.cache import once
from chaos.history.coverage import covered
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import node_outages
from chaos.history.facts.templates import as_admitted, keeps_template, template_at
from chaos.objects.base import Raw
from chaos.objects.kinds import NodeView
from chaos.semantics import (
    Bound,
    Part,
    Timings,
    Unpromised,
    eviction_rates,
    node_loss_bound,
    recovery_bound,
    restart_bound,
    restarts_remembered,
)
from chaos.semantics.node_loss import NOT_READY, UNREACHABLE
from chaos.semantics.recovery_bounds import AT_ONCE, termination_part

__all__ = [
    "NODE_NEWS_NS",
    "Cause",
    "Causes",
    "NodeLoss",
    "ZoneLoss",
    "ended_by_kubelet",
    "is_member",
    "kubelet_part",
    "lost_taints",
    "node_losses",
    "zone_loss",
]

ZONE = "topology.kubernetes.io/zone"
OFF, ON = ("node-off", "power-off"), ("node-on", "power-on")
"""The actions, and what records of before called them."""

TOGETHER_NS = 5 * NS
"""Nodes that are lost together are NotReady within so much of each other."""

NODE_NEWS_NS = 5 * NS
"""What becomes of a node becomes of its pods with it, but the news of the two comes over different watches."""


@dataclass(frozen=True, slots=True)
class ZoneLoss:
    """How many nodes of one zone were lost together, and how many a second are then tainted (None: as usual)."""

    nodes: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class NodeLoss:
    """One node that was lost on purpose.

    Attributes:
        begin_ns: from when on its power may have been gone.
        off_ns: from when on it was gone for certain.
        on_ns: when it began to get it back; None: never.
        unready_ns: when the API server said that it is NotReady; None: it never did.
        zone: what its zone lost with it.
    """

    node: str
    fault: Fault
    begin_ns: int
    off_ns: int
    on_ns: int | None
    unready_ns: int | None
    zone: ZoneLoss

    def held(self, lives: tuple[PodLife, ...]) -> tuple[PodLife, ...]:
        """The replicas that were on it when it was lost."""
        return tuple(
            life
            for life in lives
            if life.node == self.node
            and life.created_ns < self.begin_ns
            and (life.left_ns is None or life.left_ns > self.begin_ns)
        )


@once
def node_losses(history: History) -> tuple[NodeLoss, ...]:
    """Every node that a fault of this trial took down, if that fault landed."""
    faults = {fault.id: fault for fault in history.faults if fault.landed_ns is not None}
    offs = [one for one in history.actions if one.name in OFF and one.outcome != "fail" and one.fault in faults]
    named = {(one.fault, one.target.name) for one in offs}
    losses = []
    for off in offs:
        fault = faults[str(off.fault)]
        ons = (
            one.begin_ns
            for one in history.actions
            if one.name in ON and (one.fault, one.target.name) == (off.fault, off.target.name)
        )
        outages = node_outages(history).get(off.target.name, ())
        unready_ns = next((begin for begin, _ in outages if begin >= off.begin_ns), None)
        # Others that fall with it, by whatever cause, count for their zone as well.
        zones = _zones(history, off.begin_ns if unready_ns is None else unready_ns + TOGETHER_NS)
        before = _zones(history, off.begin_ns)
        fell = {name for name, (_, ready) in zones.items() if not ready and before.get(name, ("", False))[1]}
        down = fell | {name for id_, name in named if id_ == off.fault}
        losses.append(
            NodeLoss(
                node=off.target.name,
                fault=fault,
                begin_ns=off.begin_ns,
                off_ns=off.end_ns or off.begin_ns,
                on_ns=min((at_ns for at_ns in ons if at_ns > off.begin_ns), default=None),
                unready_ns=unready_ns,
                zone=_zone_loss(history, zones, off.target.name, down),
            )
        )
    return tuple(losses)


def zone_loss(history: History, node: str, at_ns: int) -> ZoneLoss:
    """What a node's zone lost with it: by the fault that took it, or else by what was NotReady about that moment."""
    taken = [loss for loss in node_losses(history) if loss.node == node and is_member(loss, at_ns)]
    if taken:
        return taken[-1].zone
    zones = _zones(history, at_ns + TOGETHER_NS)
    if node not in zones:
        return ZoneLoss(1, None)
    return _zone_loss(history, zones, node, {node, *(name for name, (_, ready) in zones.items() if not ready)})


def lost_taints(history: History, node: str, at_ns: int) -> tuple[str, ...]:
    """The taints of a node that was lost about a moment, by what its Ready condition said while it was.

    `False`, which its kubelet says (its runtime or network is down): not-ready; `Unknown`, as nobody hears of it:
    unreachable (pkg/controller/nodelifecycle: `processTaintBaseEviction`).
    """
    found: dict[str, None] = {}
    for begin_ns, end_ns in node_outages(history).get(node, ()):
        if begin_ns <= at_ns + NODE_NEWS_NS and (end_ns is None or end_ns >= at_ns - NODE_NEWS_NS):
            states = (event for event in history.watch if event.kind == "Node" and not event.gone)
            inside = (one for one in states if begin_ns <= one.at_ns and (end_ns is None or one.at_ns < end_ns))
            views = (view for one in inside if (view := NodeView(one.object)).name == node)
            found |= dict.fromkeys(NOT_READY if view.ready_status == "False" else UNREACHABLE for view in views)
    return tuple(found)


def _zone_loss(history: History, zones: dict[str, tuple[str, bool]], node: str, down: set[str]) -> ZoneLoss:
    zone = zones.get(node, ("", True))[0]
    nodes = sum(zones.get(name, ("", True))[0] == zone for name in down)
    timings = timings_of(history)
    return ZoneLoss(max(1, nodes), eviction_rates(_counts(zones, down), timings).get(zone, 0.0))


def is_member(loss: NodeLoss, at_ns: int) -> bool:
    """Whether the node was without power at a moment."""
    return loss.begin_ns <= at_ns and (loss.on_ns is None or at_ns < loss.on_ns)


def _zones(history: History, at_ns: int) -> dict[str, tuple[str, bool]]:
    """For each node that was there at a moment: its zone, empty if it names none, and whether it was Ready."""
    zones: dict[str, tuple[str, bool]] = {}
    for event in history.watch:
        if event.kind != "Node" or event.at_ns > at_ns:
            continue
        node = NodeView(event.object)
        if event.type in ("DELETED", "VANISHED"):
            zones.pop(node.name, None)
        else:
            zones[node.name] = (node.labels.get(ZONE, ""), node.ready)
    return zones


def _counts(zones: dict[str, tuple[str, bool]], down: set[str]) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for name, (zone, ready) in zones.items():
        well = ready and name not in down
        up, lost = counts.get(zone, (0, 0))
        counts[zone] = (up + well, lost + (not well))
    return counts


def ended_by_kubelet(life: PodLife, at_ns: int | None) -> bool:
    """Whether a replica that ceased to be Ready then was ended by its kubelet, and was not Ready again before."""
    again = at_ns is not None and any(begin_ns > at_ns for begin_ns, _ in life.ready_spans)
    return at_ns is not None and life.ended_by_kubelet and not again


def kubelet_part(spec: Raw, workload_kind: str) -> tuple[Part, ...]:
    """What its replacement waits for: its end, unless its owner waits for that anyway."""
    why = "nothing replaces a pod that its kubelet ends before it has ended"
    return (termination_part(spec, why),) if workload_kind in AT_ONCE else ()


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
    _known: dict[tuple[object, ...], Cause] = field(default_factory=dict)
    _specs: dict[tuple[int, int], Raw] = field(default_factory=dict)

    @classmethod
    def of(cls, history: History) -> Causes:
        return cls(history, timings_of(history))

    def cause_of(self, life: PodLife, at_ns: int | None, *, held_ns: int | None = None) -> Cause:
        """What happened to a replica that ceased to be Ready, or never did (None), and the bound for its return.

        `held_ns`: until when a fault held it; a restart after that waits for those before, too.
        """
        kind = self.history.facts.workload.pods_by
        if at_ns is None:
            return self._once("restart in place", life.spec, (0, True), lambda: self._in_place(life.spec, 0))
        spec = self._own(at_ns, life, anew=True)
        if life.left_ns == at_ns:
            deleted = "replacement of a deleted pod" if life.lost_ns == at_ns else "replacement of a failed pod"
            return self._once(deleted, spec, None, lambda: recovery_bound(spec, self.timings, workload_kind=kind))
        if ended_by_kubelet(life, at_ns):
            words, part = "replacement of a pod that its kubelet ended", kubelet_part(life.spec, kind)
            bound = recovery_bound(spec, self.timings, workload_kind=kind)
            return self._once(words, spec, None, lambda: bound.after(*part))
        if self.node_lost(life.node, at_ns):
            # Tolerations come from the pod itself: the API server adds them to pods, not to their template.
            spec, lost = life.spec, zone_loss(self.history, life.node, at_ns)
            taints = lost_taints(self.history, life.node, at_ns)
            return self._once(
                "replacement after the loss of a node",
                spec,
                (lost, taints),
                lambda: node_loss_bound(
                    spec, self.timings, workload_kind=kind, nodes=lost.nodes, rate=lost.rate, taints=taints
                ),
            )
        spec = self._own(at_ns, life, anew=False)
        recent = restarts_remembered(life.all_restarts_ns, held_ns or at_ns, self.timings)
        seen = covered(self.history, "Node", at_ns, at_ns)
        return self._once(
            "restart in place", spec, (recent, seen), lambda: self._in_place(spec, recent, node_seen=seen)
        )

    def _once(self, words: str, spec: Raw, key: object, bound: Callable[[], Bound]) -> Cause:
        """Work a bound out once for each spec; the history keeps the specs, so that their ids stay theirs."""
        known = (words, id(spec), key)
        if known not in self._known:
            self._known[known] = Cause(words, bound())
        return self._known[known]

    def _in_place(self, spec: Raw, recent: int, *, node_seen: bool = True) -> Bound:
        bound = restart_bound(spec, self.timings, restarts=recent)
        if node_seen:
            return bound
        unseen = Unpromised("ready", "nodes were not watched, so the pod's node may have been lost")
        return Bound(bound.parts, (*bound.unpromised, unseen))

    def node_lost(self, node: str, at_ns: int) -> bool:
        """Whether the node was lost about that moment."""
        return any(
            begin_ns <= at_ns + NODE_NEWS_NS and (end_ns is None or end_ns >= at_ns - NODE_NEWS_NS)
            for begin_ns, end_ns in node_outages(self.history).get(node, ())
        )

    def growth(self, at_ns: int, pod: PodLife | None = None) -> Cause:
        """The cause where no replica was lost: more are desired, and new ones are on their way, e.g. that pod."""
        like = pod or next(iter(pod_lives(self.history)), None)
        spec = template_at(self.history, at_ns) if like is None else self._spec(at_ns, like)
        spec = spec if pod is None else self._own(at_ns, pod, anew=True)
        kind = self.history.facts.workload.pods_by
        return Cause("new replicas", recovery_bound(spec, self.timings, workload_kind=kind))

    def _own(self, at_ns: int, life: PodLife, *, anew: bool) -> Raw:
        """The spec with which it is restarted, or made `anew`: its own where that is of another template, and stays."""
        return life.spec if keeps_template(self.history, life, at_ns, anew=anew) else self._spec(at_ns, life)

    def _spec(self, at_ns: int, like: PodLife) -> Raw:
        """The template's pod spec at a moment with what admission added to such a pod; that one's own without any."""
        template = template_at(self.history, at_ns)
        if not template:  # a workload without one of its own, e.g. a custom one
            return like.spec
        return self._specs.setdefault((id(template), id(like.spec)), as_admitted(template, like.spec))
