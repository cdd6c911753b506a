"""Nodes that were lost: whose power was taken, as the journal tells it, and how soon their zone is evicted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chaos.checks.base import timings_of
from chaos.clock import NS, seconds
from chaos.history import Fault, History
from chaos.history.cache import once
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.history.facts.replica_counts import node_outages
from chaos.objects.kinds import NodeView
from chaos.semantics import (
    eviction_rates,
)
from chaos.semantics.node_loss import ALONE, NOT_READY, UNREACHABLE, LostNode, tainted_within_s, toleration_s

__all__ = [
    "NODE_NEWS_NS",
    "LostNode",
    "NodeLoss",
    "is_member",
    "lost_node",
    "node_losses",
]

REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
"""The labels by which nodes are of one zone, both of them (component-helpers: `GetZoneKey`)."""

OFF, ON = ("node-off", "power-off"), ("node-on", "power-on")
"""The actions, and what records of before called them."""

NOWHERE = ("/", True)
"""What is taken of a node that was never seen: Ready, in the zone of those that name none."""

TOGETHER_NS = 5 * NS
"""Nodes that are lost together are NotReady within so much of each other."""

NODE_NEWS_NS = 5 * NS
"""What becomes of a node becomes of its pods with it, but the news of the two comes over different watches."""


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
    zone: LostNode

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


def lost_node(history: History, life: PodLife, at_ns: int) -> LostNode:
    """How a replica's node was lost about a moment."""
    taints = _taints(history, life.node, at_ns)
    return replace(_of_zone(history, life, at_ns, taints), taints=taints, removed_s=_removed_s(history, life, at_ns))


def _of_zone(history: History, life: PodLife, at_ns: int, taints: tuple[str, ...]) -> LostNode:
    """What its zone lost with it: by the fault that took it, or else by what was NotReady then.

    Further nodes count that were lost before its own had to be tainted, and those of all zones until it had to go: then
    the controller takes its taints back (pkg/controller/nodelifecycle: `handleDisruption`).
    """
    taken = [loss for loss in node_losses(history) if loss.node == life.node and is_member(loss, at_ns)]
    zones, tolerated_s = _zones(history, at_ns + TOGETHER_NS), toleration_s(life.spec, timings_of(history), *taints)
    if not taken and life.node not in zones:
        return ALONE
    found = taken[-1].zone if taken else _zone_loss(history, zones, life.node, {life.node, *_not_ready(zones)})
    rate = found.rate or 0.0
    tainted_ns = at_ns + round((tainted_within_s(found.nodes, rate) or 0.0) * NS)
    gone_ns = tainted_ns + round((tolerated_s or 0.0) * NS)
    for begin_ns in sorted(begin for spans in node_outages(history).values() for begin, _ in spans):
        if not at_ns < begin_ns <= gone_ns:
            continue
        zones = _zones(history, begin_ns)
        later = _zone_loss(history, zones, life.node, _not_ready(zones))
        none_left = len(_not_ready(zones)) == len(zones)
        if none_left or (begin_ns <= tainted_ns and (later.rate or 0.0) < rate):
            return later
    return found


def _not_ready(zones: dict[str, tuple[str, bool]]) -> set[str]:
    return {name for name, (_, ready) in zones.items() if not ready}


def _removed_s(history: History, life: PodLife, at_ns: int) -> float | None:
    """How long after a moment the object of a replica's node was removed, while the replica was still there."""
    nodes = (
        (event.at_ns, NodeView(event.object).name) for event in history.watch if event.kind == "Node" and event.gone
    )
    until_ns = history.ended_ns if life.left_ns is None or life.left_ns <= at_ns else life.left_ns
    own = (gone_ns for gone_ns, name in nodes if name == life.node)
    removed_ns = next((gone_ns for gone_ns in own if at_ns - NODE_NEWS_NS <= gone_ns <= until_ns), None)
    return None if removed_ns is None else max(0.0, seconds(removed_ns - at_ns))


def _taints(history: History, node: str, at_ns: int) -> tuple[str, ...]:
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


def _zone_loss(history: History, zones: dict[str, tuple[str, bool]], node: str, down: set[str]) -> LostNode:
    zone = zones.get(node, NOWHERE)[0]
    nodes = sum(zones.get(name, NOWHERE)[0] == zone for name in down)
    timings = timings_of(history)
    return LostNode(max(1, nodes), eviction_rates(_counts(zones, down), timings).get(zone, 0.0))


def is_member(loss: NodeLoss, at_ns: int) -> bool:
    """Whether the node was without power at a moment."""
    return loss.begin_ns <= at_ns and (loss.on_ns is None or at_ns < loss.on_ns)


def _zones(history: History, at_ns: int) -> dict[str, tuple[str, bool]]:
    """For each node that was there at a moment: its zone, and whether it was Ready."""
    zones: dict[str, tuple[str, bool]] = {}
    for known_ns, name, state in _node_states(history):
        if known_ns > at_ns:
            break
        if state is None:
            zones.pop(name, None)
        else:
            zones[name] = state
    return zones


@once
def _node_states(history: History) -> tuple[tuple[int, str, tuple[str, bool] | None], ...]:
    """Each change of a node's zone, or of its being Ready or there at all, in order."""
    found: list[tuple[int, str, tuple[str, bool] | None]] = []
    last: dict[str, tuple[str, bool] | None] = {}
    for event in history.watch:
        if event.kind != "Node":
            continue
        node = NodeView(event.object)
        zone = "/".join(str(node.labels.get(label) or "") for label in (REGION, ZONE))
        state = None if event.gone else (zone, node.ready)
        if last.get(node.name, ()) != state:
            found.append((event.at_ns, node.name, state))
        last[node.name] = state
    return tuple(found)


def _counts(zones: dict[str, tuple[str, bool]], down: set[str]) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for name, (zone, ready) in zones.items():
        well = ready and name not in down
        up, lost = counts.get(zone, (0, 0))
        counts[zone] = (up + well, lost + (not well))
    return counts
