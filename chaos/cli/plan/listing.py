"""The objects that a plan is made of: each kind listed once, nothing written."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chaos.cluster import Cluster
from chaos.errors import ClusterRefused, UsageError
from chaos.objects.base import Raw, View, kind_in
from chaos.semantics.budgets import controller_ref, scale_possible

__all__ = ["Listing", "gather"]

OTHERS_MAX = 200
"""How many controllers of other kinds are asked for their scale; the budgets of the rest stay uncounted."""

CONTROLLERS = ("Deployment", "ReplicaSet", "StatefulSet")
NEEDED = ("Node", "Pod", "PodDisruptionBudget", *CONTROLLERS, "DaemonSet")
WANTED = ("PersistentVolumeClaim", "PersistentVolume")


@dataclass(frozen=True, slots=True)
class Listing:
    """Raw objects, each kind listed once. `at` is when, with a time zone.

    `claims` and `volumes` are None where we may not read them: of a pod with a claim nobody can then say where it fits.
    """

    at: datetime
    nodes: Sequence[Raw] = ()
    pods: Sequence[Raw] = ()
    budgets: Sequence[Raw] = ()
    controllers: Sequence[Raw] = ()
    daemon_sets: Sequence[Raw] = ()
    claims: Sequence[Raw] | None = ()
    volumes: Sequence[Raw] | None = ()


def gather(cluster: Cluster) -> Listing:
    """List the whole cluster. Raises `ClusterRefused` if that is not allowed; volumes may be forbidden."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        needed = {kind: pool.submit(cluster.list, kind) for kind in NEEDED}
        wanted = {kind: pool.submit(_if_allowed, cluster, kind) for kind in WANTED}
        found = {kind: listing.result() for kind, listing in needed.items()}
        extra = {kind: listing.result() for kind, listing in wanted.items()}
    return Listing(
        at=datetime.now(UTC),
        nodes=found["Node"],
        pods=found["Pod"],
        budgets=found["PodDisruptionBudget"],
        controllers=[one for kind in CONTROLLERS for one in found[kind]] + _others(cluster, found["Pod"]),
        daemon_sets=found["DaemonSet"],
        claims=extra["PersistentVolumeClaim"],
        volumes=extra["PersistentVolume"],
    )


def _others(cluster: Cluster, pods: Iterable[Raw]) -> list[dict[str, Any]]:
    """The `/scale` of pods' controllers of other kinds, as the disruption controller reads it.

    One that may not be read, or has no scale, is left out: then the budgets that need it are not counted.
    """
    owners: dict[str, tuple[View, Raw]] = {}
    for pod in map(View, pods):
        owner = controller_ref(pod)
        kind = kind_in(owner.get("apiVersion", ""), owner.get("kind", ""))
        if owner and kind not in CONTROLLERS and scale_possible(owner):
            owners.setdefault(str(owner.get("uid", "")), (pod, owner))
    asked = list(owners.values())[:OTHERS_MAX]
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = list(pool.map(lambda one: _scaled(cluster, one[1], one[0].namespace), asked))
    return [one for one in found if one is not None]


def _scaled(cluster: Cluster, owner: Raw, namespace: str) -> dict[str, Any] | None:
    try:
        scale = cluster.scale(kind_in(owner["apiVersion"], owner["kind"]), namespace, str(owner["name"]))
    except (ClusterRefused, UsageError):
        return None
    if scale is None or "replicas" not in (scale.get("spec") or {}):
        return None
    metadata = {"namespace": namespace, "name": owner["name"], "uid": scale["metadata"].get("uid", "")}
    spec = {"replicas": scale["spec"]["replicas"]}
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "metadata": metadata, "spec": spec}


def _if_allowed(cluster: Cluster, kind: str) -> list[dict[str, Any]] | None:
    try:
        return cluster.list(kind)
    except ClusterRefused:
        if cluster.may("list", kind):
            raise
        return None
