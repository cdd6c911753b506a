"""Reading what a plan needs: each kind listed once, nothing written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from chaos.cluster import Cluster
from chaos.errors import ClusterRefused
from chaos.plan.listing import Listing

__all__ = ["gather"]

CONTROLLERS = ("Deployment", "ReplicaSet", "StatefulSet")
NEEDED = ("Node", "Pod", "PodDisruptionBudget", *CONTROLLERS, "DaemonSet")
WANTED = ("PersistentVolumeClaim", "PersistentVolume")


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
        controllers=[one for kind in CONTROLLERS for one in found[kind]],
        daemon_sets=found["DaemonSet"],
        claims=extra["PersistentVolumeClaim"],
        volumes=extra["PersistentVolume"],
    )


def _if_allowed(cluster: Cluster, kind: str) -> list[dict[str, Any]] | None:
    try:
        return cluster.list(kind)
    except ClusterRefused:
        if cluster.may("list", kind):
            raise
        return None
