"""Where a pod's volumes let it run: the node affinity of the PersistentVolumes behind its claims."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from chaos.cli.plan.snapshot import Listing
from chaos.objects.base import Raw, View
from chaos.objects.pod import PodView

__all__ = ["Claims", "Tie"]

ONE_NODE = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})


@dataclass(frozen=True, slots=True)
class Tie:
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

    def ties(self, pod: PodView) -> tuple[Tie, ...]:
        """What binds a successor of the pod to nodes, nothing for a pod without claims."""
        found = [self._tie(pod.namespace, name) for name in _names(pod)]
        made_anew = [
            Tie(volume["name"], unknown=f"volume {volume['name']} is made anew for each pod")
            for volume in pod.spec.get("volumes") or ()
            if "ephemeral" in volume
        ]
        return (*(tie for tie in found if tie is not None), *made_anew)

    def _tie(self, namespace: str, name: str) -> Tie | None:
        if self._claims is None or self._volumes is None:
            return Tie(name, unknown=f"we may not read where claim {name} can be used")
        claim = self._claims.get((namespace, name))
        volume = self._volumes.get(str(claim.spec.get("volumeName", ""))) if claim else None
        if claim is None or volume is None:
            return Tie(name, unknown=f"claim {name} is bound to no volume")
        if ONE_NODE.issuperset(claim.spec.get("accessModes") or ()) and self._users[namespace, name] > 1:
            return Tie(name, unknown=f"claim {name} is for one node at a time and several pods use it")
        required = (volume.spec.get("nodeAffinity") or {}).get("required")
        return Tie(name, _terms(required)) if required else None


def _names(pod: PodView) -> Iterator[str]:
    for volume in pod.spec.get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            yield str(volume["persistentVolumeClaim"].get("claimName", ""))


def _terms(required: Raw) -> str:
    return json.dumps(required.get("nodeSelectorTerms") or [], sort_keys=True)
