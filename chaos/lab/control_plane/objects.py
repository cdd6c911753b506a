"""The objects that a cluster of ours is given before anybody uses it: who may do what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaos.lab.control_plane.components import ADMINS, KUBELET_CLIENT

__all__ = ["RBAC", "admins_binding", "cluster_role_binding", "kubelet_client_binding"]

RBAC = "rbac.authorization.k8s.io"


def admins_binding() -> Mapping[str, Any]:
    """The administrators' group may do everything."""
    return cluster_role_binding("gameday:admins", role="cluster-admin", kind="Group", subject=ADMINS)


def cluster_role_binding(name: str, *, role: str, kind: str, subject: str) -> Mapping[str, Any]:
    """Give a cluster role to a user or group everywhere."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": kind, "name": subject}],
    }


def kubelet_client_binding() -> Mapping[str, Any]:
    """The API server may do at the kubelets what `kubectl logs`, `exec` and `port-forward` need."""
    return cluster_role_binding(
        "gameday:apiserver-kubelet-client", role="system:kubelet-api-admin", kind="User", subject=KUBELET_CLIENT
    )
