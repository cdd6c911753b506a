"""The kinds of object that the suite touches: where each lives in the API, and how to name one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos.errors import UsageError
from chaos.history import Ref

__all__ = ["KINDS", "Kind", "complete", "kind_of", "path_of", "ref_of", "selector_of"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object and its place in the API.

    `bookmarks` says whether the server proves an idle watch of it alive about once a minute. It does for whatever its
    watch cache holds, which Events bypass.
    """

    name: str
    api_version: str
    plural: str
    namespaced: bool = True
    bookmarks: bool = True

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("Namespace", "v1", "namespaces", namespaced=False),
        Kind("Node", "v1", "nodes", namespaced=False),
        Kind("PersistentVolume", "v1", "persistentvolumes", namespaced=False),
        Kind("Pod", "v1", "pods"),
        Kind("Service", "v1", "services"),
        Kind("ConfigMap", "v1", "configmaps"),
        Kind("Secret", "v1", "secrets"),
        Kind("ServiceAccount", "v1", "serviceaccounts"),
        Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
        Kind("ResourceQuota", "v1", "resourcequotas"),
        Kind("Event", "v1", "events", bookmarks=False),
        Kind("Deployment", "apps/v1", "deployments"),
        Kind("ReplicaSet", "apps/v1", "replicasets"),
        Kind("StatefulSet", "apps/v1", "statefulsets"),
        Kind("DaemonSet", "apps/v1", "daemonsets"),
        Kind("Job", "batch/v1", "jobs"),
        Kind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers"),
        Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
        Kind("EndpointSlice", "discovery.k8s.io/v1", "endpointslices"),
        Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
        Kind("Lease", "coordination.k8s.io/v1", "leases"),
        Kind("StorageClass", "storage.k8s.io/v1", "storageclasses", namespaced=False),
        Kind("PriorityClass", "scheduling.k8s.io/v1", "priorityclasses", namespaced=False),
        Kind("Role", "rbac.authorization.k8s.io/v1", "roles"),
        Kind("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings"),
        Kind("ClusterRole", "rbac.authorization.k8s.io/v1", "clusterroles", namespaced=False),
        Kind("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", "clusterrolebindings", namespaced=False),
        Kind("PodMetrics", "metrics.k8s.io/v1beta1", "pods"),
        Kind("NodeMetrics", "metrics.k8s.io/v1beta1", "nodes", namespaced=False),
    )
}


def kind_of(name: str) -> Kind:
    """Look a kind up by its name. Raises `UsageError` naming those that are known."""
    try:
        return KINDS[name]
    except KeyError:
        raise UsageError(f"no such kind: {name}", f"use one of {', '.join(sorted(KINDS))}") from None


def path_of(kind: str, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
    """The path of an object, or of the collection if `name` is empty.

    `namespace` is ignored for kinds that have none; for the others, None means all namespaces.
    """
    known = kind_of(kind)
    root = "/apis/" if known.group else "/api/"
    words = [root + known.api_version]
    if known.namespaced and namespace:
        words += ["namespaces", namespace]
    words += [word for word in (known.plural, name, subresource) if word]
    return "/".join(words)


def selector_of(labels: Mapping[str, str]) -> str:
    """The label selector that asks for all of these."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def ref_of(obj: Mapping[str, Any]) -> Ref:
    """The reference to a raw object that says what kind it is."""
    metadata = obj["metadata"]
    return Ref(obj["kind"], metadata.get("namespace") or "", metadata.get("name") or "", metadata.get("uid") or "")


def complete(kind: str, obj: dict[str, Any]) -> dict[str, Any]:
    """Put `kind` and `apiVersion` into an object that came in a list, where the server leaves them out."""
    obj.setdefault("kind", kind)
    obj.setdefault("apiVersion", kind_of(kind).api_version)
    return obj
