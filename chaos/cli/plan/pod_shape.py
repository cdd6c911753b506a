"""What a pod demands of a node, apart from other pods: pods of one shape are the same to the scheduler.

Modelled, as the scheduler's filters of these names do: NodeUnschedulable, TaintToleration, NodeAffinity,
NodeResourcesFit, NodePorts (any host address counts as the same), VolumeBinding for claims that are bound. A rule that
applies to a pod and is not modelled is in `unknown`, and then nobody can tell where the pod goes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.cli.plan.listing import Listing
from chaos.objects.base import Raw, View
from chaos.objects.pod import PodView
from chaos.semantics.scheduling import fits_terms, pod_requests, shut_out

__all__ = ["HONOR", "Claims", "Shape", "ShapeBook"]

HONOR = "Honor"
SCHEDULER = "default-scheduler"


ONE_NODE = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})


@dataclass(frozen=True, slots=True)
class VolumeRule:
    """What a volume demands of a node: one of the terms of its affinity, as JSON; or why that cannot be told."""

    claim: str
    terms: str = ""
    unknown: str = ""


@dataclass(slots=True)
class Claims:
    """The claims and volumes of a listing."""

    _claims: dict[tuple[str, str], View] | None
    _volumes: dict[str, View] | None
    _users: Counter[tuple[str, str]] = field(default_factory=Counter)

    @classmethod
    def of(cls, listing: Listing) -> Claims:
        """Index them, and count by how many pods each claim is in use."""
        claims = None if listing.claims is None else {(v.namespace, v.name): v for v in map(View, listing.claims)}
        volumes = None if listing.volumes is None else {v.name: v for v in map(View, listing.volumes)}
        users = Counter(
            (pod.namespace, name)
            for pod in map(PodView, listing.pods)
            if pod.node and not pod.finished and not pod.deleting
            for name in _names(pod)
        )
        return cls(claims, volumes, users)

    def volumes(self, pod: PodView) -> tuple[VolumeRule, ...]:
        """What binds a successor of the pod to nodes, nothing for a pod without claims."""
        found = [self._rule(pod.namespace, name) for name in _names(pod)]
        made_anew = [
            VolumeRule(volume["name"], unknown=f"volume {volume['name']} is made anew for each pod")
            for volume in pod.spec.get("volumes") or ()
            if "ephemeral" in volume
        ]
        return (*(rule for rule in found if rule is not None), *made_anew)

    def _rule(self, namespace: str, name: str) -> VolumeRule | None:
        if self._claims is None or self._volumes is None:
            return VolumeRule(name, unknown=f"we may not read where claim {name} can be used")
        claim = self._claims.get((namespace, name))
        volume = self._volumes.get(str(claim.spec.get("volumeName", ""))) if claim else None
        if claim is None or volume is None:
            return VolumeRule(name, unknown=f"claim {name} is bound to no volume")
        if ONE_NODE.issuperset(claim.spec.get("accessModes") or ()) and self._users[namespace, name] > 1:
            return VolumeRule(name, unknown=f"claim {name} is for one node at a time and several pods use it")
        required = (volume.spec.get("nodeAffinity") or {}).get("required")
        if not required:
            return None
        return VolumeRule(name, json.dumps(required.get("nodeSelectorTerms") or [], sort_keys=True))


def _names(pod: PodView) -> Iterator[str]:
    for volume in pod.spec.get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            yield str(volume["persistentVolumeClaim"].get("claimName", ""))


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Demands on a node. `terms` are groups of node selector terms, of each of which one must hold.

    `volumes` names the claims whose volumes are among them. `unknown` says which rules that apply are not modelled.
    """

    requests: Mapping[str, int]
    selector: Mapping[str, str]
    terms: tuple[Sequence[Raw], ...]
    tolerations: Sequence[Raw]
    spread: Sequence[Raw]
    affinity: Raw
    volumes: tuple[str, ...]
    priority: int
    preempts: bool
    unknown: tuple[str, ...]

    def selects(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether nodeSelector, required node affinity and volumes let it on a node."""
        return all(labels.get(key) == value for key, value in self.selector.items()) and all(
            fits_terms(terms, name, labels) for terms in self.terms
        )

    def spreads_over(self, rule: Raw, name: str, labels: Mapping[str, str], taints: Sequence[Raw]) -> bool:
        """Whether a node is among those over which a rule spreads (nodeAffinityPolicy, nodeTaintsPolicy)."""
        if any(one["topologyKey"] not in labels for one in self.spread):
            return False
        if rule.get("nodeAffinityPolicy", HONOR) == HONOR and not self.selects(name, labels):
            return False
        return rule.get("nodeTaintsPolicy") != HONOR or not shut_out(taints, self.tolerations)


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
        volumes = self._claims.volumes(pod)
        return {
            "requests": pod_requests(spec),
            "selector": spec.get("nodeSelector") or {},
            "terms": node.get("nodeSelectorTerms"),
            "volumes": [(rule.claim, rule.terms) for rule in volumes if rule.terms],
            "tolerations": spec.get("tolerations") or [],
            "spread": spread,
            "affinity": others,
            "priority": spec.get("priority") or 0,
            "preempts": spec.get("preemptionPolicy") != "Never",
            "unknown": [*(rule.unknown for rule in volumes if rule.unknown), *_unknown(spec, others)],
            # two pods whose demands on others read alike may still mean different others
            "whose": [pod.namespace, dict(pod.labels)] if spread or others else [],
        }


def _shape(parts: Mapping[str, Any]) -> Shape:
    volumes = [json.loads(terms) for _, terms in parts["volumes"]]
    own = [] if parts["terms"] is None else [parts["terms"]]
    return Shape(
        requests=parts["requests"],
        selector=parts["selector"],
        terms=(*own, *volumes),
        tolerations=parts["tolerations"],
        spread=parts["spread"],
        affinity=parts["affinity"],
        volumes=tuple(claim for claim, _ in parts["volumes"]),
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
