"""What a pod demands of other pods' places: topology spread (DoNotSchedule) and required pod (anti-)affinity.

Follows the scheduler's PodTopologySpread and InterPodAffinity filters. Affinity that selects namespaces by labels is
not modelled (`Shape.unknown` says so), `namespaceSelector: {}` is: all namespaces.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaos.history.objects import Raw, matches
from chaos.plan.shapes import CORDON, Shape, tolerates
from chaos.plan.world import Identity, Node, World

__all__ = ["Barrier", "Crowd", "Move"]

HONOR = "Honor"

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
class _Term:
    """Some pods, and the label that says which nodes are one place. `namespaces` None are all."""

    namespaces: frozenset[str] | None
    selector: str
    topology: str


class Crowd:
    """The pods that are where they are. Counts are kept, because many placements ask for the same."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._matching: dict[tuple[_Term, Identity], bool] = {}
        self._per_node: dict[_Term, Counter[str]] = {}
        self._anti: dict[tuple[Shape, Identity], tuple[_Term, ...]] = {}
        self._holders: dict[_Term, Counter[str]] = {}
        for pod in world.active:
            for term in self._anti_terms(pod.shape, pod.identity):
                self._holders.setdefault(term, Counter())[pod.node] += 1

    def barrier(
        self, shape: Shape, identity: Identity, moves: Iterable[Move], closed: frozenset[str]
    ) -> Barrier | None:
        """What keeps a pod from nodes after these moves, None if nothing does. `closed` nodes are cordoned by us."""
        moved = tuple(moves)
        rules = [
            *(self._spread(one, shape, identity, moved, closed) for one in shape.spread),
            *self._apart(shape, identity, moved),
            *self._beside(shape, identity, moved),
        ]
        if not rules:
            return None
        return lambda node: next((words for rule in rules if (words := rule(node))), "")

    def only_by_host(self, shape: Shape, identity: Identity) -> bool:
        """Whether a pod put somewhere can shut this one out of one node at most: the demands are of hosts alone."""
        if shape.spread or shape.affinity.get("podAffinity"):
            return False
        own = self._anti_terms(shape, identity)
        theirs = [term for term in self._holders if self._matches(term, identity)]
        return all(term.topology == "kubernetes.io/hostname" for term in (*own, *theirs))

    # --- topology spread ----------------------------------------------------------------------------------------

    def _spread(
        self, rule: Raw, shape: Shape, identity: Identity, moves: tuple[Move, ...], closed: frozenset[str]
    ) -> Barrier:
        """The skew that a pod on a node would make, in the nodes that count by the rule's policies."""
        term = _Term(frozenset({identity[0]}), _selector(rule, identity), str(rule["topologyKey"]))
        counted = [node for node in self._world.nodes.values() if _counts(rule, shape, node, closed)]
        here = self._moved(self._count(term), term, moves)
        places: Counter[str] = Counter()
        for node in counted:
            places[node.labels[term.topology]] += here[node.name]
        least = min(places.values(), default=0)
        if rule.get("minDomains") and len(places) < int(rule["minDomains"]):
            least = 0
        itself = int(self._matches(term, identity))
        skew_max = int(rule.get("maxSkew", 1))
        words = f"spread over {term.topology} (maxSkew {skew_max})"

        def barrier(node: Node) -> str:
            place = node.labels.get(term.topology)
            return words if place is None or places[place] + itself - least > skew_max else ""

        return barrier

    # --- affinity -----------------------------------------------------------------------------------------------

    def _apart(self, shape: Shape, identity: Identity, moves: tuple[Move, ...]) -> Iterator[Barrier]:
        """Anti-affinity: its own, and that of the pods that are there."""
        for term in self._anti_terms(shape, identity):
            yield self._away_from(term, self._moved(self._count(term), term, moves))
        for term, holders in self._holders.items():
            if self._matches(term, identity):
                there = Counter(holders)
                for move in moves:
                    if term in self._anti_terms(move.shape, move.identity):
                        there[move.node] += move.sign
                yield self._away_from(term, there)

    def _away_from(self, term: _Term, there: Mapping[str, int]) -> Barrier:
        taken = {self._place(term, name) for name, count in there.items() if count > 0} - {None}
        return lambda node: "pod anti-affinity" if node.labels.get(term.topology) in taken else ""

    def _beside(self, shape: Shape, identity: Identity, moves: tuple[Move, ...]) -> Iterator[Barrier]:
        for raw in shape.affinity.get("podAffinity") or ():
            term = _term(raw, identity)
            there = self._moved(self._count(term), term, moves)
            places = {self._place(term, name) for name, count in there.items() if count > 0} - {None}
            # the first of a group that wants to be together may go anywhere that has the label
            first = not places and self._matches(term, identity)
            yield _near(term.topology, places, first=first)

    def _anti_terms(self, shape: Shape, identity: Identity) -> tuple[_Term, ...]:
        if not shape.affinity.get("podAntiAffinity"):
            return ()
        found = self._anti.get((shape, identity))
        if found is None:
            terms = tuple(_term(raw, identity) for raw in shape.affinity["podAntiAffinity"])
            found = self._anti[shape, identity] = terms
        return found

    # --- counting -----------------------------------------------------------------------------------------------

    def _place(self, term: _Term, node: str) -> str | None:
        found = self._world.nodes.get(node)
        return None if found is None else found.labels.get(term.topology)

    def _count(self, term: _Term) -> Counter[str]:
        """How many pods of the term each node has, at the start."""
        found = self._per_node.get(term)
        if found is None:
            found = Counter()
            for identity, nodes in self._world.identities.items():
                if self._matches(term, identity):
                    found.update(nodes)
            self._per_node[term] = found
        return found

    def _moved(self, base: Counter[str], term: _Term, moves: tuple[Move, ...]) -> Counter[str]:
        matching = [move for move in moves if self._matches(term, move.identity)]
        if not matching:
            return base
        there = Counter(base)
        for move in matching:
            there[move.node] += move.sign
        return there

    def _matches(self, term: _Term, identity: Identity) -> bool:
        found = self._matching.get((term, identity))
        if found is None:
            inside = term.namespaces is None or identity[0] in term.namespaces
            selector: Any = json.loads(term.selector)
            found = inside and selector is not None and matches(selector, dict(identity[1]))
            self._matching[term, identity] = found
        return found


