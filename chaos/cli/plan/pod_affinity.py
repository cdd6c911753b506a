"""What a pod demands of other pods' places: topology spread (DoNotSchedule) and required pod (anti-)affinity.

Follows the scheduler's PodTopologySpread and InterPodAffinity filters. Affinity that selects namespaces by labels is
not modelled (`Shape.unknown` says so), `namespaceSelector: {}` is: all namespaces.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from chaos.cli.plan.index import ClusterIndex, Identity, Node
from chaos.cli.plan.pod_shape import HONOR, Shape
from chaos.objects.base import Raw, matches
from chaos.semantics.scheduling import CORDON, tolerates

__all__ = ["Barrier", "Move", "PodAffinity"]

Barrier = Callable[[Node], str]
"""Says why a node does not do, empty if it does."""


@dataclass(frozen=True, slots=True)
class Move:
    """A pod that has come to a node (+1) or left it (-1)."""

    identity: Identity
    shape: Shape
    node: str
    sign: int


@dataclass(frozen=True, slots=True)
class _Spread:
    """One rule of topology spread at the start: the nodes that count, by place, and the pods that are in each place."""

    term: Term
    counted: frozenset[str]
    sizes: Counter[str]
    places: Counter[str]
    skew_max: int
    places_min: int
    mind_taints: bool
    itself: int

    @property
    def words(self) -> str:
        """The rule, in words."""
        return f"spread over {self.term.topology} (maxSkew {self.skew_max})"

    def least(self, places: Mapping[str, int]) -> int:
        """The fewest pods that a place has; 0 while there are fewer places than `minDomains`."""
        return 0 if len(places) < self.places_min else min(places.values(), default=0)


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """Some pods, and the label that says which nodes are one place. There is one object for each such group.

    `namespaces` None are all; `selector` is a label selector as JSON.
    """

    namespaces: frozenset[str] | None
    selector: str
    topology: str


class Groups:
    """The groups of a cluster."""

    def __init__(self, cluster: ClusterIndex) -> None:
        self._cluster = cluster
        self._term = cache(Term)
        self.of_affinity = cache(self._of_affinity)
        self.matches = cache(self._matches)
        self.count = cache(self._count)

    def of_spread(self, rule: Raw, identity: Identity) -> Term:
        """The pods over which a topology spread rule counts."""
        return self._term(frozenset({identity[0]}), _selector(rule, identity), str(rule["topologyKey"]))

    def _of_affinity(self, shape: Shape, identity: Identity, kind: str) -> tuple[Term, ...]:
        """The pods that a pod's required `podAffinity` or `podAntiAffinity` speaks of."""
        return tuple(self._affine(raw, identity) for raw in shape.affinity.get(kind) or ())

    def _matches(self, term: Term, identity: Identity) -> bool:
        """Whether a pod is in the group."""
        inside = term.namespaces is None or identity[0] in term.namespaces
        selector = json.loads(term.selector)
        return inside and selector is not None and matches(selector, dict(identity[1]))

    def _count(self, term: Term) -> Counter[str]:
        """How many pods of the group each node has, at the start."""
        found: Counter[str] = Counter()
        for identity, nodes in self._cluster.identities.items():
            if self.matches(term, identity):
                found.update(nodes)
        return found

    def _affine(self, raw: Raw, identity: Identity) -> Term:
        chosen = raw.get("namespaceSelector")
        own = [identity[0]] if chosen is None else []
        namespaces = None if chosen == {} else frozenset(raw.get("namespaces") or own)
        return self._term(namespaces, _selector(raw, identity), str(raw["topologyKey"]))


def _selector(raw: Raw, identity: Identity) -> str:
    """The label selector, as JSON, with the pod's own values of `matchLabelKeys` in it; null selects nothing."""
    selector = raw.get("labelSelector")
    if selector is None:
        return "null"
    labels = dict(identity[1])
    own = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for name, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in raw.get(name) or ()
        if key in labels
    ]
    expressions = [*(selector.get("matchExpressions") or ()), *own]
    return json.dumps({**selector, "matchExpressions": expressions}, sort_keys=True)


