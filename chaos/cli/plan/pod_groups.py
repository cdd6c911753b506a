"""Groups of pods that a rule speaks of: which pods are in one, and how many each node has."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from chaos.cli.plan.index import Identity, World
from chaos.cli.plan.pod_shape import Shape
from chaos.objects.base import Raw, matches

__all__ = ["Groups", "Term"]


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """Some pods, and the label that says which nodes are one place. `namespaces` None are all.

    There is one object for each such group, so that they compare fast.
    """

    namespaces: frozenset[str] | None
    selector: Raw | None
    topology: str


class Groups:
    """The groups of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._terms: dict[tuple[frozenset[str] | None, str, str], Term] = {}
        self._of: dict[tuple[Shape, Identity, str], tuple[Term, ...]] = {}
        self._matching: dict[tuple[Term, Identity], bool] = {}
        self._counts: dict[Term, Counter[str]] = {}

    def of_spread(self, rule: Raw, identity: Identity) -> Term:
        """The pods over which a topology spread rule counts."""
        return self._term(frozenset({identity[0]}), _selector(rule, identity), str(rule["topologyKey"]))

    def of_affinity(self, shape: Shape, identity: Identity, kind: str) -> tuple[Term, ...]:
        """The pods that a pod's required `podAffinity` or `podAntiAffinity` speaks of."""
        raws = shape.affinity.get(kind)
        if not raws:
            return ()
        key = (shape, identity, kind)
        found = self._of.get(key)
        if found is None:
            found = self._of[key] = tuple(self._affine(raw, identity) for raw in raws)
        return found

    def matches(self, term: Term, identity: Identity) -> bool:
        """Whether a pod is in the group."""
        found = self._matching.get((term, identity))
        if found is None:
            inside = term.namespaces is None or identity[0] in term.namespaces
            found = inside and term.selector is not None and matches(term.selector, dict(identity[1]))
            self._matching[term, identity] = found
        return found

    def count(self, term: Term) -> Counter[str]:
        """How many pods of the group each node has, at the start."""
        found = self._counts.get(term)
        if found is None:
            found = Counter()
            for identity, nodes in self._world.identities.items():
                if self.matches(term, identity):
                    found.update(nodes)
            self._counts[term] = found
        return found

    def _affine(self, raw: Raw, identity: Identity) -> Term:
        chosen = raw.get("namespaceSelector")
        own = [identity[0]] if chosen is None else []
        namespaces = None if chosen == {} else frozenset(raw.get("namespaces") or own)
        return self._term(namespaces, _selector(raw, identity), str(raw["topologyKey"]))

    def _term(self, namespaces: frozenset[str] | None, selector: Any, topology: str) -> Term:
        key = (namespaces, json.dumps(selector, sort_keys=True), topology)
        found = self._terms.get(key)
        if found is None:
            found = self._terms[key] = Term(namespaces, selector, topology)
        return found


def _selector(raw: Raw, identity: Identity) -> dict[str, Any] | None:
    """The label selector with the pod's own values of `matchLabelKeys` in it; None selects nothing."""
    selector = raw.get("labelSelector")
    if selector is None:
        return None
    labels = dict(identity[1])
    own = [
        {"key": key, "operator": operator, "values": [labels[key]]}
        for name, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in raw.get(name) or ()
        if key in labels
    ]
    return {**selector, "matchExpressions": [*(selector.get("matchExpressions") or ()), *own]}