def _near(topology: str, places: set[str | None], *, first: bool) -> Barrier:
    def barrier(node: Node) -> str:
        place = node.labels.get(topology)
        return "" if place is not None and (first or place in places) else "pod affinity"

    return barrier


def _counts(rule: Raw, shape: Shape, node: Node, closed: frozenset[str]) -> bool:
    """Whether a node is among those over which the rule spreads (nodeAffinityPolicy, nodeTaintsPolicy)."""
    if any(one["topologyKey"] not in node.labels for one in shape.spread):
        return False
    if rule.get("nodeAffinityPolicy", HONOR) == HONOR and not shape.selects(node.name, node.labels):
        return False
    if rule.get("nodeTaintsPolicy") != HONOR:
        return True
    return not shape.shut_out(node.taints) and (node.name not in closed or tolerates(shape.tolerations, CORDON))


def _term(raw: Raw, identity: Identity) -> _Term:
    namespaces = frozenset(raw.get("namespaces") or ([] if raw.get("namespaceSelector") is not None else [identity[0]]))
    everywhere = raw.get("namespaceSelector") == {}
    return _Term(None if everywhere else namespaces, _selector(raw, identity), str(raw["topologyKey"]))


def _selector(raw: Raw, identity: Identity) -> str:
    """The label selector, with the pod's own values of `matchLabelKeys` in it; `null` selects nothing."""
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
    return json.dumps(
        {**selector, "matchExpressions": [*(selector.get("matchExpressions") or ()), *own]}, sort_keys=True
    )
