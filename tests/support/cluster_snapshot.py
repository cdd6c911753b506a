"""What people wrote in a cluster, to be compared before and after: all but what Kubernetes itself keeps changing."""

from typing import Any

from chaos.cluster import Cluster

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


def snapshot(cluster: Cluster, namespace: str) -> dict[str, Any]:
    """What people wrote in a namespace and on the nodes: everything but what Kubernetes itself keeps changing."""
    found = {
        f"{kind} {one['metadata']['name']}": _written(one) for kind in KINDS for one in cluster.list(kind, namespace)
    }
    for node in cluster.list("Node"):
        found[f"Node {node['metadata']['name']}"] = _written(node)
    (own,) = (one for one in cluster.list("Namespace") if one["metadata"]["name"] == namespace)
    found["Namespace"] = _written(own)
    return found


def _written(one: dict[str, Any]) -> dict[str, Any]:
    metadata = one["metadata"]
    annotations = dict(metadata.get("annotations") or {})
    # The Deployment's controller counts its own revisions, which a rollout and its undoing both raise.
    annotations.pop("deployment.kubernetes.io/revision", None)
    kept = {"uid": metadata["uid"], "labels": metadata.get("labels"), "annotations": annotations}
    return kept | {key: value for key, value in one.items() if key in ("spec", "data", "rules", "subjects", "roleRef")}
