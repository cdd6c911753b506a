"""What a pod demands of a node, apart from other pods: pods of one shape are the same to the scheduler.

Modelled, as the scheduler's filters of these names do: NodeUnschedulable, TaintToleration, NodeAffinity,
NodeResourcesFit, NodePorts (any host address counts as the same), VolumeBinding for claims that are bound. A rule that
applies to a pod and is not modelled stands in `unknown`, and then nobody can tell where the pod goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.cli.plan.volume_topology import Claims
from chaos.objects.base import Raw
from chaos.objects.pod import PodView
from chaos.semantics.scheduling import fits_terms, pod_requests, shut_out

__all__ = ["CORDON", "Shape", "ShapeBook"]

CORDON: Raw = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
"""The taint that a cordoned node carries."""

SCHEDULER = "default-scheduler"


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Demands on a node. `terms` are groups of node selector terms, of each of which one must hold.

    `ties` names the claims whose volumes are among them. `unknown` says which rules that apply are not modelled.
    """

    requests: Mapping[str, int]
    selector: Mapping[str, str]
    terms: tuple[Sequence[Raw], ...]
    tolerations: Sequence[Raw]
    spread: Sequence[Raw]
    affinity: Raw
    ties: tuple[str, ...]
    priority: int
    preempts: bool
    unknown: tuple[str, ...]

    @property
    def crowded(self) -> bool:
        """Whether it makes demands on other pods' places."""
        return bool(self.spread or self.affinity)

    def selects(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether nodeSelector, required node affinity and volumes let it on a node."""
        return all(labels.get(key) == value for key, value in self.selector.items()) and all(
            fits_terms(terms, name, labels) for terms in self.terms
        )

    def shut_out(self, taints: Sequence[Raw]) -> bool:
        """Whether a taint keeps it away."""
        return shut_out(taints, self.tolerations)


class ShapeBook:
    """One `Shape` for all pods that demand the same."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._shapes: dict[str, Shape] = {}

    def of(self, pod: PodView) -> Shape:
        """The shape of a successor of this pod."""
        parts = self._parts(pod)
        key = json.dumps(parts, sort_keys=True)
        found = self._shapes.get(key)
        if found is None:
            found = self._shapes[key] = _shape(parts)
        return found

    def _parts(self, pod: PodView) -> dict[str, Any]:
        spec = pod.spec
        affinity = spec.get("affinity") or {}
        node = (affinity.get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or {}
        others = {
            kind: terms
            for kind in ("podAffinity", "podAntiAffinity")
            if (terms := (affinity.get(kind) or {}).get("requiredDuringSchedulingIgnoredDuringExecution"))
        }
        spread = [
            one
            for one in spec.get("topologySpreadConstraints") or ()
            if one.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule"
        ]
        ties = self._claims.ties(pod)
        crowded = bool(spread or others)
        return {
            "requests": pod_requests(spec),
            "selector": spec.get("nodeSelector") or {},
            "terms": node.get("nodeSelectorTerms"),
            "ties": [(tie.claim, tie.terms) for tie in ties if tie.terms],
            "tolerations": spec.get("tolerations") or [],
            "spread": spread,
            "affinity": others,
            "priority": spec.get("priority") or 0,
            "preempts": spec.get("preemptionPolicy") != "Never",
            "unknown": [*(tie.unknown for tie in ties if tie.unknown), *_unknown(spec, others)],
            # two pods whose demands on others read alike may still mean different others
            "whose": [pod.namespace, dict(pod.labels)] if crowded else [],
        }


def _shape(parts: Mapping[str, Any]) -> Shape:
    ties = [json.loads(terms) for _, terms in parts["ties"]]
    own = [] if parts["terms"] is None else [parts["terms"]]
    return Shape(
        requests=parts["requests"],
        selector=parts["selector"],
        terms=(*own, *ties),
        tolerations=parts["tolerations"],
        spread=parts["spread"],
        affinity=parts["affinity"],
        ties=tuple(claim for claim, _ in parts["ties"]),
        priority=parts["priority"],
        preempts=parts["preempts"],
        unknown=tuple(parts["unknown"]),
    )


def _unknown(spec: Raw, others: Mapping[str, Sequence[Raw]]) -> Iterator[str]:
    """Which of the pod's own rules are not modelled."""
    if spec.get("schedulerName", SCHEDULER) != SCHEDULER:
        yield f"scheduler {spec['schedulerName']} decides where it goes"
    if spec.get("resourceClaims"):
        yield "it claims devices (dynamic resource allocation)"
    if spec.get("schedulingGates"):
        yield "it has scheduling gates"
    if any(term.get("namespaceSelector") for terms in others.values() for term in terms):
        yield "its affinity selects namespaces by their labels"
