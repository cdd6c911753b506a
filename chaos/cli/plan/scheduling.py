"""Where a replacement goes: a node that fits, chosen roughly as the scheduler would, or why there is none.

The scheduler's scoring is not modelled. So a place that is found may be another than the real one; and that there is
none is sure only where no other choice for the earlier ones could have helped.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from chaos.cli.plan.index import ClusterIndex, Identity, Node
from chaos.cli.plan.pod_affinity import Barrier, Move, PodAffinity
from chaos.cli.plan.pod_shape import Shape
from chaos.semantics.scheduling import CORDON, fits_terms, shut_out, tolerates

__all__ = ["Homeless", "Room", "Taken"]

Used = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Homeless:
    """A replacement for which no place is found, and why. `sure`: none can be found, whatever the scheduler prefers.

    `volume`: because a volume of it is on nodes that are closed.
    """

    words: str
    sure: bool
    volume: bool = False


@dataclass(slots=True)
class Taken:
    """What has changed since the start: nodes closed, pods that came and went, room taken by those that came."""

    closed: frozenset[str]
    moves: list[Move] = field(default_factory=list)
    used: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    asked: list[Shape] = field(default_factory=list)

    def leave(self, shape: Shape, identity: Identity, node: str) -> None:
        """A pod leaves a closed node, whose room nobody may have."""
        self.moves.append(Move(identity, shape, node, -1))

    def come(self, shape: Shape, identity: Identity, node: str) -> None:
        """A pod comes to a node."""
        self.moves.append(Move(identity, shape, node, +1))
        self.used[node].update(shape.requests)

    def only(self, shape: Shape) -> Taken:
        """The same without those that came and are of another shape."""
        kept = Taken(self.closed, [move for move in self.moves if move.sign < 0])
        for move in self.moves:
            if move.sign > 0 and move.shape is shape:
                kept.come(move.shape, move.identity, move.node)
        return kept


class Room:
    """The places that are left."""

    def __init__(self, cluster: ClusterIndex) -> None:
        self._cluster = cluster
        self._affinity = PodAffinity(cluster)
        self._fits = cache(self._fitting)
        self.always = cache(self._count_always)

    def place(self, shape: Shape, identity: Identity, taken: Taken) -> str | Homeless:
        """Find a node for one more pod and take its room; return the node's name, or why there is none."""
        taken.asked.append(shape)
        if shape.unknown:
            return Homeless(shape.unknown[0], sure=False)
        found = self._find(shape, identity, taken)
        if found is None:
            return self._nowhere(shape, identity, taken)
        taken.come(shape, identity, found)
        return found

    def _count_always(self, shape: Shape, identity: Identity) -> int:
        """How many nodes would do at the start, each of which a pod that comes before can spoil alone.

        While more nodes than that come and go, a place is sure whatever the scheduler prefers. 0: nobody can say.
        """
        return 0 if shape.unknown else self._affinity.always(shape, identity, self._fits(shape))

    def _find(self, shape: Shape, identity: Identity, taken: Taken) -> str | None:
        nodes = self._fits(shape)
        if not nodes:
            return None
        barrier = self._affinity.barrier(shape, identity, taken.moves, taken.closed)
        begin = len(taken.asked) % len(nodes)
        for number in range(len(nodes)):
            node = nodes[(begin + number) % len(nodes)]
            if node.name in taken.closed or (node.name in taken.used and _short(node, shape, taken.used)):
                continue
            if barrier is None or not barrier(node):
                return node.name
        return None

    def _fitting(self, shape: Shape) -> list[Node]:
        """The nodes that would take such a pod at the start, other pods' rules aside; the emptiest first."""
        found = (node for node in self._cluster.nodes.values() if _lets_in(shape, node) and not _short(node, shape, {}))
        return sorted(found, key=lambda node: -node.left("cpu"))

    def _nowhere(self, shape: Shape, identity: Identity, taken: Taken) -> Homeless:
        words = self._counted(shape, identity, taken)
        if shape.preempts and shape.priority > self._cluster.priority_min:
            return Homeless(f"{words}; it might preempt pods of lower priority", sure=False)
        opened = [node for node in self._cluster.nodes.values() if node.name not in taken.closed]
        volumes = shape.terms[len(shape.terms) - len(shape.volumes) :]
        volume = bool(volumes) and not any(
            all(fits_terms(terms, node.name, node.labels) for terms in volumes) for node in opened
        )
        sure = self._find(shape, identity, taken.only(shape)) is None or self._too_much(taken)
        return Homeless(words if sure else f"{words}; another choice of places might do", sure, volume)

    def _too_much(self, taken: Taken) -> bool:
        """Whether all that was asked for exceeds, in some resource, all that is left on the nodes that would do."""
        shapes = [shape for shape in taken.asked if not shape.unknown]
        nodes = {
            node.name: node
            for shape in dict.fromkeys(shapes)
            for node in self._cluster.nodes.values()
            if node.name not in taken.closed and _lets_in(shape, node)
        }
        asked: Counter[str] = Counter()
        for shape in shapes:
            asked.update(shape.requests)
        return any(
            amount > sum(max(0, node.left(resource)) for node in nodes.values()) for resource, amount in asked.items()
        )

    def _counted(self, shape: Shape, identity: Identity, taken: Taken) -> str:
        """How many nodes do not do for which reason, as the scheduler's own message counts them."""
        barrier = self._affinity.barrier(shape, identity, taken.moves, taken.closed)
        reasons = Counter(_objection(node, shape, taken, barrier) for node in self._cluster.nodes.values())
        counts = ", ".join(f"{count} {words}" for words, count in reasons.most_common())
        return f"0 of {len(self._cluster.nodes)} nodes fit: {counts}"


def _lets_in(shape: Shape, node: Node) -> bool:
    return not shut_out(node.taints, shape.tolerations) and shape.selects(node.name, node.labels)


def _short(node: Node, shape: Shape, used: Used) -> str | None:
    """The first resource of which too little is left."""
    here = used.get(node.name) or {}
    for resource, amount in shape.requests.items():
        if amount > 0 and amount + here.get(resource, 0) > node.left(resource):
            return resource
    return None


def _objection(node: Node, shape: Shape, taken: Taken, barrier: Barrier | None) -> str:
    """Why this node does not do."""
    if node.name in taken.closed:
        return "drained"
    if node.cordoned and not tolerates(shape.tolerations, CORDON):
        return "cordoned"
    if not shape.selects(node.name, node.labels):
        return _misfit(node, shape)
    if shut_out(node.taints, shape.tolerations):
        return "with a taint it does not tolerate"
    short = _short(node, shape, taken.used)
    if short is not None:
        return "with as many pods as they take" if short == "pods" else f"with too little {short}"
    return (barrier(node) if barrier else "") or "of unknown reason"


def _misfit(node: Node, shape: Shape) -> str:
    volumes = shape.terms[len(shape.terms) - len(shape.volumes) :]
    for claim, terms in zip(shape.volumes, volumes, strict=True):
        if not fits_terms(terms, node.name, node.labels):
            return f"out of reach of the volume of claim {claim}"
    return "not chosen by its node selector or affinity"
