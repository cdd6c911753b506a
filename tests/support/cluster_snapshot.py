"""What people wrote in a cluster, to be compared before and after: all but what Kubernetes itself keeps changing."""

from typing import Any

from chaos.cluster import Cluster
from chaos.wait import until

__all__ = ["snapshot"]

KINDS = (
    "Deployment",
    "StatefulSet",
    "Service",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
    "PersistentVolumeClaim",
    "ConfigMap",
    "Secret",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "NetworkPolicy",
    "Lease",
)


CORDON_TAINT = "node.kubernetes.io/unschedulable"
TAINTED_S = 30


def snapshot(cluster: Cluster, namespace: str) -> dict[str, Any]:
    """What people wrote in a namespace and on the nodes: everything but what Kubernetes itself keeps changing.

    Raises:
        TimedOut: The node controller, which taints a node a moment after its cordon, had not followed within 30 s.
    """
    return until(
        lambda: _read(cluster, namespace), deadline_s=TAINTED_S, awaited="the nodes' taints to follow their cordons"
    )


def _read(cluster: Cluster, namespace: str) -> dict[str, Any] | None:
    nodes = cluster.list("Node")
    if not all(_tainted_as_cordoned(node["spec"]) for node in nodes):
        return None
    found = {
        f"{kind} {one['metadata']['name']}": _written(one) for kind in KINDS for one in cluster.list(kind, namespace)
    }
    for node in nodes:
        found[f"Node {node['metadata']['name']}"] = _written(node)
    (own,) = (one for one in cluster.list("Namespace") if one["metadata"]["name"] == namespace)
    found["Namespace"] = _written(own)
    return found


def _tainted_as_cordoned(spec: dict[str, Any]) -> bool:
    tainted = any(taint["key"] == CORDON_TAINT for taint in spec.get("taints", ()))
    return tainted == bool(spec.get("unschedulable"))


def _written(one: dict[str, Any]) -> dict[str, Any]:
    metadata = one["metadata"]
    annotations = dict(metadata.get("annotations") or {})
    # The Deployment's controller counts its own revisions, which a rollout and its undoing both raise.
    annotations.pop("deployment.kubernetes.io/revision", None)
    kept = {"uid": metadata["uid"], "labels": metadata.get("labels"), "annotations": annotations}
    return kept | {key: value for key, value in one.items() if key in ("spec", "data", "rules", "subjects", "roleRef")}