class PodAffinity:
    """The pods that are where they are. Counts are kept, because many placements ask for the same."""

    def __init__(self, cluster: ClusterIndex) -> None:
        self._cluster = cluster
        self._groups = Groups(cluster)
        self._spread = cache(self._spreads)
        self._against = cache(self._opposing)
        self._holders: dict[Term, Counter[str]] = {}
        for pod in cluster.active:
            for term in self._groups.of_affinity(pod.shape, pod.identity, "podAntiAffinity"):
                self._holders.setdefault(term, Counter())[pod.node] += 1

    def barrier(
        self, shape: Shape, identity: Identity, moves: Iterable[Move], closed: frozenset[str]
    ) -> Barrier | None:
        """What keeps a pod from nodes after these moves, None if nothing does. `closed` nodes are cordoned by us."""
        moved = tuple(moves)
        rules = [
            *(self._even(one, moved, closed) for one in self._spread(shape, identity)),
            *self._apart(shape, identity, moved),
            *self._beside(shape, identity, moved),
        ]
        if not rules:
            return None
        return lambda node: next((words for rule in rules if (words := rule(node))), "")

    def always(self, shape: Shape, identity: Identity, fitting: Sequence[Node]) -> int:
        """How many of the nodes that fit do at the start, each of which one pod that comes can spoil, and no more.

        While fewer pods than that come, and fewer nodes than that are closed, one is sure to do. By rule:

        - Anti-affinity over hosts: a pod that comes spoils the host it comes to.
        - Spread over places of one node each, some without pods: so it does there, up to maxSkew pods.
        - Spread over larger places: the place with the fewest pods always does, so what counts is the place with the
          fewest nodes that fit.

        0 where none of this can be said.
        """
        spreads = self._spread(shape, identity)
        hosts = [one for one in spreads if max(one.sizes.values(), default=0) <= 1]
        larger = [one for one in spreads if one not in hosts]
        if len(larger) > 1 or not self._by_host(shape, identity):
            return 0
        if any(one.least(one.places) > 0 for one in hosts) or any(len(one.places) < one.places_min for one in larger):
            return 0
        apart = tuple(self._apart(shape, identity, ()))
        nodes = [
            node
            for node in fitting
            if not any(rule(node) for rule in apart)
            and all(
                one.places.get(node.labels.get(one.term.topology, ""), one.skew_max) < one.skew_max for one in hosts
            )
        ]
        if not larger:
            return len(nodes)
        per_place = Counter(node.labels.get(larger[0].term.topology) for node in nodes)
        return min((per_place[place] for place in larger[0].places), default=0)

    def _by_host(self, shape: Shape, identity: Identity) -> bool:
        """Whether all anti-affinity that concerns the pod is over hosts, and no affinity does."""
        own = self._groups.of_affinity(shape, identity, "podAntiAffinity")
        return not shape.affinity.get("podAffinity") and all(
            term.topology == "kubernetes.io/hostname" for term in (*own, *self._against(identity))
        )

    def _spreads(self, shape: Shape, identity: Identity) -> tuple[_Spread, ...]:
        return tuple(self._counted(rule, shape, identity) for rule in shape.spread)

    def _counted(self, rule: Raw, shape: Shape, identity: Identity) -> _Spread:
        term = self._groups.of_spread(rule, identity)
        counted = [
            node
            for node in self._cluster.nodes.values()
            if shape.spreads_over(rule, node.name, node.labels, node.taints)
        ]
        here = self._groups.count(term)
        sizes: Counter[str] = Counter()
        places: Counter[str] = Counter()
        for node in counted:
            sizes[node.labels[term.topology]] += 1
            places[node.labels[term.topology]] += here[node.name]
        return _Spread(
            term=term,
            counted=frozenset(node.name for node in counted),
            sizes=sizes,
            places=places,
            skew_max=int(rule.get("maxSkew", 1)),
            places_min=int(rule.get("minDomains") or 0),
            mind_taints=rule.get("nodeTaintsPolicy") == HONOR and not tolerates(shape.tolerations, CORDON),
            itself=int(self._groups.matches(term, identity)),
        )

    def _even(self, one: _Spread, moves: tuple[Move, ...], closed: frozenset[str]) -> Barrier:
        """The skew that a pod on a node would make."""
        places, gone = Counter(one.places), closed & one.counted if one.mind_taints else frozenset()
        topology, here = one.term.topology, self._groups.count(one.term)
        sizes = Counter(one.sizes) if gone else one.sizes
        for name in gone:
            place = self._cluster.nodes[name].labels[topology]
            sizes[place] -= 1
            places[place] -= here[name]
            if not sizes[place]:
                del places[place]
        for move in moves:
            if move.node in one.counted and move.node not in gone and self._groups.matches(one.term, move.identity):
                places[self._cluster.nodes[move.node].labels[topology]] += move.sign
        limit, words = one.skew_max + one.least(places) - one.itself, one.words

        def barrier(node: Node) -> str:
            place = node.labels.get(topology)
            return words if place is None or places[place] > limit else ""

        return barrier

    def _apart(self, shape: Shape, identity: Identity, moves: tuple[Move, ...]) -> Iterator[Barrier]:
        """Anti-affinity: its own, and that of the pods that are there."""
        for term in self._groups.of_affinity(shape, identity, "podAntiAffinity"):
            yield self._away_from(term, self._moved(term, moves))
        for term in self._against(identity):
            there = Counter(self._holders[term])
            for move in moves:
                if term in self._groups.of_affinity(move.shape, move.identity, "podAntiAffinity"):
                    there[move.node] += move.sign
            yield self._away_from(term, there)

    def _opposing(self, identity: Identity) -> tuple[Term, ...]:
        """The anti-affinity of pods that are there which concerns a pod like this."""
        return tuple(term for term in self._holders if self._groups.matches(term, identity))

    def _away_from(self, term: Term, there: Mapping[str, int]) -> Barrier:
        taken = self._places(term, there)
        return lambda node: "pod anti-affinity" if node.labels.get(term.topology) in taken else ""

    def _beside(self, shape: Shape, identity: Identity, moves: tuple[Move, ...]) -> Iterator[Barrier]:
        for term in self._groups.of_affinity(shape, identity, "podAffinity"):
            places = self._places(term, self._moved(term, moves))
            # the first of a group that is to be together may go anywhere that has the label
            yield _near(term.topology, places, first=not places and self._groups.matches(term, identity))

    def _places(self, term: Term, there: Mapping[str, int]) -> set[str]:
        """The places that have any."""
        nodes = self._cluster.nodes
        return {
            place
            for name, count in there.items()
            if count > 0 and (place := nodes[name].labels.get(term.topology)) is not None
        }

    def _moved(self, term: Term, moves: tuple[Move, ...]) -> Counter[str]:
        base = self._groups.count(term)
        matching = [move for move in moves if self._groups.matches(term, move.identity)]
        if not matching:
            return base
        there = Counter(base)
        for move in matching:
            there[move.node] += move.sign
        return there


def _near(topology: str, places: set[str], *, first: bool) -> Barrier:
    def barrier(node: Node) -> str:
        place = node.labels.get(topology)
        return "" if place is not None and (first or place in places) else "pod affinity"

    return barrier
