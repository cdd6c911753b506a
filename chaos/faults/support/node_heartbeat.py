"""Whether a node speaks for itself: a kubelet renews its lease for as long as it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chaos.cluster import Cluster
from chaos.errors import ClusterRefused, TimedOut
from chaos.objects.kinds import NodeView
from chaos.semantics import LOSS_TAINTS
from chaos.wait import until

__all__ = ["RETURN_S", "await_voice", "is_well", "last_renewed"]

RETURN_S = 120.0
"""For a kubelet to connect again, report, and be believed: it notices a broken connection to the API server after 45 s
(HTTP/2 health check), and kubelet and controller report and look every few seconds after that."""

LEASES = "kube-node-lease"
LOOK_S = 0.5


def is_well(node: NodeView) -> bool:
    """Whether it is Ready, and nothing that marked it as lost is left."""
    return node.ready and not any(taint.get("key") in LOSS_TAINTS for taint in node.taints)


def last_renewed(cluster: Cluster, node: str) -> str:
    """When a node's kubelet last renewed its lease, as it wrote it; empty if that may not be read."""
    try:
        lease = cluster.get("Lease", LEASES, node) or {}
    except ClusterRefused:
        return ""
    return str((lease.get("spec") or {}).get("renewTime", ""))


def await_voice(cluster: Cluster, nodes: Sequence[str], before: Mapping[str, str]) -> str:
    """Wait until each node has renewed its lease since; which has not, in words.

    One that was not missed yet still counts as Ready: only what it says itself shows that it goes on.
    """
    try:
        until(
            lambda: all(last_renewed(cluster, node) != before[node] for node in nodes),
            deadline_s=RETURN_S,
            poll_s=LOOK_S,
            awaited=f"a renewed lease of {', '.join(nodes)} after the power came back",
        )
    except TimedOut as late:
        return late.what
    return ""
